"""Queries that are waited for: whatever happens, they have ended before anybody closes."""

import contextlib
import random
import threading
import time

import duckdb
import pytest

from kedge.archive.waiting import waited_for

LONG = "SELECT count(*) FROM range(100_000_000) AS a, range(100_000_000) AS b"


def test_what_was_worked_out_is_given_and_what_was_raised_is_raised():
    with duckdb.connect() as connection:
        assert waited_for(connection, lambda: connection.sql("SELECT 42").fetchall()) == [(42,)]
        with pytest.raises(duckdb.CatalogException):
            waited_for(connection, lambda: connection.sql("FROM nothing"))


@pytest.mark.parametrize("wanted", [TimeoutError, KeyboardInterrupt, RuntimeError])
def test_a_query_is_over_before_its_end_is_told(wanted):
    """By its time, by Ctrl-C, and by who looks on meanwhile."""
    running = threading.Event()
    ended = threading.Event()

    def work():
        running.set()
        try:
            connection.sql(LONG).fetchall()
        finally:
            ended.set()

    def look():
        if wanted is not TimeoutError and running.is_set():
            raise wanted

    with duckdb.connect() as connection:
        with pytest.raises(wanted):
            waited_for(
                connection,
                work,
                seconds=0.3 if wanted is TimeoutError else None,
                meanwhile=look,
            )
        assert ended.is_set()
        assert connection.sql("SELECT 1").fetchall() == [(1,)]


def test_an_interruption_between_two_steps_is_not_lost():
    def work():
        time.sleep(0.4)  # nothing is there to be interrupted when its time is over
        connection.sql(LONG).fetchall()

    with duckdb.connect() as connection, pytest.raises(TimeoutError):
        waited_for(connection, work, seconds=0.1)


def test_cursors_of_one_database_end_and_are_closed_at_any_moment():
    generator = random.Random(7)
    moments = [generator.random() * 0.05 for _ in range(40)]
    faults = []

    def ask(mine):
        try:
            for seconds in mine:
                with connection.cursor() as cursor:
                    with contextlib.suppress(TimeoutError):
                        waited_for(
                            cursor,
                            lambda cursor=cursor: cursor.sql(
                                "SELECT sum(hash(range)) FROM range(1_000_000)"
                            ).to_arrow_table(),
                            seconds=seconds,
                        )
                    assert cursor.sql("SELECT 1").fetchall() == [(1,)]
        except BaseException as error:  # noqa: BLE001
            faults.append(error)

    with duckdb.connect() as connection:
        threads = [threading.Thread(target=ask, args=(moments[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []
