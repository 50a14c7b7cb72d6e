"""A schedule of the real services one behind the other, and what has to come of the whole."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from random import Random

import kedge.alerting
from kedge.alerting import Alerting
from kedge.contracts import Topics, decode
from kedge.monitor import Monitor
from kedge.policy import Watch, parse
from kedge.profiler import Profiler
from kedge.settings import Settings
from kedge.streams import Releases, Source, run_transactionally
from simulation import registered
from simulation.broker import Transaction, ViolationError
from simulation.registered import ALIAS, MODELS
from simulation.seam import installed, told
from simulation.traffic import (
    AS_PUBLISHED,
    COLUMNS,
    ROLLED_BACK,
    STATISTIC,
    TOLD,
    WINDOW,
    Traffic,
    Truth,
)
from simulation.world import Span, World

PARTITIONS = 2
FOREVER = 1e9
"""Seconds."""

TOPICS = Topics("t")
SPAN = Span(services=3, steps=(500, 2500), rates=(0.0, 0.2, 0.5, 1.0), idles=False)
POLICY = parse(
    f"""
model = "*"
[[rules]]
name = "inputs go missing"
statistic = "{STATISTIC}"
above = 0.5
min_rows = 1
windows = 2
action = "rollback"
""",
    "policy",
)
REAL = {"profiler": Profiler, "monitor": Monitor, "alerting": Alerting}
SOURCES = [
    Source(topic, service, f"t.{service}")
    for service, topic in (
        ("profiler", TOPICS.predictions),
        ("monitor", TOPICS.profiles),
        ("alerting", TOPICS.statistics),
    )
]


class Pipeline:
    """One schedule of profilers, monitors and alerting.

    Args:
        seed: of what happens.
        traffic: seed of what is sent; by default that of what happens.
        hasty: whether the clock moves the watermark and lateness is short. Then it depends on the
            schedule which windows are revised and what is late; otherwise all that is published in
            the end follows from what was sent.
        classes: of the services, by name, where they are not to be the real ones.
    """

    def __init__(self, seed, *, traffic=None, hasty=False, classes=None):
        self.seed, self._hasty = seed, hasty
        self._classes = REAL | (classes or {})
        self.world = World(
            seed,
            PARTITIONS,
            self._start,
            self._publish,
            self._drained,
            span=SPAN,
        )
        self._input = Random(seed if traffic is None else traffic)
        self._lateness = self._input.choice([0.0, 20.0, FOREVER]) if hasty else FOREVER
        self.broker, self.truth = self.world.broker, Truth()
        self.registry = self._traffic = self.outcome = None
        self._unsent = []

    def run(self):
        """Run it to its end. What must not be is raised with the seed and the trace."""
        try:
            with registered.copied(self.world) as self.registry:
                self._traffic = Traffic(self._input, registered.tags(), PARTITIONS)
                self._unsent = list(self._traffic.messages)
                for key, value in registered.announcements():
                    self.broker.partition(TOPICS.releases, 0).append(key, value)
                with installed(self.world, kedge.alerting):
                    self.world.run()
                self._check()
                self.outcome = self._outcome()
        except Exception as error:
            raise ViolationError(f"{error!r}\n{told(self.seed, self.world.trace)}") from error

    # Processes

    def _settings(self, instance="nobody"):
        return Settings.model_construct(
            topic_prefix="t",
            stream=Settings.model_fields["stream"]
            .default_factory()
            .model_copy(
                update={
                    "instance": instance,
                    "window": WINDOW / 1e6,
                    "idle_after": 5.0 if self._hasty else FOREVER,
                    "allowed_lateness": self._lateness,
                    "duplicate_horizon": FOREVER,
                    "batch_records": 20,
                }
            ),
        )

    def _start(self, process):
        source = SOURCES[process.slot % len(SOURCES)]
        settings = self._settings(process.name)
        processor = self._processor(source.service, settings)
        run_transactionally(source, processor, {}, settings, process.stop, now=self.world.clock)

    def _processor(self, service, settings):
        made, clock = self._classes[service], self.world.clock
        match service:
            case "profiler":
                return made(Releases({}, TOPICS), TOPICS, settings.stream, {})
            case "monitor":
                return made(Releases({}, TOPICS), TOPICS, settings, {}, clock)
            case "alerting":
                return made((POLICY,), self.registry, TOPICS, {}, base_window=WINDOW, now=clock)

    # Input

    def _publish(self):
        """Send some more messages; some in a transaction, some after one that was aborted."""
        for _ in range(min(len(self._unsent), self.world.random.randint(1, 6))):
            self._publish_one(self._unsent.pop(0))
        if self._hasty and self.world.faulty(0.05):
            self._somebody_moves()
        return bool(self._unsent)

    def _somebody_moves(self):
        """Whoever operates the model moves its alias, whatever alerting is at."""
        model, release = self.world.random.choice(MODELS), self.world.random.choice([1, 2])
        self.world.note("a person", f"moves {model} to {release}")
        self.registry.move_alias(
            model,
            ALIAS,
            release,
            expected_generation=self.registry.alias(model, ALIAS).generation,
            actor="a person",
            reason="it is time",
        )

    def _publish_one(self, message):
        how = self.world.random.choice(["plain", "plain", "commit", "abort"])
        self.world.note("input", f"{message.kind} to {message.partition} ({how})")
        for decision in ("abort", "commit") if how == "abort" else (how,):
            self._send(message, decision)
        self.truth.add(message)

    def _send(self, message, decision):
        partition = self.broker.partition(TOPICS.predictions, message.partition)
        if decision == "plain":
            partition.append(None, message.value)
        else:
            transaction = Transaction("input")
            partition.append(None, message.value, transaction)
            transaction.decision = decision
            partition.mark(transaction)

    def _drained(self):
        return (
            not self._unsent
            and not self.broker.unmarked
            and all(self.broker.consumed(each.group, each.topic) for each in SOURCES)
            and (not self._hasty or self._all_published())
        )

    def _all_published(self):
        published = sum(record["rows"] for record in self.windows().values())
        return published + self._late() == self.truth.rows["counted"]

    # What was published

    def records(self, topic, contract):
        """Every committed message, decoded, in the order of each partition."""
        return [decode(entry.value, contract)[1] for _, _, entry in self.broker.visible(topic)]

    def windows(self):
        """The newest revision of each window that has rows, by model, release and start."""
        found = {}
        for record in self.records(TOPICS.statistics, "statistic"):
            key = (record["model"], record["release"], record["window_start"])
            before = found.get(key)
            same("revision", record["revision"], 0 if before is None else before["revision"] + 1)
            found[key] = record
        # Of a silence it is told when there is one, which depends on the schedule.
        return {key: record for key, record in found.items() if record["rows"]}

    def alerts(self):
        return self.records(TOPICS.alerts, "alert")

    def _late(self):
        letters = self.records(TOPICS.deadletter, "dead_letter")
        return sum(letter["rows"] for letter in letters if letter["reason"] == "too_late")

    def _outcome(self):
        """What the world sees in the end, but for revisions and the time at which it was told."""
        windows = {
            key: record | {"revision": None, "statistics": _settled(record)}
            for key, record in self.windows().items()
        }
        alerts = [
            (
                alert["model"],
                alert["incident"],
                alert["status"],
                alert["window_start"],
                alert["decision"]["action"],
                alert["decision"]["generation"],
                alert["decision"]["reason"],
            )
            for alert in self.alerts()
        ]
        moves = {model: self._moves(model) for model in MODELS}
        return windows, alerts, moves

    def _moves(self, model):
        return [(move.to_release, move.incident) for move in self.registry.history(model, ALIAS)]

    # What must be

    def _check(self):
        self._check_accounts()
        self._check_windows()
        self._check_fold()
        self._check_moves()
        if not self._hasty:
            self._check_alerts()

    def _check_accounts(self):
        kinds, rows = self.truth.kinds, self.truth.rows
        sums = Counter()
        for record in self.records(TOPICS.accounts, "account"):
            sums.update({k: n for k, n in record.items() if k.startswith(("rows_", "messages"))})
        late = sums.pop("rows_late")
        same("late", late, self._late())
        wanted = {
            "messages": kinds.total(),
            "messages_unreadable": kinds["unreadable"],
            "rows_received": rows.total(),
            "rows_unnumbered": 0,
            "rows_profiled": rows["counted"],
            "rows_dead_lettered": rows["unknown"],
            "rows_duplicate": rows["duplicate"],
        }
        same("accounts", sums, wanted)
        same(
            "dead letters",
            Counter(
                letter["reason"]
                for letter in self.records(TOPICS.deadletter, "dead_letter")
                if letter["reason"] != "too_late"
            ),
            Counter({"unreadable": kinds["unreadable"], "unknown_release": kinds["unknown"]}),
        )
        deltas = self.records(TOPICS.profiles, "profile")
        counted = Counter()
        for delta in deltas:
            counted[delta["model"], delta["release"], delta["window_start"]] += delta["rows"]
        same("profiled", counted, {key: len(rows) for key, rows in self.truth.windows.items()})

    def _check_windows(self):
        """The final revision of each window against the raw rows."""
        found, tags = self.windows(), registered.tags()
        if self._hasty and self._late():
            for key, record in found.items():
                if record["rows"] > len(self.truth.windows[key]):
                    raise ViolationError(f"{key} has more rows than were sent")
            if not self._all_published():
                raise ViolationError("rows and late rows are not all that were sent")
            return
        open_still = set() if self._hasty else set(MODELS)
        closed = {
            key
            for key in self.truth.windows
            if key[0] not in open_still or key[2] != self._traffic.last_window(key[0])
        }
        same("windows", set(found), closed)
        for key, record in found.items():
            rows = self.truth.windows[key]
            same(f"rows of {key}", record["rows"], len(rows))
            values = {(s["column"], s["name"]): s["value"] for s in record["statistics"]}
            for name in COLUMNS:
                missing = sum(row.features[name] is None for row in rows)
                same(f"missing {name} of {key}", values[name, STATISTIC], missing / len(rows))
            wanted = self.truth.statistics(key, tags[key[:2]], registered.reference())
            seen = [(s["name"], s["column"], s["kind"], s["value"]) for s in _settled(record)]
            same(f"statistics of {key}", seen, wanted)

    def _check_fold(self):
        """The alerts are those of one watch that reads the statistics once, in their order."""
        alerts = {model: [a for a in self.alerts() if a["model"] == model] for model in MODELS}
        watches = {model: Watch(POLICY, model, "production", WINDOW) for model in MODELS}
        for record in self.records(TOPICS.statistics, "statistic"):
            model = record["model"]
            for change in watches[model].observe(record):
                if not alerts[model]:
                    raise ViolationError(f"not told: {change}")
                alert = alerts[model].pop(0)
                same("alert", (alert["id"], alert["incident"]), (change.id, change.incident.id))
                if change.step == "fired":
                    watches[model].decided(change.incident, alert["decision"])
            for incident in watches[model].put_off():
                change = watches[model].decided_later(incident, record)
                if alerts[model] and alerts[model][0]["id"] == change.id:
                    watches[model].decided(incident, alerts[model].pop(0)["decision"])
        same("alerts too many", alerts, {model: [] for model in MODELS})

    def _check_moves(self):
        """Each incident was decided once, and its alerts tell of that decision.

        One that was put off is decided before it ends.
        """
        for model in MODELS:
            moves = [m for m in self.registry.history(model, ALIAS) if m.incident is not None]
            decisions = [*moves, *self.registry.refusals(model, ALIAS)]
            decided = {decision.incident: decision for decision in decisions}
            same("decisions", len(decisions), len(decided))
            alerts = [alert for alert in self.alerts() if alert["model"] == model]
            last = {alert["incident"]: alert for alert in alerts}
            put_off = {name for name, alert in last.items() if _is_put_off(alert)}
            same("incidents told of", set(last), set(decided) | put_off)
            for alert in alerts:
                if _is_put_off(alert):
                    same("it is put off while it fires", alert["status"], "firing")
                    continue
                decision, wanted = alert["decision"], decided[alert["incident"]]
                reason, *_ = decision["reason"].split("; the alias was moved again since")
                same(
                    f"decision on {alert['incident']}",
                    (decision["generation"], decision["to_release"], reason),
                    (wanted.generation, wanted.to_release, wanted.reason),
                )

    def _check_alerts(self):
        """What is told of each column is the story."""
        for model, story in self._traffic.stories.items():
            same("rollbacks", len(self._moves(model)) - 2, ROLLED_BACK[story])
            mine = [alert for alert in self.alerts() if alert["model"] == model]
            for column, alerts in groupby(sorted(mine, key=_column), key=_column):
                seen = [(a["status"], a["release"], a["decision"]["action"]) for a in alerts]
                same(f"told of {model} {column} ({story})", seen, TOLD[story])
            same("columns told of", {alert["column"] for alert in mine}, set(COLUMNS))


def _settled(record):
    """The statistics that follow from a window's rows; the others, from what was known when."""
    return [each for each in record["statistics"] if each["name"] not in AS_PUBLISHED]


def _is_put_off(alert):
    return alert["decision"]["action"] == "deferred"


def _column(alert):
    return alert["column"]


def same(what, found, wanted):
    if found != wanted:
        raise ViolationError(f"{what}: {found} instead of {wanted}")
