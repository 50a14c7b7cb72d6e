"""Pages of lists, and the cursors that lead from one to the next."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel, Field

from kedge.registry import Key
from kedge.web import problems
from kedge.web.problems import ApiError

View = TypeVar("View", bound=BaseModel)
_GREATEST = 2**63 - 1


class Page(BaseModel, Generic[View]):
    """Some of a list."""

    items: list[View]
    next: str | None = Field(
        description="Give it as `cursor` for what follows; null at the end of the list."
    )


@dataclass(frozen=True, slots=True)
class Paging:
    """Where a page begins and how long it is.

    Attributes:
        limit: most items.
        cursor: as the page before told it.
    """

    limit: int
    cursor: str | None

    def after(self, listing: str, *types: type) -> Key | None:
        """The key after which the page begins; None for the first page.

        Args:
            listing: what is listed: a cursor is good for one list only.
            types: of the parts of a key.

        Raises:
            ApiError: the cursor is not from such a list.
        """
        if self.cursor is None:
            return None
        try:
            padded = self.cursor + "=" * (-len(self.cursor) % 4)
            said = json.loads(base64.b64decode(padded, b"-_", validate=True))
        except (binascii.Error, ValueError, RecursionError) as error:
            raise _foreign() from error
        if not isinstance(said, list) or said[:1] != [listing]:
            raise _foreign()
        key = tuple(said[1:])
        if len(key) != len(types) or not all(map(_is_proper, key, types)):
            raise _foreign()
        return key

    def page(self, listing: str, rows: Sequence[tuple[Key, Any]], view: type[View]) -> Page[View]:
        """A page of rows, of which there is one more than the page takes if it is not the last.

        Args:
            listing: what is listed.
            rows: each with its key.
            view: what is told of a row.
        """
        kept = rows[: self.limit]
        following = _cursor(listing, kept[-1][0]) if len(rows) > self.limit else None
        items = [view.model_validate(entry) for _, entry in kept]
        return Page[view](items=items, next=following)  # type: ignore[valid-type]

    @property
    def wanted(self) -> int:
        """Rows to look for: one more than are shown tells whether there is more."""
        return self.limit + 1


def _paging(
    limit: Annotated[int, Query(ge=1, le=1000, description="Most items of a page.")] = 100,
    cursor: Annotated[
        str | None, Query(max_length=4000, description="`next` of the page before.")
    ] = None,
) -> Paging:
    return Paging(limit, cursor)


PagingDep = Annotated[Paging, Depends(_paging)]


def _cursor(listing: str, key: Key) -> str:
    text = json.dumps([listing, *key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _is_proper(part: Any, wanted: type) -> bool:
    if wanted is int:
        # No `isinstance`: True is none of the numbers meant.
        return type(part) is int and -_GREATEST <= part <= _GREATEST
    # Half of a surrogate pair and NUL are nothing that a database has.
    return (
        type(part) is str and "\0" not in part and part.encode("utf-8", "replace").decode() == part
    )


def _foreign() -> ApiError:
    return ApiError(
        problems.INVALID,
        "this cursor is none of this list: begin without one, and give each page's `next` as it is",
    )
