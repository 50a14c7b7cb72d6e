"""All statistics of one window of one release."""

from __future__ import annotations

from collections.abc import Iterator

from kedge.profile import Profile, Reference
from kedge.statistics.distinct import distinct
from kedge.statistics.drift import drift_statistics
from kedge.statistics.missing import missing_statistics, share
from kedge.statistics.projection import reconstruction_error
from kedge.statistics.statistic import Statistic
from kedge.statistics.together import missing_together
from kedge.statistics.vectors import vector_statistics


def window_statistics(profile: Profile, reference: Reference) -> Iterator[Statistic]:
    """Every statistic that a window's profile and the reference give.

    `rows`, `error_rate`, `missing_together` and `reconstruction_error` of the window; for each
    column what `missing` and, by its type, `drift` or `vectors` say of it. A window without rows
    has the first two only: of its columns there is nothing to say.
    """
    yield Statistic("rows", float(profile.rows), profile.rows)
    yield share("error_rate", profile.errors, profile.rows)
    if not profile.rows:
        return
    yield missing_together(profile, reference)
    yield reconstruction_error(profile, reference)
    sketches = iter(profile.registers)
    columns = zip(reference.columns, profile.counts, profile.missing, profile.sums, strict=True)
    for column, counts, missing, sums in columns:
        yield from missing_statistics(column, missing, profile.rows, reference.rows)
        if column.spec.type == "vector":
            yield from vector_statistics(column, counts, sums)
        else:
            yield from drift_statistics(column, counts, missing, sums)
        if column.spec.type == "categorical":
            registers = next(sketches) if column.is_sketched else None
            yield distinct(column, counts, missing, registers)
