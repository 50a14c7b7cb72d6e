"""The process that a release is replayed in: `python -m kedge.rehearsal.stage FOLDER`.

It limits itself before it loads anything that is not Kedge's. Answers go into a file, so what the
release writes to its standard output is nobody's business.
"""

from __future__ import annotations

import json
import math
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kedge.contracts.values import plain, plain_name
from kedge.serving.code import InferenceCode, load_code

JOB, ANSWERS = "job.json", "answers.jsonl"

_AT_ONCE = 50
"""Rows in one call of `predict`."""

_LARGEST_FILE = 256 << 20
_LONGEST_REASON = 300


def main(folder: Path) -> None:
    """Replay what the job in the folder says, a line of JSON for each thing that happens."""
    job = json.loads((folder / JOB).read_text())
    with (folder / ANSWERS).open("w", encoding="utf-8") as file:

        def tell(**what: Any) -> None:
            file.write(json.dumps(what) + "\n")
            file.flush()

        try:
            _limit(job["seconds"], job["mib"] << 20)
        except (ValueError, OSError) as error:
            tell(hindrance=f"this system does not limit a process: {error}")
            return
        try:
            code = load_code(Path(job["bundle"]), job["code_version"])
            model = code.load(Path(job["artifact"]))
        except BaseException as error:  # noqa: BLE001 - foreign code, which may even exit
            tell(fault=f"it can't be loaded: {error!r}"[:_LONGEST_REASON])
            return
        tell(loaded=True)
        _answer(code, model, job["rows"], tell)
        tell(done=True)


def _limit(seconds: float, size: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(seconds), math.ceil(seconds) + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_LARGEST_FILE, _LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whoever started this kills it in time, unless it was killed itself.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(seconds) + 1)


def _answer(
    code: InferenceCode, model: Any, rows: Sequence[Mapping[str, Any]], tell: Callable[..., None]
) -> None:
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        try:
            answers = [[outputs, None] for outputs in _outputs(code, model, part)]
        except Exception:  # noqa: BLE001 - which of the rows it was is found out one by one
            answers = [_alone(code, model, row) for row in part]
        tell(answers=answers)


def _alone(code: InferenceCode, model: Any, row: Mapping[str, Any]) -> list[Any]:
    try:
        (outputs,) = _outputs(code, model, [row])
    except Exception as error:  # noqa: BLE001 - that it raises is what is asked
        return [{}, type(error).__name__]
    return [outputs, None]


def _outputs(
    code: InferenceCode, model: Any, rows: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, Any]]:
    """As they would be logged."""
    # A copy, as code may change what it is given, and a row may be tried again.
    outputs = code.predict(model, [dict(row) for row in rows])
    if len(outputs) != len(rows):
        raise ValueError(f"predict gave {len(outputs)} outputs for {len(rows)} rows")
    for output in outputs:
        named = output if isinstance(output, dict) else {"output": output}
        yield {plain_name(name): _writable(plain(value)) for name, value in named.items()}


def _writable(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


if __name__ == "__main__":
    main(Path(sys.argv[1]))
