"""Takes temporal values, durations and points from the driver before it can damage them.

The driver (6.4) turns what Bolt carries into types that cannot hold all of it. It refuses years outside of 1 to 9999
(the record then raises `BrokenRecordError`), and it silently loses the seconds of an offset, local mean times from
before standard time, summer time after 2037, and whether a time was in the zone ``UTC`` or at offset zero. It has no
public way to replace that step, so this module reaches into a result: two private names, in one function. If a later
driver does not have them, values are read in the driver's way again, and a test of this project reports that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from core.values.iso import date_text, datetime_text, duration_text, point_text, time_text

__all__ = ["keep_exact_values"]

logger = logging.getLogger(__name__)

_EXACT: dict[bytes, Callable[..., str]] = {
    b"D": date_text,
    b"T": time_text,
    b"t": time_text,
    b"I": datetime_text,
    b"i": datetime_text,
    b"d": datetime_text,
    b"E": duration_text,
    b"X": point_text,
    b"Y": point_text,
}
"""By the tag of the structure in Bolt 5 and later; ``F`` and ``f``, of older servers, stay with the driver.

Source: https://neo4j.com/docs/bolt/current/bolt/structure-semantics
"""


def keep_exact_values(result: object) -> bool:
    """Make the records of ``result`` (a driver's result, no record of it read yet) hold such values as exact text.

    The text is the same as from `core.values.plain_json.to_json`. False if this driver does not allow it.
    """
    functions: Any = getattr(getattr(result, "_hydration_scope", None), "_struct_hydration_functions", None)
    if not isinstance(functions, dict):
        logger.error("this driver hides how it reads values: some dates, times and zones may not be exact")
        return False
    functions.update(_EXACT)
    return True
