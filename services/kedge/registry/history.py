"""Pure: what an alias's history tells."""

from __future__ import annotations

from collections.abc import Iterable

from kedge.registry.entries import AliasMove


def release_before(moves: Iterable[AliasMove]) -> int | None:
    """The release that an alias was on before the one that it is on.

    A move to a release that it was on already is a way back, and what lies between does not count.

    Args:
        moves: every move of the alias, the oldest first.

    Returns:
        Its number; None where there is none.
    """
    path: list[int] = []
    for move in moves:
        if move.to_release in path:
            del path[path.index(move.to_release) + 1 :]
        else:
            path.append(move.to_release)
    return path[-2] if len(path) > 1 else None
