"""Parts of paths and bodies that many routes share."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

from fastapi import Path, Query
from pydantic import AwareDatetime, Field, StringConstraints

from kedge.registry.names import NAME_PATTERN

_LARGEST = 2**31 - 1
"""Of the registry's numbers."""
_VERSION = r"^[0-9a-f]{6,64}$"
_NO_NUL = r"^[^\x00]*$"

ModelName = Annotated[str, Path(pattern=f"^{NAME_PATTERN}$", description="Name of the model.")]
AliasName = Annotated[str, Path(pattern=f"^{NAME_PATTERN}$", description="Name of the alias.")]
TokenName = Annotated[str, Path(pattern=f"^{NAME_PATTERN}$", description="Name of the token.")]
VersionPath = Annotated[
    str, Path(pattern=_VERSION, description="Its id, or the first six digits or more.")
]
Number = Annotated[int, Path(ge=1, le=_LARGEST, description="Its number.")]
ReleasePath = Annotated[int, Path(ge=1, le=_LARGEST, description="Number of the release.")]

VersionId = Annotated[
    str, Field(pattern=_VERSION, description="Its id, or the first six digits or more.")
]
ReleaseNumber = Annotated[int, Field(ge=1, le=_LARGEST, description="Number of the release.")]
Generation = Annotated[
    int | None,
    Field(
        ge=0,
        le=_LARGEST,
        description="Generation of the alias as you saw it, 0 for none; or say it in If-Match.",
    ),
]
Text = Annotated[str, StringConstraints(max_length=10_000, pattern=_NO_NUL)]
Why = Annotated[Text, Field(min_length=1, description="Why; it is kept.")]
WhyDeleted = Annotated[
    str, Query(min_length=1, max_length=1000, pattern=_NO_NUL, description="Why; it is kept.")
]
Moment = Annotated[
    AwareDatetime,
    Field(ge=dt.datetime(1970, 1, 1, tzinfo=dt.UTC), lt=dt.datetime(9999, 1, 1, tzinfo=dt.UTC)),
]
Filter = Annotated[str | None, Query(max_length=500, pattern=_NO_NUL)]


Start = Annotated[
    AwareDatetime | None, Query(description="RFC 3339, with a zone; from this time on.")
]
End = Annotated[AwareDatetime | None, Query(description="Likewise; before this time.")]
