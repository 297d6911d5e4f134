"""The constraints and indexes of the sample graph. Every statement may run any number of times."""

from __future__ import annotations

from typing import LiteralString

__all__ = ["FLIGHT_SCHEMA", "SCHEMA"]

SCHEMA: tuple[LiteralString, ...] = (
    # Keys. Every MERGE of the load uses one of them.
    "CREATE CONSTRAINT dataset_name IF NOT EXISTS FOR (d:Dataset) REQUIRE d.name IS UNIQUE",
    "CREATE CONSTRAINT airport_faa IF NOT EXISTS FOR (a:Airport) REQUIRE a.faa IS UNIQUE",
    "CREATE CONSTRAINT airline_carrier IF NOT EXISTS FOR (a:Airline) REQUIRE a.carrier IS UNIQUE",
    "CREATE CONSTRAINT plane_tail_number IF NOT EXISTS FOR (p:Plane) REQUIRE p.tailNumber IS UNIQUE",
    "CREATE CONSTRAINT model_name IF NOT EXISTS FOR (m:Model) REQUIRE m.name IS UNIQUE",
    "CREATE CONSTRAINT manufacturer_name IF NOT EXISTS FOR (m:Manufacturer) REQUIRE m.name IS UNIQUE",
    "CREATE CONSTRAINT day_date IF NOT EXISTS FOR (d:Day) REQUIRE d.date IS UNIQUE",
    "CREATE CONSTRAINT weather_airport_time IF NOT EXISTS FOR (w:Weather) REQUIRE (w.airport, w.time) IS UNIQUE",
    # What people look for.
    "CREATE INDEX route_carrier IF NOT EXISTS FOR ()-[r:ROUTE]-() ON (r.carrier)",
    "CREATE INDEX weather_time IF NOT EXISTS FOR (w:Weather) ON (w.time)",
    "CREATE TEXT INDEX airport_name IF NOT EXISTS FOR (a:Airport) ON (a.name)",
    "CREATE POINT INDEX airport_location IF NOT EXISTS FOR (a:Airport) ON (a.location)",
    "CREATE FULLTEXT INDEX names IF NOT EXISTS FOR (n:Airport|Airline|Model|Manufacturer) ON EACH [n.name]",
    "CREATE VECTOR INDEX airport_rhythm IF NOT EXISTS FOR (a:Airport) ON (a.rhythm) "
    "OPTIONS {indexConfig: {`vector.dimensions`: 24, `vector.similarity_function`: 'cosine'}}",
)

FLIGHT_SCHEMA: tuple[LiteralString, ...] = (
    "CREATE CONSTRAINT flight_id IF NOT EXISTS FOR (f:Flight) REQUIRE f.id IS UNIQUE",
    "CREATE INDEX flight_scheduled_departure IF NOT EXISTS FOR (f:Flight) ON (f.scheduledDeparture)",
)
"""What the single flights need in addition."""
