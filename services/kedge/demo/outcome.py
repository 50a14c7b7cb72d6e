"""How the story went, and what of it did not come out as told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from kedge.demo.chapters import SECOND, Chapter
from kedge.demo.ledger import Sums
from kedge.demo.receiver import Delivery
from kedge.demo.stage import WINDOW
from kedge.demo.traffic import Answer
from kedge.registry import AliasMove

PROMISED_WINDOWS = 2


@dataclass(slots=True)
class Incident:
    """How one chapter went. Moments of the clock are seconds since 1970 UTC.

    Attributes:
        chapter: which.
        before: number of the release that served before.
        shipped: number of the release that brings the fault; None where it comes from outside.
        fault: the first answer with the fault in it.
        swapped_back: the first answer after it of the release before.
        deliveries: all webhooks of the story.
        moves: all moves of the alias.
    """

    chapter: Chapter
    before: int
    shipped: int | None = None
    fault: Answer | None = None
    swapped_back: Answer | None = None
    deliveries: list[Delivery] = field(default_factory=list)
    moves: list[AliasMove] = field(default_factory=list)

    def alerts(self, status: str) -> Iterator[tuple[Delivery, dict[str, Any]]]:
        """What webhooks said of it, oldest first."""
        sick = self.before if self.shipped is None else self.shipped
        for delivery in self.deliveries:
            for alert in delivery.alerts:
                told = alert["rule"], alert["status"], alert["release"]
                if told == (self.chapter.rule, status, sick):
                    yield delivery, alert

    @property
    def detection(self) -> Delivery | None:
        """The webhook that said what went wrong."""
        return next((delivery for delivery, _ in self.alerts("firing")), None)

    @property
    def recovery(self) -> Delivery | None:
        """The webhook that said that it was over."""
        return next((delivery for delivery, _ in self.alerts("resolved")), None)

    @property
    def verdicts(self) -> list[str]:
        """Every blame that was told of it while it fired."""
        blames = {a["verdict"]["blame"] for _, a in self.alerts("firing") if a["verdict"]}
        return sorted(blames)

    @property
    def because(self) -> list[str]:
        """The sentences of the first verdict."""
        told = (a["verdict"]["because"] for _, a in self.alerts("firing") if a["verdict"])
        return next(told, [])

    @property
    def decisions(self) -> list[str]:
        """What was done about it."""
        return sorted({a["decision"]["action"] for _, a in self.alerts("firing") if a["decision"]})

    @property
    def columns(self) -> list[str]:
        """Which features or outputs it was about."""
        return sorted({a["column"] for _, a in self.alerts("firing") if a["column"]})

    @property
    def rollback(self) -> AliasMove | None:
        """The move from the release with the fault to the one before it."""
        for move in self.moves:
            if move.incident and (move.from_release, move.to_release) == (
                self.shipped,
                self.before,
            ):
                return move
        return None

    @property
    def windows_to_detection(self) -> int | None:
        """Windows from the fault's, which counts as one, to the one that fired the alert."""
        alert = next((alert for _, alert in self.alerts("firing")), None)
        if self.fault is None or alert is None:
            return None
        fired = datetime.fromisoformat(alert["window_start"]).timestamp()
        first = self.fault.first_departure // SECOND // WINDOW * WINDOW
        return (int(fired) - first) // WINDOW + 1

    @property
    def seconds_fault_to_rollback(self) -> float | None:
        """From the first answer with the fault to the alias's move."""
        if self.fault is None or self.rollback is None:
            return None
        return self.rollback.moved_at / SECOND - self.fault.received_at

    def shortcomings(self) -> list[str]:
        """What did not come out as the chapter has it; empty when all did."""
        windows, wanted = self.windows_to_detection, self.chapter.blame
        checks = {
            "the fault never was": self.fault is not None,
            "no webhook told of it": self.detection is not None,
            f"it was seen in window {windows}, not within {PROMISED_WINDOWS}": (
                windows is None or 1 <= windows <= PROMISED_WINDOWS
            ),
            f"blame is {self.verdicts}, and {wanted} is to blame": self.verdicts == [wanted],
        }
        if self.chapter.rolls_back:
            checks |= {
                "the alias was not moved back": self.rollback is not None,
                "the server did not swap back": self.swapped_back is not None,
                "no webhook told of the recovery": self.recovery is not None,
            }
        else:
            checks["the rollback was not refused"] = self.decisions == ["refused"]
        return [f"{self.chapter.name}: {what}" for what, is_true in checks.items() if not is_true]


@dataclass(slots=True)
class Fixed:
    """How the fix went.

    Attributes:
        feed: the incident that it is for.
        release: number of the release that is the fix.
        same_model: whether it has the model version that served before.
        stored_before: bytes of the artifact store but for code, before the fix.
        stored_after: likewise, after it.
        code_bytes: by which it grew for the new code.
        served: the fix's first answer.
    """

    feed: Incident
    release: int
    same_model: bool
    stored_before: int
    stored_after: int
    code_bytes: int
    served: Answer | None = None

    def shortcomings(self) -> list[str]:
        checks = {
            "it never served": self.served is not None,
            "it has another model": self.same_model,
            f"{self.stored_after - self.stored_before} bytes of models were stored for it": (
                self.stored_before == self.stored_after
            ),
            "no webhook told that the nulls are over": self.feed.recovery is not None,
        }
        return [f"the fix: {what}" for what, is_true in checks.items() if not is_true]


@dataclass(slots=True)
class Outcome:
    """How the story went."""

    incidents: list[Incident]
    fix: Fixed | None = None
    predictions_sent: int = 0
    outcomes_sent: int = 0
    sums: Sums = field(default_factory=lambda: Sums(0, 0, 0, 0))
    moves: list[AliasMove] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    refused_deliveries: int = 0

    @property
    def false_rollbacks(self) -> int:
        """Moves by the alerting service beside those that are due."""
        due = [incident.rollback for incident in self.incidents if incident.chapter.rolls_back]
        return sum(move.incident is not None and move not in due for move in self.moves)

    def shortcomings(self) -> list[str]:
        """What did not come out as the story has it; empty when all did."""
        sent, sums = self.predictions_sent, self.sums
        checks = {
            f"{sent} predictions were sent, {sums.profiled} profiled and {sums.dead_lettered} "
            "given up": sent == sums.profiled + sums.dead_lettered,
            f"{sent} predictions were sent and {sums.archived} archived": sent == sums.archived,
            f"{self.outcomes_sent} outcomes were sent and {sums.outcomes_archived} archived": (
                self.outcomes_sent == sums.outcomes_archived
            ),
            f"{sums.dead_lettered} predictions were given up": sums.dead_lettered == 0,
            f"{self.false_rollbacks} rollbacks should not have been": self.false_rollbacks == 0,
            f"{self.refused_deliveries} webhooks had a wrong signature": (
                self.refused_deliveries == 0
            ),
        }
        return [
            *(what for what, came_true in checks.items() if not came_true),
            *(what for incident in self.incidents for what in incident.shortcomings()),
            *(self.fix.shortcomings() if self.fix is not None else ()),
        ]
