"""A server to be fuzzed: everything is there that the API can tell of."""

from __future__ import annotations

from contextlib import contextmanager

from kedge.clock import microseconds_now
from kedge.policy.matchers import Matchers
from kedge.registry import Registry
from registry.building import release
from statistic_records import increase, statistic, window
from web.asking import archived, serving
from web.records import alert


@contextmanager
def stocked(settings):
    """A server over a registry and an archive with a little of everything.

    Gives an administrator's token, and what is there by the names of parameters.
    """
    with Registry.open(settings) as registry:
        release(registry, settings.home / "source", 3)
        for alias in ("a", "b"):
            for seen in range(3):
                registry.move_alias(
                    "m", alias, 1 + seen, expected_generation=seen, actor="a", reason=""
                )
        registry.refuse("m", "a", "i", actor="a", reason="why")
        registry.proposals.propose(
            *("m", "b", 2),
            expected_generation=3,
            incident="j",
            within=3_600_000_000,
            actor="a",
            reason="why",
        )
        registry.silences.create(
            Matchers(model="m"),
            ends_at=microseconds_now() + 3_600_000_000,
            author="a",
            comment="why",
        )
        token, _ = registry.tokens.create("fuzz", "admin", actor="a")
        registry.tokens.create("t", "read", actor="a")
        there = {
            "model": "m",
            "number": 1,
            "reason": "why",
            "against": 2,
            "role": "feature",
            "column": "x",
            "name": "t",
            "release": 2,
            "query": "SELECT release, count(*) FROM statistics GROUP BY ALL",
            "expected_generation": 3,
            "model_version": registry.model_versions("m")[0].id,
            "code_version": registry.code_versions("m")[0].id,
        }
    windows = [
        window(1 + minute % 2, minute, increase(0.5), statistic("volume", 10.0), model="m")
        for minute in range(6)
    ]
    archived(settings, "statistics", "statistic", windows)
    archived(settings, "alerts", "alert", [alert(minute) for minute in range(4)])
    with serving(settings):
        yield token, there


def lead(case, there):
    """Let a case ask for what is there, wherever it names something."""
    version = "model_version" if "/versions/" in case.operation.path else "code_version"
    # The alias that nothing else moves still is where it was seen.
    alias = "b" if case.operation.path.endswith("/rollback") else "a"
    named = {**there, "version": there[version], "alias": alias}
    if "/aliases/" in case.operation.path and isinstance(case.body, dict):
        for name in ("If-Match", "If-None-Match"):
            (case.headers or {}).pop(name, None)
        case.body["expected_generation"] = None
    # Nobody has got a page yet that another could go on after.
    (case.query or {}).pop("cursor", None)
    for part in (case.path_parameters, case.query, case.body):
        if isinstance(part, dict):
            part.update({name: named[name] for name in part if name in named})
