"""Loads the sample graph into an empty database, or the missing part of it after an interruption.

Two loads may run at the same time, for two commands that share a database: they take turns, and merge the same data.

The node ``(:Dataset)`` is written first and says how far the load has come: ``flights`` is absent until the summaries
are complete, then ``summarised``, ``incomplete`` while single flights are being added, and ``all`` at the end.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import LiteralString

import neo4j
from neo4j.exceptions import ClientError, DriverError, Neo4jError

from core.errors import LocalError
from local.console import Console
from local.sample.flights import FLIGHTS, flight_batches
from local.sample.graph import steps
from local.sample.schema import FLIGHT_SCHEMA, SCHEMA
from local.sample.source import LICENCE, PACKAGE, Source, find_source
from local.sample.tallies import tally

__all__ = ["EDITION", "LoadSummary", "load_sample"]

EDITION = 1
"""The version of the graph's shape. It grows with every change that an already loaded graph does not have."""

BATCH = 5_000


@dataclass(frozen=True)
class LoadSummary:
    """What is in the database after ``load_sample``, and what was done."""

    nodes: int
    relationships: int
    seconds: float
    already_loaded: bool
    """Whether there was nothing to do."""
    full: bool
    """Whether the graph has every single flight, whoever loaded them."""


@dataclass(frozen=True)
class _State:
    """How far the database has come. ``edition`` is None when no load has ever begun."""

    edition: int | None
    version: str | None
    flights: str | None
    nodes: int
    relationships: int


def load_sample(driver: neo4j.Driver, *, database: str = "neo4j", full: bool = False, console: Console) -> LoadSummary:
    """Load the sample graph, unless it is already there.

    ``full`` adds every single flight as a node. An interrupted load is completed; what is there stays as it
    is, and a graph that has the single flights keeps them.

    Raises LocalError when the database holds anything but this graph, when the data are not installed, and when the
    database fails. What was loaded until then stays, for the next load to complete.
    """
    started = time.monotonic()
    try:
        with driver.session(database=database, notifications_min_severity="OFF") as session:
            before = _state(session)
            _refuse_other_graphs(before)
            if already_loaded := before.flights == "all" or (before.flights is not None and not full):
                after = before
                if before.flights == "incomplete":
                    console.say("Only some of the single flights are in the sample graph; a full load adds the rest.")
            else:
                source = find_source()
                if before.version not in (None, source.version):
                    raise LocalError(
                        f"The sample graph in this database is from {PACKAGE} {before.version}, but {source.version} "
                        "is installed. Use an empty data directory."
                    )
                if before.flights is None:
                    _load_summaries(session, source, console)
                if full:
                    _load_flights(session, source, console)
                after = _state(session)
    except (DriverError, Neo4jError) as error:
        reason = error.code if isinstance(error, Neo4jError) and error.code else type(error).__name__
        raise LocalError(
            f"The database failed while the sample graph was being loaded ({reason}). Loading again completes it."
        ) from error
    seconds = time.monotonic() - started
    return LoadSummary(after.nodes, after.relationships, seconds, already_loaded, after.flights == "all")


def _state(session: neo4j.Session) -> _State:
    record = session.run(
        "OPTIONAL MATCH (d:Dataset {name: $name}) RETURN d.edition, d.version, d.flights, COUNT {()}, COUNT {()-->()}",
        name=PACKAGE,
    ).single(strict=True)
    return _State(*record)


def _refuse_other_graphs(state: _State) -> None:
    if state.edition is None and state.nodes:
        raise LocalError(
            f"The database holds {state.nodes:,} nodes that are not the sample graph. The sample goes only into an "
            "empty embedded database, so that it does not mix with your data. Use an empty data directory."
        )
    if state.edition not in (None, EDITION):
        raise LocalError(
            "The database holds the sample graph of another release, whose shape differs. Use an empty data directory."
        )


def _load_summaries(session: neo4j.Session, source: Source, console: Console) -> None:
    _create(session, SCHEMA)
    _write(
        session,
        "MERGE (d:Dataset {name: $name}) SET d.edition = $edition, d.version = $version, d.licence = $licence, "
        "d.title = 'Flights out of New York City in 2013', d.source = 'the Python package ' + $name",
        name=PACKAGE,
        edition=EDITION,
        version=source.version,
        licence=LICENCE,
    )
    todo = list(steps(source, tally(source.flights())))
    with console.progress("Loading the sample graph", sum(len(step.rows) for step in todo)) as advance:
        for statement, rows in todo:
            for start in range(0, len(rows), BATCH):
                batch = rows[start : start + BATCH]
                _merge(session, statement, batch)
                advance(len(batch))
    _finish(session, "MATCH (d:Dataset {name: $name}) WHERE d.flights IS NULL SET d.flights = 'summarised'")


def _load_flights(session: neo4j.Session, source: Source, console: Console) -> None:
    _create(session, FLIGHT_SCHEMA)
    _write(
        session, "MATCH (d:Dataset {name: $name}) WHERE d.flights <> 'all' SET d.flights = 'incomplete'", name=PACKAGE
    )
    total = session.run("MATCH (d:Day) RETURN sum(d.flights)").single(strict=True)[0]
    with console.progress("Loading every flight", total) as advance:
        for batch in flight_batches(source.flights(), BATCH):
            _merge(session, FLIGHTS, batch)
            advance(len(batch))
    _finish(session, "MATCH (d:Dataset {name: $name}) SET d.flights = 'all'")


def _finish(session: neo4j.Session, mark: LiteralString) -> None:
    session.run("CALL db.awaitIndexes(300)").consume()
    _write(session, mark + ", d.loaded = datetime()", name=PACKAGE)


def _create(session: neo4j.Session, schema: Iterable[LiteralString]) -> None:
    for statement in schema:
        try:
            _write(session, statement)
        except ClientError as error:
            # IF NOT EXISTS looks before it creates: another load may create the same in between.
            if error.code != "Neo.ClientError.Schema.EquivalentSchemaRuleAlreadyExists":
                raise


def _merge(session: neo4j.Session, statement: LiteralString, rows: Sequence[object]) -> None:
    """Merge one batch. Every load locks the same node first, so two loads take turns and never deadlock."""

    def work(transaction: neo4j.ManagedTransaction) -> None:
        transaction.run("MATCH (d:Dataset {name: $name}) SET d.edition = d.edition", name=PACKAGE).consume()
        transaction.run(statement, rows=rows).consume()

    session.execute_write(work)


def _write(session: neo4j.Session, statement: LiteralString, **parameters: object) -> None:
    """Run ``statement`` in a transaction of its own, repeated if the database asks for that."""
    session.execute_write(lambda transaction: transaction.run(statement, parameters).consume())
