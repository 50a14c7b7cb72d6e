"""What the dashboard shows in its tests: a model, its releases, an incident and a proposal."""

from __future__ import annotations

from contextlib import contextmanager

from kedge.registry import Registry
from registry.building import release
from statistic_records import MINUTE, statistic, window
from web.asking import archived, free_port, serving
from web.records import alert

INCIDENT = "i"
_COLUMNS = ("x", "carrier")


@contextmanager
def stocked(make_settings):
    """A served archive and registry: the settings, and a token that may operate."""
    settings = make_settings(web={"port": free_port(), "rate": 1e6, "burst": 10**6})
    with Registry.open(settings) as registry:
        release(registry, settings.home / "source", 3)
        for seen, number in enumerate((1, 2, 3)):
            registry.move_alias(
                "m", "production", number, expected_generation=seen, actor="a", reason="ships"
            )
        registry.proposals.propose(
            *("m", "production", 2),
            expected_generation=3,
            incident=INCIDENT,
            within=3_600_000_000,
            actor="alerting",
            reason="release 2 was well",
        )
        token, _ = registry.tokens.create("on-call", "operate", actor="a")
    archived(settings, "statistics", "statistic", [_window(minute) for minute in range(12)])
    archived(settings, "predictions", "prediction", [_prediction(n) for n in range(40)])
    fired = alert(
        9,
        incident=INCIDENT,
        alias="production",
        rule="an input is missing",
        release=3,
        statistic="psi",
        role="feature",
        column="x",
        kind=None,
        threshold=0.25,
        verdict={"blame": "code", "because": ["Release 2 is well."]},
        starts_at=9 * MINUTE,
        window_start=9 * MINUTE,
        window_end=10 * MINUTE,
    )
    archived(settings, "alerts", "alert", [fired])
    with serving(settings):
        yield settings, token


def _window(minute):
    drift = 0.05 if minute < 9 else 0.6
    number = 1 + minute // 4
    return window(
        number,
        minute,
        statistic("rows", 1000.0),
        *(statistic("psi", drift, role="feature", column=name) for name in _COLUMNS),
        *(statistic("missing_rate", 0.1, role="feature", column=name) for name in _COLUMNS),
        model="m",
    )


def _prediction(number):
    """In the tenth minute, of release 3."""
    return {
        "id": str(number),
        "event_time": 9 * MINUTE + number * 1_000_000,
        "model": "m",
        "model_version": "mv",
        "code_version": "cv3",
        "release": 3,
        "environment": "production",
        "features": {"x": float(number % 4), "carrier": "AA" if number % 3 else "UA"},
        "outputs": {},
        "imputed": [],
        "latency_ms": 1.0,
        "error": None,
    }
