"""An alerting service that is killed at every line on its way to a decision, one process a line.

`python -m dying FOLDER MODE`: writes what the next process finds and tells after each, as JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from kedge import alerting
from kedge.contracts import Topics, columns_of, decode, encode
from kedge.policy import parse
from kedge.profile import reference_of
from kedge.registry import Registry
from kedge.settings import Settings
from kedge.streams import Incoming
from statistic_records import MINUTE, increase, window

TRACED = {
    str(Path(alerting.__file__).parent / name)
    for name in (
        "rollback.py",
        *(f"registry/{module}.py" for module in ("registry", "decisions", "proposals", "database")),
    )
}
POLICY = """
model = "m"
[[rules]]
name = "an input goes missing"
statistic = "missing_increase"
above = 0.1
action = "rollback"
[rollback]
rehearse = false
mode = "{mode}"
"""
COLUMNS = ("dep_delay", "wind")
BATCH = [
    window(release, minute, *(increase(value, column) for column in COLUMNS), model="m")
    for release, minute, value in ((1, 0, 0.0), (2, 1, 0.5))
]


def now():
    return 10**9


class NothingCommitted:
    """Where a service reads its state from: a fork can't go on with a client of librdkafka."""

    def __init__(self, *_):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def news(self):
        return ()


def released(home):
    """A registry with two releases of one model, whose alias points at the second."""
    home.mkdir()
    artifact = home / "model.bin"
    artifact.write_bytes(b"weights")
    reference = reference_of(columns_of([dict.fromkeys(COLUMNS, 1.0)] * 10, "feature"))
    with Registry.open(Settings(home=home)) as registry:
        version = registry.register_model("m", artifact, reference, actor="test")
        for generation in (0, 1):
            commit = str(generation) * 40
            code = registry.register_code("m", commit=commit, actor="test")
            number = registry.create_release("m", version.id, code.id, actor="test").number
            registry.move_alias(
                "m", "production", number, expected_generation=generation, actor="test", reason=""
            )


def told(home, mode, trace=None):
    """What a service tells that has a batch before it, and what the registry has then."""
    topics = Topics("t")
    policies = (parse(POLICY.format(mode=mode), "policy.toml"),)
    with Registry.open(Settings(home=home), now=now) as registry:
        service = alerting.Alerting(policies, registry, topics, {}, base_window=MINUTE, now=now)
        service.assigned(0)
        sys.settrace(trace)
        outputs = service.process(
            [
                Incoming(topics.statistics, 0, n, 0, b"m", encode("statistic", record))
                for n, record in enumerate(BATCH)
            ]
        )
        sys.settrace(None)
        return {
            "alerts": [decode(o.value, "alert")[1] for o in outputs if o.topic == topics.alerts],
            "history": [asdict(m) | {"moved_at": 0} for m in registry.history("m", "production")],
            "refusals": [
                asdict(r) | {"refused_at": 0} for r in registry.refusals("m", "production")
            ],
            "proposals": [(p.to_release, p.state) for p in registry.proposals.list()],
        }


def traced(home, mode, die_at=None):
    """Count the lines on the way, as often as each comes; die at one of them."""
    seen = Counter()

    def line(frame, event, _argument):
        if event == "line":
            here = (frame.f_code.co_filename, frame.f_lineno)
            seen[here] += 1
            if (here, seen[here]) == die_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return line

    def call(frame, _event, _argument):
        return line if frame.f_code.co_filename in TRACED else None

    told(home, mode, call)
    return seen


def contents(home):
    """All that a registry has."""
    with closing(sqlite3.connect(home / "registry.db")) as connection:
        return "\n".join(connection.iterdump())


def main(folder, mode):
    alerting.CommittedLog = NothingCommitted
    fresh, used = folder / "fresh", folder / "used"
    released(fresh)

    def begin():
        shutil.rmtree(used, ignore_errors=True)
        shutil.copytree(fresh, used)

    begin()
    lines = traced(used, mode)
    begin()
    undisturbed = told(used, mode)
    # Whoever finds the same registry does the same: there is nothing else to go by.
    found, after = [], {}
    for here, times in lines.items():
        # A line of the registry does the same each time; one of the decision comes to another.
        for nth in sorted({1, times if here[0].endswith("rollback.py") else 1}):
            begin()
            if not (child := os.fork()):
                traced(used, mode, (here, nth))
                os._exit(0)
            _, status = os.waitpid(child, 0)
            name = f"{here[0]}:{here[1]} #{nth}"
            left = contents(used)
            if left not in after:
                after[left] = told(used, mode)
            found.append((name, os.WIFSIGNALED(status), after[left]))
    said = json.dumps({"undisturbed": undisturbed, "found": found}, default=str)
    (folder / "found.json").write_text(said)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
