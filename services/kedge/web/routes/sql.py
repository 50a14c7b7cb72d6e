"""Questions to the archive that nobody has thought of before, in SQL."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from kedge.archive.confinement import LONGEST
from kedge.web import API
from kedge.web.backend import ArchiveDep
from kedge.web.callers import ReadingByJson
from kedge.web.problems import documented

router = APIRouter(prefix=f"{API}/sql", tags=["statistics"])


class Query(BaseModel):
    """A question."""

    query: Annotated[
        str,
        Field(
            min_length=1,
            max_length=LONGEST,
            description="One statement of DuckDB's SQL that reads: SELECT, DESCRIBE, EXPLAIN, …",
        ),
    ]
    rows: Annotated[int, Field(ge=1, le=10_000, description="Most rows of the answer.")] = 1000


class Column(BaseModel):
    """A column of an answer."""

    name: str = Field(description="Need not be the only one of this name.")
    type: str = Field(description="As DuckDB writes it, for example `BIGINT` or `VARCHAR[]`.")


class Answer(BaseModel):
    """What a question gives."""

    columns: list[Column]
    rows: list[list[Any]] = Field(
        description="Times in ISO 8601, bytes in hex, null also for NaN and the infinities."
    )
    truncated: bool = Field(description="Whether there are more rows.")


@router.post(
    "",
    dependencies=[ReadingByJson],
    responses=documented(400, 401, 403, 404, 408, 413, 415, 421, 422, 429, 503),
)
def query_archive(asked: Query, archive: ArchiveDep) -> Answer:
    """Ask the archive in SQL.

    `DESCRIBE predictions` and `SHOW TABLES` say what there is. What does more than read is refused:
    a `refused-query` that names what. A `failed-query` says what DuckDB says of it, a
    `query-limit` that it needs too much.
    """
    found = archive.answer(asked.query, asked.rows)
    columns = [Column(name=n, type=t) for n, t in zip(found.columns, found.types, strict=True)]
    return Answer(columns=columns, rows=found.rows, truncated=found.truncated)
