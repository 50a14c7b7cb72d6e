"""Pure: which faults a seed stands for, of what, and when."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

ALWAYS = (
    *(f"{service}-{i}" for service in ("profiler", "monitor") for i in range(2)),
    *("alerting-0", "webhooks-0", "archiver-0", "registry-0"),
    *("auditor-0", "evaluator-0", "assessor-0"),
)
"""The workers that run from the beginning to the end, as service and instance."""

SCALED = ("profiler", "monitor", "alerting", "archiver", "auditor", "evaluator", "assessor")
"""Services that more workers join and leave. The registry's publisher is one by design."""

POISONS = (
    "empty",
    "wrong_magic",
    "unknown_fingerprint",
    "truncated",
    "unknown_model",
    "unknown_release",
    "wrong_release",
    "before_2000",
    "far_future",
)
"""Messages that are no predictions of a known release; `traffic` makes them."""


class Kind(StrEnum):
    """What goes wrong."""

    KILL = "kill -9"
    FREEZE = "freeze"  # SIGSTOP for longer than a session, then SIGCONT: a zombie
    BROKER = "kill -9 the broker"
    ADD = "add"
    REMOVE = "remove"
    LOCK = "lock the registry"
    FULL = "fill the disk"
    POISON = "poison"
    AGAIN = "send again"


_WEIGHTS = {
    Kind.KILL: 45,
    Kind.FREEZE: 8,
    Kind.ADD: 10,
    Kind.REMOVE: 10,
    Kind.LOCK: 5,
    Kind.FULL: 5,
    Kind.POISON: 12,
    Kind.AGAIN: 5,
}
_FAULTS_TO_A_BROKER = 25
"""So many other faults come to one of the broker, from which everything needs 20 s to recover."""

_RECOVERED = 0.3
"""How often a fault waits until all have recovered from those before."""

_SECONDS = {
    # Longer than the session of a consumer group, which is 10 s.
    Kind.FREEZE: (12.0, 16.0),
    Kind.BROKER: (0.0, 4.0),
    Kind.LOCK: (2.0, 8.0),
    Kind.FULL: (2.0, 8.0),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        after: messages that are sent between the fault before and this one.
        kind: what goes wrong.
        target: the worker, or which poison; empty where the kind says it all.
        seconds: how long it lasts; 0 where it is over at once.
        recovered: whether to wait for what the broker took before; else this fault may hit
            processes that still recover from the one before.
    """

    after: int
    kind: Kind
    target: str = ""
    seconds: float = 0.0
    recovered: bool = True

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.kind in _SECONDS else ""
        after = f"after {self.after} messages" + (" and recovery" if self.recovered else "")
        return f"{after}: {self.kind} {self.target}".rstrip() + lasting


def schedule(seed: int, faults: int) -> list[Fault]:
    """The faults of a seed. With enough of them, there is one of every kind."""
    dice = random.Random(seed)
    workers, added, numbers = list(ALWAYS), list[str](), dict.fromkeys(SCALED, 2)
    planned = []
    for kind in _kinds(dice, faults):
        match kind:
            case Kind.KILL | Kind.FREEZE:
                target = dice.choice(workers)
            case Kind.ADD:
                service = dice.choice(SCALED)
                target = f"{service}-{numbers[service]}"
                numbers[service] += 1
                workers.append(target)
                added.append(target)
            case Kind.REMOVE:
                target = added.pop(dice.randrange(len(added)))
                workers.remove(target)
            case Kind.POISON:
                target = dice.choice(POISONS)
            case _:
                target = ""
        seconds = round(dice.uniform(*_SECONDS[kind]), 1) if kind in _SECONDS else 0.0
        # A broker that dies again before anybody got hold of it would be one outage, not two.
        recovered = not planned or kind is Kind.BROKER or dice.random() < _RECOVERED
        planned.append(Fault(dice.randint(15, 35), kind, target, seconds, recovered))
    return planned


def _kinds(dice: random.Random, faults: int) -> list[Kind]:
    """In which order the kinds come, such that what is removed was added before."""
    kinds = list(Kind) + [Kind.BROKER] * (faults // _FAULTS_TO_A_BROKER - 1)
    kinds += dice.choices(list(_WEIGHTS), list(_WEIGHTS.values()), k=max(0, faults - len(kinds)))
    # What every schedule has is cut only where there are fewer faults than kinds.
    kinds = kinds[:faults]
    dice.shuffle(kinds)
    surplus = 0
    for at, kind in enumerate(kinds):
        if kind is Kind.REMOVE and not surplus:
            later = next((i for i in range(at, len(kinds)) if kinds[i] is Kind.ADD), None)
            if later is None:
                kinds[at] = Kind.KILL
            else:
                kinds[at], kinds[later] = Kind.ADD, Kind.REMOVE
        surplus += (kinds[at] is Kind.ADD) - (kinds[at] is Kind.REMOVE)
    return kinds
