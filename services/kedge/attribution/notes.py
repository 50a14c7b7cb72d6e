"""What is remembered of all columns of a release's windows, for a verdict: a bounded fold.

Rules remember the statistics that they look at; a verdict compares all columns over all releases.
So of each base window a note is kept of every column. One of a numeric column takes about 50 bytes
as JSON: 50 columns, 16 windows and 5 releases are 200 kB, and the caps allow 2.5 MB a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from kedge.contracts import Record

WINDOWS = 16
"""Windows of a release that are remembered; those without rows are not."""

COLUMNS = 200
"""Columns of a window that are remembered, in the order of the signature."""

_DIGITS = 4

_ONSET = ("onset", "onset_earliest", "onset_latest")


class Column(NamedTuple):
    """A feature or an output."""

    role: str
    name: str


class ColumnNote(NamedTuple):
    """One column in one window.

    Attributes:
        rows: that the drift is computed from.
        missing: share of the window's rows by kind of missing, of the kinds that there are.
        increase: the share of all kinds together, less the reference's.
        drift: PSI, or of a vector MMD.
        chance: what χ² per degree of freedom is: about 1 where the drift is chance.
    """

    rows: int = 0
    missing: dict[str, float] = {}  # noqa: RUF012 - nothing writes to it
    increase: float | None = None
    drift: float | None = None
    chance: float | None = None

    @property
    def excess(self) -> float | None:
        """The drift without what chance brings.

        With nothing changed PSI is about (1/n + 1/m) χ² (Yurdakul, "Statistical Properties of
        Population Stability Index", 2018), whose mean is one per degree of freedom.
        """
        if self.drift is None or self.chance is None:
            return self.drift
        return self.drift * max(0.0, 1 - 1 / self.chance) if self.chance else 0.0


class Onset(NamedTuple):
    """When a change began, by the evidence; microseconds since 1970 UTC.

    Attributes:
        at: most likely.
        earliest: at the earliest.
        latest: at the latest.
    """

    at: int
    earliest: int
    latest: int


@dataclass(slots=True)
class WindowNote:
    """One base window of a release.

    Attributes:
        end: first instant after it, microseconds since 1970 UTC.
        rows: predictions in it.
        revision: how often it was published again.
        error_rate: share of inferences that raised.
        onset: when the change began that the evidence shows; None where it shows none.
        columns: of the features and outputs.
    """

    end: int
    rows: int
    revision: int
    error_rate: float | None = None
    onset: Onset | None = None
    columns: dict[Column, ColumnNote] = field(default_factory=dict)

    def to_json(self) -> list[Any]:
        columns = [[*column, *note] for column, note in self.columns.items()]
        return [self.end, self.rows, self.revision, self.error_rate, self.onset, columns]

    @classmethod
    def from_json(cls, data: list[Any]) -> Self:
        end, rows, revision, error_rate, onset, columns = data
        noted = {Column(role, name): ColumnNote(*note) for role, name, *note in columns}
        began = None if onset is None else Onset(*onset)
        return cls(end, rows, revision, error_rate, began, noted)


@dataclass(slots=True)
class ReleaseNotes:
    """The newest windows of one release.

    Attributes:
        model_version: of the release.
        code_version: of the release.
        windows: by their start.
    """

    model_version: str
    code_version: str
    windows: dict[int, WindowNote] = field(default_factory=dict)

    def take(self, record: Record) -> bool:
        """Note a base window; False when nothing is new in it.

        Args:
            record: as in the `statistic` contract.
        """
        start, revision = record["window_start"], record["revision"]
        known = self.windows.get(start)
        if known is None and len(self.windows) >= WINDOWS and start < min(self.windows):
            return False
        if known is not None and known.revision >= revision:
            return False
        note = WindowNote(record["window_end"], record["rows"], revision)
        _fill(note, record["statistics"])
        self.windows[start] = note
        for oldest in sorted(self.windows)[:-WINDOWS]:
            del self.windows[oldest]
        return True

    @property
    def end(self) -> int:
        """Of its newest window; 0 without any."""
        return max((window.end for window in self.windows.values()), default=0)

    @property
    def onset(self) -> Onset | None:
        """When the change began that the evidence of its newest window shows."""
        return self.windows[max(self.windows)].onset if self.windows else None

    def to_json(self) -> dict[str, Any]:
        return {
            "model_version": self.model_version,
            "code_version": self.code_version,
            "windows": [[start, *note.to_json()] for start, note in self.windows.items()],
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        return cls(
            data["model_version"],
            data["code_version"],
            {start: WindowNote.from_json(note) for start, *note in data["windows"]},
        )


def _fill(note: WindowNote, statistics: list[Record]) -> None:
    columns: dict[Column, dict[str, Any]] = {}
    onset: dict[str, int] = {}
    for each in statistics:
        name, value = each["name"], each["value"]
        if each["column"] is None:
            if name == "error_rate" and each["kind"] is None:
                note.error_rate = _rounded(value)
            if name in _ONSET and value is not None:
                onset[name] = round(value * 1e6)
            continue
        if each["segment"] is not None:
            continue
        column = Column(each["role"], each["column"])
        if column not in columns and len(columns) >= COLUMNS:
            continue
        known = columns.setdefault(column, {})
        match name:
            case "missing_rate" if each["kind"] is not None:
                if value:
                    known.setdefault("missing", {})[each["kind"]] = _rounded(value)
            case "missing_increase":
                known["increase"] = _rounded(value)
            case "psi" | "mmd":
                known["drift"], known["rows"] = _rounded(value), each["rows"]
            case "chi_squared":
                known["chance"] = _rounded(value)
    if len(onset) == len(_ONSET):
        note.onset = Onset(*(onset[name] for name in _ONSET))
    note.columns = {column: ColumnNote(**known) for column, known in columns.items()}


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{_DIGITS}g}")


class Notes:
    """The notes of all releases of one model in one environment.

    Args:
        base_window: length of a base window, microseconds; others are not noted.
    """

    def __init__(self, base_window: int) -> None:
        self._base_window = base_window
        self._releases: dict[int, ReleaseNotes] = {}

    def observe(self, record: Record) -> bool:
        """Note a window; False when nothing is new in it.

        Args:
            record: as in the `statistic` contract.
        """
        if (
            (record["clock"], record["part"]) != ("event", "predictions")
            or not record["rows"]
            or record["window_end"] - record["window_start"] != self._base_window
        ):
            return False
        notes = self._releases.get(record["release"])
        if notes is None:
            notes = ReleaseNotes(record["model_version"], record["code_version"])
        if not notes.take(record):
            return False
        self._releases[record["release"]] = notes
        return True

    def forget(self, release: int) -> None:
        self._releases.pop(release, None)

    def of(self, release: int) -> ReleaseNotes | None:
        return self._releases.get(release)

    def restore(self, release: int, notes: ReleaseNotes) -> None:
        self._releases[release] = notes

    def __iter__(self) -> Iterator[tuple[int, ReleaseNotes]]:
        return iter(sorted(self._releases.items()))
