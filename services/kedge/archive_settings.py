"""Settings of the archive. Apart from the archive itself, as reading them needs no DuckDB."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

_Seconds = Annotated[float, Field(gt=0)]
_Days = Annotated[int | None, Field(ge=1)]


class RetentionSettings(BaseModel):
    """For how many days each dataset is kept, whole days of event time in UTC; None keeps all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    predictions: _Days = Field(None, description="Days for which predictions are kept; else all.")
    outcomes: _Days = Field(None, description="Days for which outcomes are kept; else all.")
    statistics: _Days = Field(None, description="Days for which statistics are kept; else all.")
    alerts: _Days = Field(None, description="Days for which alerts are kept; else all.")
    releases: _Days = Field(None, description="Days for which releases are kept; else all.")


class ArchiveSettings(BaseModel):
    """The log as Parquet."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = Field(
        None,
        description="Where it lies: a folder, or a URL that fsspec knows, such as "
        "s3://bucket/prefix; under `home` by default.",
    )
    flush_seconds: _Seconds = Field(5.0, description="Longest time a record waits for its file.")
    flush_records: int = Field(50_000, ge=1, description="Most events in one file.")
    compact_every: _Seconds = Field(60.0, description="Small files are merged every so often.")
    file_bytes: int = Field(
        128 * 1024 * 1024, ge=1, description="A file of this size is large enough."
    )
    grace: _Seconds = Field(
        3600.0,
        description="Longest that a query may take: files that were replaced or dropped stay for "
        "so many seconds.",
    )
    retain_days: RetentionSettings = Field(default_factory=RetentionSettings)
