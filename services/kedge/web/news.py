"""Pure: what is new in the archive since a position in its topics."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic_core import to_json

MOST = 500
"""Messages of a topic that are told at once."""

_PLACE = re.compile(r"([a-z]+)\.([0-9]{1,9})=([0-9]{1,18})")

# One row a message: that of a window has many statistics.
_QUERIES = {
    "alerts": """
        SELECT kafka_partition, kafka_offset, model, incident, status, severity, rule, summary
        FROM alerts""",
    "releases": """
        SELECT kafka_partition, kafka_offset, model, event, release, alias, from_release, actor,
            reason
        FROM releases""",
    "statistics": """
        SELECT DISTINCT kafka_partition, kafka_offset, model, release, environment, part,
            window_start, window_end, revision
        FROM statistic_revisions""",
}
_KINDS = {"alerts": "alert", "releases": "release", "statistics": "window"}
_VIEWS = {"alerts": "alerts", "releases": "releases", "statistics": "statistic_revisions"}
DATASETS = tuple(_QUERIES)


@dataclass(frozen=True, slots=True)
class Position:
    """How far a listener has heard.

    Attributes:
        offsets: by dataset and partition, the last message that was told.
    """

    offsets: Mapping[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> Self:
        """As `str` wrote it.

        Raises:
            ValueError: it did not.

        >>> str(Position.parse("alerts.0=12,statistics.1=7"))
        'alerts.0=12,statistics.1=7'
        """
        offsets = {}
        for part in filter(None, text.split(",")):
            found = _PLACE.fullmatch(part)
            if found is None or found[1] not in DATASETS:
                raise ValueError(f"{part[:50]!r} is no place in a topic, as in alerts.0=12")
            offsets[found[1], int(found[2])] = int(found[3])
        return cls(offsets)

    def __str__(self) -> str:
        places = sorted(self.offsets.items())
        return ",".join(f"{dataset}.{partition}={at}" for (dataset, partition), at in places)

    def after(self, dataset: str, rows: Sequence[Mapping[str, Any]]) -> Position:
        """Where a listener is that has heard these rows too, in order."""
        heard = {(dataset, row["kafka_partition"]): row["kafka_offset"] for row in rows}
        return Position({**self.offsets, **heard})


def tip_of(dataset: str) -> str:
    """The query of the newest message in each partition."""
    return f"""
        SELECT kafka_partition, max(kafka_offset) AS kafka_offset FROM {_VIEWS[dataset]}
        GROUP BY kafka_partition"""  # noqa: S608 - words of our own


def since(dataset: str, position: Position) -> tuple[str, dict[str, int]]:
    """The query of what was archived after a position, in the order of offsets, and its values."""
    known = {p: at for (of, p), at in position.offsets.items() if of == dataset}
    # The least of all too: files have bounds of their offsets and are passed over by these.
    values = {"most": MOST, "least": min(known.values(), default=-1) if known else -1}
    newer = []
    for partition, at in sorted(known.items()):
        values |= {f"p{partition}": partition, f"o{partition}": at}
        newer.append(f"kafka_partition = $p{partition} AND kafka_offset > $o{partition}")
    others = ", ".join(f"$p{partition}" for partition in sorted(known))
    newer.append(f"kafka_partition NOT IN ({others})" if others else "true")
    floor = "(kafka_offset > $least OR kafka_partition NOT IN (" + (others or "-1") + "))"
    query = f"""{_QUERIES[dataset]}
        WHERE {floor} AND ({" OR ".join(f"({each})" for each in newer)})
        ORDER BY kafka_partition, kafka_offset LIMIT $most"""
    return query, values


def as_events(told: Sequence[tuple[str, Sequence[Mapping[str, Any]]]], position: Position) -> bytes:
    """Server-sent events: one a message, the last one with the position after all of them.

    A listener that is cut off between two of them is told all of them again.

    Args:
        told: rows by dataset.
        position: after them.
    """
    events = [
        (_KINDS[dataset], {key: row[key] for key in row if not key.startswith("kafka_")})
        for dataset, rows in told
        for row in rows
    ]
    events.append(("heard", {}))
    lines = [b"event: %s\ndata: %s\n" % (kind.encode(), to_json(data)) for kind, data in events]
    lines[-1] = b"id: %s\n%s" % (str(position).encode(), lines[-1])
    return b"\n".join(lines) + b"\n"
