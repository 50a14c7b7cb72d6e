"""A replay in a process of its own, that ends in time and knows no secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kedge.rehearsal import stage
from kedge.rehearsal.inputs import Features
from kedge.rehearsal.replay import Answer, Replay

_LOOK = 0.02
"""Seconds between two looks whether it has ended."""

_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")

# Each thread of a BLAS reserves address space, and that is what the limit counts.
_ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def replay(
    artifact: Path,
    bundle: Path,
    code_version: str,
    rows: Sequence[Features],
    *,
    seconds: float,
    mib: int,
) -> Replay:
    """Load a release and ask it for its outputs.

    The process gets none of this one's environment but what programs need to run, and a folder of
    its own. When it ends or its time is over, all of its process group is killed. It can use the
    network and read what this user can read, and a descendant that leaves the process group lives
    on: the code is what serves anyway, so it is limited, not distrusted.

    Args:
        artifact: of the model version.
        bundle: of the code version.
        code_version: its id.
        rows: features, as `prepare` gives them.
        seconds: until it is killed.
        mib: address space that it may have, in MiB.
    """
    with tempfile.TemporaryDirectory(prefix="kedge-rehearsal-") as name:
        folder = Path(name)
        job = {
            "artifact": str(artifact.absolute()),
            "bundle": str(bundle.absolute()),
            "code_version": code_version,
            "rows": [dict(row) for row in rows],
            "seconds": seconds,
            "mib": mib,
        }
        (folder / stage.JOB).write_text(json.dumps(job), encoding="utf-8")
        try:
            ended = _run(folder, seconds)
        except OSError as error:
            return Replay(hindrance=f"no process can be started: {error}")
        return _read(folder / stage.ANSWERS, ended, f"within {seconds:g} seconds and {mib} MiB")


def _run(folder: Path, seconds: float) -> int | None:
    """Exit code of the process; None where it was killed because its time was over."""
    deadline = time.monotonic() + seconds
    process = subprocess.Popen(  # noqa: S603 - our own module, by our own interpreter
        [sys.executable, "-P", "-m", stage.__name__, str(folder)],
        env=_environment(folder),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    in_time = False
    try:
        while not (in_time := _has_ended(process.pid)) and time.monotonic() < deadline:
            time.sleep(_LOOK)
    finally:
        # Before it is waited for: until then, nothing else can be named by its number.
        os.killpg(process.pid, signal.SIGKILL)
        code = process.wait()
    return code if in_time else None


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _environment(folder: Path) -> dict[str, str]:
    return {
        **{name: os.environ[name] for name in _INHERITED if name in os.environ},
        **_ONE_THREAD,
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _read(file: Path, ended: int | None, limits: str) -> Replay:
    told: dict[str, Any] = {}
    answers: list[Answer] = []
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            said = json.loads(line)
        except ValueError:
            break  # it was killed while it wrote
        told |= said
        answers.extend(Answer(outputs, error) for outputs, error in said.get("answers", ()))
    if "done" in told or "fault" in told or "hindrance" in told:
        return Replay(tuple(answers), told.get("fault"), hindrance=told.get("hindrance"))
    done = f"loaded and answered {len(answers)} inputs" if "loaded" in told else "did not load"
    if ended is None:
        return Replay(tuple(answers), timeout=f"it {done} {limits}")
    how = f"with exit code {ended}" if ended >= 0 else f"by {signal.Signals(-ended).name}"
    return Replay(tuple(answers), f"it {done} and was then ended {how}, {limits}")
