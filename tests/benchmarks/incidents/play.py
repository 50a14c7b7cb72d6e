"""One story through the real code: profiles, statistics, evidence, alerting, registry; no Kafka."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.decisions.windows import Category, Rows
from benchmarks.incidents.data import Model
from benchmarks.incidents.faults import Logged, fault_of, training
from benchmarks.incidents.plan import Story
from kedge.alerting import Alerting
from kedge.contracts import Column, PredictionBatch, Tags, Topics, decode, encode
from kedge.contracts.predictions import State
from kedge.evaluation.assessment import PART
from kedge.performance import infer_task, label_coverage, metrics, scores_of
from kedge.policy import parse
from kedge.profile import Profile, Reference, count_windows, reference_of
from kedge.registry import Registry
from kedge.rollback import ACTOR
from kedge.settings import Settings
from kedge.statistics import Traffic, operational_statistics, window_statistics
from kedge.streams import Incoming
from kedge.streams.evidence import EvidenceFolds
from kedge.streams.window import Window, WindowKey

HOUR = 3_600_000_000
EPOCH = 400_000 * HOUR
MODEL, ALIAS, ENVIRONMENT = "m", "production", "production"
TOPICS = Topics("bench")
_FEW = 80
_BURN_IN = 8
"""Windows; fewer than by default, so that a story is short."""

_RULES = """
model = "*"
[[rules]]
name = "an input goes missing"
statistic = "missing_increase"
role = "feature"
above = 0.15
min_rows = {few}
action = "rollback"
[[rules]]
name = "an input drifts"
statistic = "psi"
role = "feature"
above = 0.25
evidence_above = 1000
min_rows = {few}
action = "rollback"
[[rules]]
name = "the output drifts"
statistic = "psi"
role = "output"
above = 0.25
evidence_above = 1000
min_rows = {few}
action = "rollback"
[[rules]]
name = "inferences raise"
statistic = "error_rate"
above = 0.08
min_rows = {few}
action = "rollback"
[[rules]]
name = "the model errs"
statistic = "log_loss"
above = {loss:.3f}
min_rows = {few}
action = "rollback"
[rollback]
rehearse = false
"""


@dataclass
class Played:
    """What came of a story.

    Attributes:
        verdicts: of each incident that fired from the onset on: its blame, at first and at last.
        moves: rollbacks, as window and target.
        early: incidents that fired before the onset.
    """

    verdicts: list[tuple[str, str]] = field(default_factory=list)
    moves: list[tuple[int, int]] = field(default_factory=list)
    early: int = 0


class _Offline(Alerting):
    """Alerting that begins without a state."""

    def assigned(self, partition: int) -> None:
        self._watches[partition] = {}


@dataclass(frozen=True)
class _Deployed:
    tags: Tags
    model: Model
    reference: Reference


def play(story: Story, trace: list[dict[str, Any]] | None = None) -> Played:
    """Play a story to its end.

    Args:
        story: which one.
        trace: gets every alert, for whoever looks into a story.
    """
    with tempfile.TemporaryDirectory(prefix="kedge-incident-") as folder:
        home = Path(folder)
        shutil.copytree(_empty(), home, dirs_exist_ok=True)
        clock = _Clock()
        with Registry.open(Settings(home=home), now=clock) as registry:
            return _Stage(story, registry, home, clock).play(trace)


@cache
def _empty() -> Path:
    """A folder with an empty registry, made once."""
    folder = Path(tempfile.mkdtemp(prefix="kedge-incidents-"))
    Registry.open(Settings(home=folder)).close()
    return folder


class _Clock:
    """Stands at the end of the window that was last played."""

    now = EPOCH

    def __call__(self) -> int:
        return self.now


class _Stage:
    def __init__(self, story: Story, registry: Registry, home: Path, clock: _Clock) -> None:
        self._story, self._registry, self._clock = story, registry, clock
        self._rng = rng = np.random.default_rng(story.seed)
        self._fault = fault = fault_of(story, rng)
        self._deployed = list(self._register(home))
        first = self._deployed[0]
        loss = _loss(fault.logged(0, first.model, fault.drawn(0, 4000, rng), rng))
        policy = parse(_RULES.format(few=_FEW, loss=loss + max(0.12, 0.35 * loss)), "policy")
        self._alerting = _Offline((policy,), registry, TOPICS, {}, base_window=HOUR, now=clock)
        self._alerting.assigned(0)
        self._evidence = EvidenceFolds(base_window=HOUR, keep=HOUR, floor=0.001, burn_in=_BURN_IN)
        self._offset = 0

    def _register(self, home: Path) -> Iterator[_Deployed]:
        made: dict[int, tuple[str, Model, Reference]] = {}
        for number, release in enumerate(self._story.releases, 1):
            if release.model not in made:
                model, rows = training(self._story, release.model, self._rng)
                logged = Logged(rows.features, model.predict(rows.features), rows.truth)
                reference = reference_of(_columns(logged))
                artifact = home / f"model-{release.model}"
                artifact.write_bytes(artifact.name.encode())
                version = self._registry.register_model(MODEL, artifact, reference, actor="bench")
                made[release.model] = version.id, model, reference
            version_id, model, reference = made[release.model]
            code = self._registry.register_code(
                MODEL, commit=f"{release.code + 1:040x}", actor="bench"
            )
            self._registry.create_release(MODEL, version_id, code.id, actor="bench")
            tags = Tags(MODEL, version_id, code.id, number, ENVIRONMENT)
            yield _Deployed(tags, model, reference)

    def play(self, trace: list[dict[str, Any]] | None) -> Played:
        played, blamed = Played(), {}
        for window in range(self._story.windows):
            self._deploy(window)
            self._clock.now = EPOCH + (window + 1) * HOUR
            for record in self._published(window):
                for alert in self._told(record):
                    if trace is not None:
                        trace.append({"window": window, **alert})
                    if alert["status"] != "firing" or alert["verdict"] is None:
                        continue
                    if window < self._story.onset or self._story.kind == "clean":
                        played.early += alert["incident"] not in blamed
                        continue
                    blame = alert["verdict"]["blame"]
                    first, _ = blamed.get(alert["incident"], (blame, blame))
                    blamed[alert["incident"]] = first, blame
        played.verdicts = list(blamed.values())
        played.moves = [
            ((move.moved_at - EPOCH) // HOUR - 1, move.to_release)
            for move in self._registry.history(MODEL, ALIAS)
            if move.actor == ACTOR
        ]
        return played

    def _deploy(self, window: int) -> None:
        for number, release in enumerate(self._story.releases, 1):
            canary = self._story.canary and number == len(self._story.releases)
            if release.served_from == window and not canary:
                current = self._registry.alias(MODEL, ALIAS) if window else None
                self._registry.move_alias(
                    MODEL,
                    ALIAS,
                    number,
                    expected_generation=current.generation if current else 0,
                    actor="a person",
                    reason="deployed",
                )

    def _published(self, window: int) -> Iterator[dict[str, Any]]:
        """The statistics of a window, as monitor and assessor publish them."""
        start = EPOCH + window * HOUR
        requests = self._fault.drawn(window, self._story.rows, self._rng)
        shares = self._shares(window)
        at = 0
        for number, share in sorted(shares.items()):
            rows = round(share * self._story.rows)
            mine = _part(requests, at, at + rows)
            at += rows
            deployed = self._deployed[number - 1]
            logged = self._fault.logged(number, deployed.model, mine, self._rng)
            batch = PredictionBatch(
                deployed.tags,
                [""] * rows,
                np.full(rows, start, np.int64),
                np.full(rows, 5.0, np.float32),
                _columns(logged),
                dict.fromkeys(logged.failed.tolist(), "KeyError"),
            )
            profile = count_windows(batch, deployed.reference, HOUR)[start]
            yield self._statistics(deployed, start, profile)
            if self._story.labelled:
                yield _performance(deployed, start, logged)

    def _shares(self, window: int) -> dict[int, float]:
        current, story = self._registry.alias(MODEL, ALIAS).to_release, self._story
        last = len(story.releases)
        other = last if story.canary else last - 1
        if not story.beside or window < story.releases[-1].served_from or current == other:
            return {current: 1.0}
        return {current: 1 - story.beside, other: story.beside}

    def _statistics(self, deployed: _Deployed, start: int, profile: Profile) -> dict[str, Any]:
        tags = deployed.tags
        window = Window(start + HOUR, tags.model_version, tags.code_version, profile, 0)
        key = WindowKey(MODEL, ENVIRONMENT, start, tags.release)
        statistics = (
            *window_statistics(profile, deployed.reference),
            *operational_statistics(profile, Traffic(profile.rows, None)),
            *self._evidence.statistics(
                key, window, lambda number: self._deployed[number - 1].reference
            ),
        )
        return _record(tags, start, "predictions", profile.rows, statistics)

    def _told(self, record: dict[str, Any]) -> Iterator[dict[str, Any]]:
        self._offset += 1
        value = encode("statistic", record)
        message = Incoming(TOPICS.statistics, 0, self._offset, 0, MODEL.encode(), value)
        for output in self._alerting.process([message]):
            if output.topic == TOPICS.alerts:
                yield decode(output.value, "alert")[1]


def _columns(logged: Logged) -> tuple[Column, ...]:
    made = []
    for name, values in logged.features.items():
        states = logged.states.get(name)
        if name in logged.texts:
            made.append(_text(name, np.zeros(len(logged.output), np.int64), ("unknown",), None))
        elif isinstance(values, Category):
            made.append(_text(name, values.codes, values.labels, states))
        else:
            nulls = np.where(np.isnan(values), State.NULL, State.VALUE)
            states = nulls if states is None else np.where(nulls == State.NULL, nulls, states)
            made.append(Column(name, "feature", "number", states.astype(np.uint8), values))
    none = np.zeros(len(logged.output), np.uint8)
    return (*made, Column("output", "output", "number", none, logged.output))


def _text(name: str, codes: Any, labels: tuple[str, ...], states: Any) -> Column:
    nulls = np.where(codes < 0, State.NULL, State.VALUE)
    states = nulls if states is None else np.where(nulls == State.NULL, nulls, states)
    known = np.maximum(codes, 0).astype(np.int32)
    return Column(name, "feature", "text", states.astype(np.uint8), known, labels)


def _part(rows: Rows, start: int, end: int) -> Rows:
    features = {name: values[slice(start, end)] for name, values in rows.features.items()}
    return Rows(features, truth=rows.truth[start:end])


def _performance(deployed: _Deployed, start: int, logged: Logged) -> dict[str, Any]:
    outputs, truths = logged.output.tolist(), logged.truth.tolist()
    scores = scores_of(infer_task(deployed.reference, truths), outputs, truths)
    statistics = (label_coverage(len(truths), len(truths)), *metrics(scores))
    return _record(deployed.tags, start, PART, len(truths), statistics)


def _loss(logged: Logged) -> float:
    likely = np.where(logged.truth, logged.output, 1 - logged.output)
    return float(-np.log(np.maximum(likely, 1e-9)).mean())


def _record(tags: Tags, start: int, part: str, rows: int, statistics: Any) -> dict[str, Any]:
    return {
        "model": tags.model,
        "model_version": tags.model_version,
        "code_version": tags.code_version,
        "release": tags.release,
        "environment": tags.environment,
        "clock": "event",
        "window_start": start,
        "window_end": start + HOUR,
        "part": part,
        "revision": 0,
        "rows": rows,
        "errors": 0,
        "statistics": [each.to_record() for each in statistics],
    }
