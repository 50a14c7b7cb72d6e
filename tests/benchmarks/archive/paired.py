"""The archive beside plain DuckDB: what goes in a second, two questions, and bytes an event.

    PYTHONPATH=tests python -m benchmarks.archive.paired --rows 1000000

Each pair is measured in turns, in processes of their own, and the median of five is what counts: so
that both have the same machine. Every figure has the peak memory of its process beside it.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import duckdb
import fastavro
import numpy as np
import pyarrow as pa

from kedge.archive import ColumnLedger, Disk, PartitionWriter, connect, prepare
from kedge.contracts import Column, PackedIds, PredictionBatch, State, Tags, encode_batch

NUMBERS, TEXTS = 14, 6
A_BATCH = 500
DAY = 86_400_000_000
START = 1_700_006_400_000_000 // DAY * DAY
MODELS = ("flights", "trains")
RELEASES = 4
TURNS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--folder", type=Path, help="where to work; a temporary one by default")
    asked = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="kedge-archive-", dir=asked.folder))
    try:
        for line in measured(root, asked.rows, asked.days, asked.turns):
            print(json.dumps(line), flush=True)  # noqa: T201 - its purpose
    finally:
        shutil.rmtree(root)


def measured(root: Path, rows: int, days: int, turns: int):
    """A line for each pair."""
    write_messages(root / "messages", rows, days)
    yield _paired("ingest, seconds", _ingest, _copy, (root,), turns)
    _ingest(root)
    _hand_tuned(root)
    yield {"bytes_an_event": _bytes(root, rows)}
    for name, query in QUERIES.items():
        mine, tuned = _answer(root, query, tuned=False), _answer(root, query, tuned=True)
        assert mine == tuned, f"{name}: {mine} is not {tuned}"
        yield _paired(name, _ask_archive, _ask_tuned, (root, query), turns)


_FEATURES = [*(f"n{i:02d}" for i in range(NUMBERS)), *(f"t{i}" for i in range(TEXTS))]
_RATES = ", ".join(f"avg(({{prefix}}{name} IS NULL)::INT) AS {name}" for name in _FEATURES)
QUERIES = {
    "null rate of 20 features by release, seconds": (
        f"SELECT release, {_RATES} FROM {{source}} GROUP BY release ORDER BY release"
    ),
    "one day of one model, seconds": (
        f"SELECT count(*), {_RATES} FROM {{source}} WHERE model = '{MODELS[0]}' "
        f"AND event_time >= make_timestamptz({START + DAY}) "
        f"AND event_time < make_timestamptz({START + 2 * DAY})"
    ),
}


def write_messages(path: Path, rows: int, days: int) -> None:
    """Messages as the SDK writes them: 14 numbers, of which 2 % are null, and 6 categories."""
    rng = np.random.default_rng(1)
    words = tuple(f"category {i}" for i in range(20))
    with path.open("wb") as file:
        for first in range(0, rows, A_BATCH):
            size = min(A_BATCH, rows - first)
            stem = rng.bytes(10)
            columns = []
            for name in _FEATURES[:NUMBERS]:
                null = rng.random(size) < 0.02
                states = np.where(null, State.NULL, State.VALUE).astype(np.uint8)
                values = np.round(rng.normal(100, 30, size), 2)
                columns.append(Column(name, "feature", "number", states, values))
            for name in _FEATURES[NUMBERS:]:
                states = np.zeros(size, np.uint8)
                codes = rng.integers(0, len(words), size).astype(np.int32)
                columns.append(Column(name, "feature", "text", states, codes, words))
            score = rng.random(size)
            columns.append(Column("output", "output", "number", np.zeros(size, np.uint8), score))
            ids = b"".join(stem + (first + i).to_bytes(6, "big") for i in range(size))
            step = days * DAY // rows
            times = START + (first + np.arange(size)) * step + rng.integers(0, step, size)
            release = first // A_BATCH % RELEASES + 1
            model = MODELS[first // A_BATCH % len(MODELS)]
            message = encode_batch(
                PredictionBatch(
                    Tags(model, "m" * 64, "c" * 40, release, "production"),
                    PackedIds(ids),
                    times,
                    rng.gamma(2, 2, size).astype(np.float32),
                    tuple(columns),
                )
            )
            file.write(len(message).to_bytes(4, "big") + message)


def _messages(root: Path):
    with (root / "messages").open("rb") as file:
        while size := file.read(4):
            yield file.read(int.from_bytes(size, "big"))


def _ingest(root: Path) -> float:
    """The messages through the archiver's own writer."""
    messages = list(_messages(root))
    folder = root / "archive"
    shutil.rmtree(folder, ignore_errors=True)
    disk = Disk(folder)
    prepare(disk)
    begun = time.process_time()
    writer = PartitionWriter(disk, ColumnLedger(disk), "predictions", "bench", 0)
    writer.resume(0)
    for offset, message in enumerate(messages):
        writer.add(offset, message)
        if writer.rows >= 50_000:
            writer.flush()
    writer.flush()
    return time.process_time() - begun


def _files(root: Path) -> list[Path]:
    return sorted((root / "archive" / "predictions").glob("*/*/*.parquet"))


def _copy(root: Path) -> float:
    """The same rows by DuckDB, out of memory, split as the archive is."""
    with connect(root / "archive") as archive:
        rows = archive.sql("FROM predictions").to_arrow_table()
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        connection.execute("CREATE TABLE held AS SELECT * FROM rows")
        del rows
        folder = root / "copied"
        shutil.rmtree(folder, ignore_errors=True)
        begun = time.process_time()
        connection.execute(
            "COPY (SELECT *, event_time::DATE AS date FROM held) TO "
            f"'{folder}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (date))"
        )
        return time.process_time() - begun


def _hand_tuned(root: Path) -> None:
    """One file as somebody would make it who knows the questions."""
    flat = ", ".join(f"features.{name} AS {name}" for name in _FEATURES)
    with connect(root / "archive") as archive:
        archive.execute(
            f"COPY (SELECT id, event_time, model, release, {flat}, outputs.output AS output, "
            f"latency_ms FROM predictions ORDER BY model, event_time) TO '{root}/tuned.parquet' "
            "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880)"
        )


def _bytes(root: Path, rows: int) -> dict[str, float]:
    """Of the archive, and of a log of single Avro records, compressed with zstd in blocks."""
    schema = fastavro.parse_schema(
        json.loads((Path(__file__).parents[3] / "schemas/prediction.avsc").read_text())
    )
    with connect(root / "archive") as archive:
        sample = archive.sql("FROM predictions LIMIT 20000").to_arrow_table().to_pylist()
    records = [
        {
            **{key: row[key] for key in ("id", "model", "model_version", "code_version",
                                         "release", "environment", "latency_ms", "error")},
            "event_time": int(row["event_time"].timestamp() * 1e6),
            "features": row["features"],
            "outputs": row["outputs"],
            "imputed": [],
        }
        for row in sample
    ]  # fmt: skip
    raw = io.BytesIO()
    for record in records:
        fastavro.schemaless_writer(raw, schema, record)
    codec = pa.Codec("zstd", compression_level=3)
    log = len(codec.compress(raw.getvalue())) / len(records)
    archive = sum(each.stat().st_size for each in _files(root)) / rows
    return {"archive": round(archive, 1), "row_avro_zstd": round(log, 1),
            "ratio": round(archive / log, 2)}  # fmt: skip


def _asked(root: Path, query: str, *, tuned: bool):
    """A connection with one thread, and the query."""
    connection = duckdb.connect() if tuned else connect(root / "archive")
    connection.execute("SET threads = 1")
    connection.execute("SET TimeZone = 'UTC'")
    source = f"read_parquet('{root}/tuned.parquet')" if tuned else "predictions"
    return connection, query.format(source=source, prefix="" if tuned else "features.")


def _answer(root: Path, query: str, *, tuned: bool):
    connection, text = _asked(root, query, tuned=tuned)
    with connection:
        return connection.sql(text.replace("avg(", "sum(")).fetchall()


def _ask(root: Path, query: str, *, tuned: bool) -> float:
    connection, text = _asked(root, query, tuned=tuned)
    with connection:
        connection.sql(text).fetchall()  # the files' footers are known from then on
        begun = time.process_time()
        connection.sql(text).fetchall()
        return time.process_time() - begun


def _ask_archive(root: Path, query: str) -> float:
    return _ask(root, query, tuned=False)


def _ask_tuned(root: Path, query: str) -> float:
    return _ask(root, query, tuned=True)


def _paired(name, mine, other, arguments, turns):
    """Medians of both, in turns, and how many times as long the first took."""
    times, peaks = {mine: [], other: []}, {mine: 0.0, other: 0.0}
    for _turn in range(turns):
        for each in (mine, other):
            seconds, peak = _alone(each, arguments)
            times[each].append(seconds)
            peaks[each] = max(peaks[each], peak)
    medians = {each: statistics.median(found) for each, found in times.items()}
    return {
        "pair": name,
        "kedge": round(medians[mine], 3),
        "duckdb": round(medians[other], 3),
        "ratio": round(medians[mine] / medians[other], 2),
        "kedge_peak_mib": round(peaks[mine]),
        "duckdb_peak_mib": round(peaks[other]),
    }


def _alone(work, arguments) -> tuple[float, float]:
    """In a process of its own: CPU seconds, and the most MiB that it had."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_with_peak, (work, arguments))


def _with_peak(work, arguments) -> tuple[float, float]:
    seconds = work(*arguments)
    # Not `getrusage`: it begins with what the parent had.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return seconds, int(line.split()[1]) / 1024
    return seconds, 0.0


if __name__ == "__main__":
    main()
