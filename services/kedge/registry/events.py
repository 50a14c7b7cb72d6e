"""What the registry tells the stream: release events, written in the transaction they tell of."""

from __future__ import annotations

import json

from sqlalchemy import Connection, insert

from kedge.contracts import LONGEST_MESSAGE, Record, encode
from kedge.errors import KedgeError
from kedge.registry.entries import AliasMove, Release
from kedge.registry.tables import outbox


def add_release(connection: Connection, release: Release, reference: str) -> None:
    """Tell of a new release.

    Args:
        connection: in the transaction that makes the release.
        release: the new one.
        reference: of its model version, as JSON.
    """
    profile = json.loads(reference)
    _add(
        connection,
        f"release/{release.model}/{release.number}",
        f"release/{release.model}/{release.number}",
        {
            "time": release.created_at,
            "model": release.model,
            "actor": release.actor,
            "reason": release.reason,
            "release": {
                "number": release.number,
                "model_version": release.model_version,
                "code_version": release.code_version,
                "reference_rows": profile.pop("rows"),
                **profile,
            },
            "alias": None,
        },
    )


def add_move(connection: Connection, move: AliasMove, target: Release) -> None:
    """Tell of an alias move.

    Args:
        connection: in the transaction that makes the move.
        move: the move.
        target: the release that it leads to.
    """
    key = f"alias/{move.model}/{move.alias}"
    _add(
        connection,
        f"{key}/{move.generation}",
        key,
        {
            "time": move.moved_at,
            "model": move.model,
            "actor": move.actor,
            "reason": move.reason,
            "release": None,
            "alias": {
                "name": move.alias,
                "generation": move.generation,
                "from_release": move.from_release,
                "to_release": move.to_release,
                "model_version": target.model_version,
                "code_version": target.code_version,
                "incident": move.incident,
                "share": move.share,
            },
        },
    )


def _add(connection: Connection, event_id: str, key: str, record: Record) -> None:
    value = encode("release_event", {"id": event_id, **record})
    if len(value) > LONGEST_MESSAGE - 1024:
        raise KedgeError(
            f"{event_id} takes {len(value):,} bytes as a message, and {LONGEST_MESSAGE:,} are the "
            "most: give the reference fewer columns, bins or categories"
        )
    connection.execute(insert(outbox).values(event_id=event_id, key=key, value=value))
