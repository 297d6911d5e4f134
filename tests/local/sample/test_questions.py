"""The demo questions: they only read, they are quick, and their answers are those of the source tables."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from itertools import combinations, pairwise
from statistics import mean

import neo4j
import pytest
from neo4j.time import Date

from local.sample import QUESTIONS, Question, questions
from tests.local.sample import raw


def answer(driver: neo4j.Driver, question: Question) -> list[list[object]]:
    with driver.session(default_access_mode=neo4j.READ_ACCESS) as session:
        return [record.values() for record in session.run(question.cypher, dict(question.params))]


def short(question: Question) -> str:
    return " ".join(question.text.split()[:6])


@pytest.mark.parametrize("question", QUESTIONS, ids=short)
@pytest.mark.parametrize("language", ["CYPHER 5", "CYPHER 25"])
def test_a_question_only_reads(neo4j_driver: neo4j.Driver, question: Question, language: str) -> None:
    with neo4j_driver.session() as session:
        summary = session.run(f"{language} EXPLAIN {question.cypher}", dict(question.params)).consume()
    assert summary.query_type == "r"
    warnings = [status.status_description for status in summary.gql_status_objects if status.is_notification]
    # Cypher 25 has a clause for vector search besides the procedure, which Cypher 5 has alone.
    assert not [text for text in warnings if "db.index.vector.queryNodes is deprecated" not in text]


@pytest.mark.parametrize("question", QUESTIONS, ids=short)
def test_an_answer_is_a_small_table_of_plain_values(neo4j_driver: neo4j.Driver, question: Question) -> None:
    answer(neo4j_driver, question)
    started = time.monotonic()
    rows = answer(neo4j_driver, question)
    assert time.monotonic() - started < 1
    assert 1 <= len(rows) <= 10
    assert all(isinstance(value, str | int | float | Date | None) for row in rows for value in row)


def test_the_connection_is_the_shortest(neo4j_driver: neo4j.Driver) -> None:
    distances: dict[str, dict[str, int]] = defaultdict(dict)
    for row in raw.table("flights"):
        distances[row["origin"]][row["dest"]] = distances[row["dest"]][row["origin"]] = int(row["distance"])
    paths = [["LEX"]]
    while not any(path[-1] == "PSP" for path in paths):
        paths = [[*path, further] for path in paths for further in distances[path[-1]] if further not in path]
    miles = min(sum(distances[a][b] for a, b in pairwise(path)) for path in paths if path[-1] == "PSP")
    rows = answer(neo4j_driver, questions.CONNECTION)
    assert [row[0] for row in rows] == list(range(1, len(paths[0])))
    assert (rows[0][1], rows[-1][2]) == ("Blue Grass", "Palm Springs Intl")
    assert all(before[2] == after[1] for before, after in pairwise(rows))
    assert sum(int(str(row[4])) for row in rows) == miles


def test_a_hub_is_worth_the_pairs_that_only_it_connects(neo4j_driver: neo4j.Driver) -> None:
    hubs = defaultdict(set)
    for row in raw.table("flights"):
        hubs[row["dest"]].add(row["origin"])
    pairs = Counter(next(iter(common)) for a, b in combinations(hubs, 2) if len(common := hubs[a] & hubs[b]) == 1)
    flights = Counter(row["origin"] for row in raw.table("flights"))
    assert [[row[0], row[2], row[5]] for row in answer(neo4j_driver, questions.HUBS)] == [
        [hub, number, flights[hub]] for hub, number in pairs.most_common()
    ]


def test_delays_are_those_of_the_flights_that_arrived(neo4j_driver: neo4j.Driver) -> None:
    delays = defaultdict(list)
    for row in raw.table("flights"):
        if row["dest"] == "ORD" and row["arr_delay"] != "NA":
            delays[row["carrier"]].append(int(row["arr_delay"]))
    airlines = {row["carrier"]: row["name"] for row in raw.table("airlines")}
    expected = {airlines[carrier]: pytest.approx(mean(minutes), abs=0.06) for carrier, minutes in delays.items()}
    assert {row[0]: row[2] for row in answer(neo4j_driver, questions.DELAYS)} == expected


def test_the_worst_day_comes_with_its_weather(neo4j_driver: neo4j.Driver) -> None:
    delays = defaultdict(list)
    for row in raw.table("flights"):
        if row["dep_delay"] != "NA":
            delays[int(row["month"]), int(row["day"])].append(int(row["dep_delay"]))
    worst = max(delays, key=lambda day: mean(delays[day]))
    weather = [row for row in raw.table("weather") if (int(row["month"]), int(row["day"])) == worst]
    before, day, after = answer(neo4j_driver, questions.WORST_DAY)
    assert day[0] == Date(2013, *worst)
    assert (before[0], after[0]) == (Date(2013, worst[0], worst[1] - 1), Date(2013, worst[0], worst[1] + 1))
    assert day[1] == round(mean(delays[worst]), 2)
    assert day[3] == pytest.approx(max(float(row["wind_gust"]) for row in weather if row["wind_gust"] != "NA"))
    assert day[4] == min(float(row["visib"]) for row in weather)
    assert day[5] == pytest.approx(sum(float(row["precip"]) for row in weather) / 3, abs=0.005)


def test_misspelled_names_are_found(neo4j_driver: neo4j.Driver) -> None:
    found = [row[2] for row in answer(neo4j_driver, questions.MISSPELLED)]
    assert {"BOMBARDIER INC", "JetBlue Airways", "Philadelphia Intl"} <= set(found)


def test_similar_airports_have_the_nearest_rhythms(neo4j_driver: neo4j.Driver) -> None:
    hours: dict[str, list[int]] = defaultdict(lambda: [0] * 24)
    for row in raw.table("flights"):
        hours[row["origin"]][int(row["sched_dep_time"]) // 100 % 24] += 1
        hours[row["dest"]][int(row["sched_arr_time"]) // 100 % 24] += 1

    def cosine(a: list[int], b: list[int]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)

    nearest = sorted((faa for faa in hours if faa != "SFO"), key=lambda faa: -cosine(hours["SFO"], hours[faa]))
    rows = answer(neo4j_driver, questions.SIMILAR)
    assert [row[0] for row in rows] == nearest[:5]
    for found in rows:
        # Neo4j maps the cosine from [-1, 1] to [0, 1]; the index keeps its vectors in fewer bits.
        assert found[3] == pytest.approx((1 + cosine(hours["SFO"], hours[str(found[0])])) / 2, abs=0.005)


def test_airports_nearby_are_near(neo4j_driver: neo4j.Driver) -> None:
    places = {
        row["faa"]: (math.radians(float(row["lat"])), math.radians(float(row["lon"]))) for row in raw.table("airports")
    }

    def kilometres(a: str, b: str) -> float:
        (lat1, lon1), (lat2, lon2) = places[a], places[b]
        chord = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
        return 2 * 6378.140 * math.asin(math.sqrt(chord))

    near = {faa: round(kilometres("SFO", faa), 1) for faa in places if faa != "SFO" and kilometres("SFO", faa) <= 50}
    rows = answer(neo4j_driver, questions.NEARBY)
    assert {row[0]: row[2] for row in rows} == pytest.approx(near, abs=0.11)
    flights = Counter(row["dest"] for row in raw.table("flights"))
    assert {row[0]: row[4] for row in rows} == {faa: flights[faa] for faa in near}


def test_the_most_travelled_planes_landed_at_the_most_airports(neo4j_driver: neo4j.Driver) -> None:
    visits: dict[str, list[str]] = defaultdict(list)
    for row in raw.table("flights"):
        if row["tailnum"] != "NA" and row["arr_delay"] != "NA":
            visits[row["tailnum"]].append(row["dest"])
    ranked = sorted(visits, key=lambda tail: (-len(set(visits[tail])), -len(visits[tail]), tail))
    makers = {row["tailnum"]: row["manufacturer"] for row in raw.table("planes")}
    rows = answer(neo4j_driver, questions.TRAVELLED)
    assert [[row[0], row[1], row[2], row[5]] for row in rows] == [
        [tail, len(set(visits[tail])), len(visits[tail]), makers.get(tail)] for tail in ranked[:5]
    ]
