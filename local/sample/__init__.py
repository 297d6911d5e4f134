"""The sample graph: every flight that left New York City in 2013, its airports, airlines, planes, days and weather.

``load_sample`` puts it into an empty embedded database; ``QUESTIONS`` are read-only questions that it answers well.
``docs/sample-graph.md`` draws it.
"""

from local.sample.load import LoadSummary, load_sample
from local.sample.questions import QUESTIONS, Question

__all__ = ["QUESTIONS", "LoadSummary", "Question", "load_sample"]
