"""Questions that the sample graph answers well, each with the Cypher that answers it.

Every statement only reads, calls no procedures except those that query an index, and returns at most ten rows of plain
values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import LiteralString

__all__ = ["QUESTIONS", "Question"]


@dataclass(frozen=True)
class Question:
    """A question, the Cypher and parameters that answer it, and what makes it a question for a graph."""

    text: str
    cypher: LiteralString
    params: Mapping[str, str | int]
    note: str


CONNECTION = Question(
    text="What is the shortest connection between Lexington (LEX) and Palm Springs (PSP)?",
    cypher="""
MATCH path = ALL SHORTEST (:Airport {faa: $from})-[:ROUTE]-+(:Airport {faa: $to})
WITH path, reduce(miles = 0, route IN relationships(path) | miles + route.distanceMiles) AS miles
ORDER BY miles, [route IN relationships(path) | route.carrier]
LIMIT 1
UNWIND range(1, length(path)) AS leg
WITH leg, nodes(path)[leg - 1] AS departure, nodes(path)[leg] AS arrival, relationships(path)[leg - 1] AS route
MATCH (airline:Airline {carrier: route.carrier})
RETURN leg, departure.name AS departure, arrival.name AS arrival, airline.name AS airline, route.distanceMiles AS miles
ORDER BY leg
""",
    params={"from": "LEX", "to": "PSP"},
    note="A path of any length, the least miles among the shortest. Routes count in both directions: the source has "
    "only flights that leave New York.",
)

HUBS = Question(
    text="How many pairs of airports would lose their only one-stop connection if a New York airport closed?",
    cypher="""
MATCH (a:Airport)<-[:ROUTE]-(hub:Airport)-[:ROUTE]->(b:Airport)
WHERE a.faa < b.faa
WITH DISTINCT a, b, hub
WITH a, b, collect(hub) AS hubs
WHERE size(hubs) = 1
WITH hubs[0] AS hub, count(*) AS pairs
MATCH (hub)-[route:ROUTE]->(destination:Airport)
RETURN hub.faa AS faa, hub.name AS airport, pairs AS pairsOnlyHere, count(DISTINCT destination) AS destinations,
       count(DISTINCT route.carrier) AS airlines, sum(route.flights) AS flights
ORDER BY pairsOnlyHere DESC
LIMIT 10
""",
    params={},
    note="What a hub is worth shows in the connections that need it, not in its flights alone.",
)

DELAYS = Question(
    text="Which airlines arrive late in Chicago (ORD)?",
    cypher="""
MATCH (:Airport)-[route:ROUTE]->(:Airport {faa: $airport})
MATCH (airline:Airline {carrier: route.carrier})
WITH airline, sum(route.flights) AS flights, sum(route.cancelled) AS cancelled,
     sum(route.flights - route.cancelled - route.diverted) AS arrived,
     sum(route.averageArrivalDelay * (route.flights - route.cancelled - route.diverted)) AS minutes
WHERE arrived > 0
RETURN airline.name AS airline, flights, round(minutes / arrived, 1) AS averageArrivalDelay,
       round(100.0 * cancelled / flights, 1) AS cancelledPercent
ORDER BY averageArrivalDelay DESC
LIMIT 10
""",
    params={"airport": "ORD"},
    note="Averages of routes are weighted by the flights that arrived. A negative delay is early.",
)

WORST_DAY = Question(
    text="On which day were departures latest, and what was the weather like then, the day before and the day after?",
    cypher="""
MATCH (day:Day)
WITH day ORDER BY day.averageDepartureDelay DESC LIMIT 1
MATCH (before:Day)-[:NEXT]->(day)-[:NEXT]->(after:Day)
UNWIND [before, day, after] AS d
MATCH (d)<-[:ON]-(weather:Weather)-[:OBSERVED_AT]->(airport:Airport)
RETURN d.date AS date, d.averageDepartureDelay AS averageDepartureDelay, d.cancelled AS cancelled,
       max(weather.windGustMph) AS strongestGustMph, min(weather.visibilityMiles) AS leastVisibilityMiles,
       round(sum(weather.precipitationInches) / count(DISTINCT airport), 2) AS precipitationInches
ORDER BY date
""",
    params={},
    note="From a day along the chain of days, and to every hour of weather at the three airports.",
)

MISSPELLED = Question(
    text='What could "Philedelphia", "Bombadier" and "JetBleu" be?',
    cypher="""
CALL db.index.fulltext.queryNodes('names', $words) YIELD node, score
RETURN labels(node)[0] AS kind, coalesce(node.faa, node.carrier) AS code, node.name AS name, round(score, 2) AS score
ORDER BY score DESC, name
LIMIT 10
""",
    params={"words": "Philedelphia~ Bombadier~ JetBleu~"},
    note="One full-text index over airports, airlines, models and manufacturers; the tilde forgives misspelling.",
)

SIMILAR = Question(
    text="Which airports have a daily rhythm like San Francisco's (SFO)?",
    cypher="""
MATCH (airport:Airport {faa: $airport})
CALL db.index.vector.queryNodes('airport_rhythm', 6, airport.rhythm) YIELD node, score
WHERE node <> airport
RETURN node.faa AS faa, node.name AS airport, node.timezone AS timezone, round(score, 4) AS similarity
ORDER BY similarity DESC
LIMIT 5
""",
    params={"airport": "SFO"},
    note="The rhythm is a vector: the share of each hour of the day in an airport's traffic with New York.",
)

NEARBY = Question(
    text="Which airports lie within 50 km of San Francisco's (SFO), and which of them can be reached from New York?",
    cypher="""
MATCH (here:Airport {faa: $airport})
MATCH (airport:Airport)
WHERE point.distance(here.location, airport.location) <= 1000 * $kilometres AND airport <> here
OPTIONAL MATCH (:Airport)-[route:ROUTE]->(airport)
RETURN airport.faa AS faa, airport.name AS airport,
       round(point.distance(here.location, airport.location) / 1000, 1) AS kilometres,
       count(DISTINCT route.carrier) AS airlines, sum(route.flights) AS flightsFromNewYork
ORDER BY kilometres
LIMIT 10
""",
    params={"airport": "SFO", "kilometres": 50},
    note="Distances between points, found through the point index.",
)

TRAVELLED = Question(
    text="Which planes have landed at the largest number of airports?",
    cypher="""
MATCH (plane:Plane)-[visit:VISITED]->(airport:Airport)
WITH plane, count(airport) AS airports, sum(visit.flights) AS landings
ORDER BY airports DESC, landings DESC, plane.tailNumber
LIMIT 5
OPTIONAL MATCH (plane)-[:OF_MODEL]->(model:Model)
OPTIONAL MATCH (plane)-[:BUILT_BY]->(manufacturer:Manufacturer)
RETURN plane.tailNumber AS plane, airports, landings, plane.year AS built, model.name AS model,
       manufacturer.name AS manufacturer,
       reduce(names = '', airline IN COLLECT { MATCH (a:Airline)-[:OPERATES]->(plane) RETURN a.name ORDER BY a.name } |
              names + CASE names WHEN '' THEN '' ELSE ', ' END + airline) AS airlines
ORDER BY airports DESC, landings DESC, plane
""",
    params={},
    note="Planes are nodes of their own: their visits, makers and airlines hang together without a join table.",
)

QUESTIONS = (CONNECTION, HUBS, DELAYS, WORST_DAY, MISSPELLED, SIMILAR, NEARBY, TRAVELLED)
"""All of them, in an order that tells a story."""
