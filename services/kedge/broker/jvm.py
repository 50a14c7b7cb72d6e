"""The broker's JVM as a process: started detached, recognised again, ended.

A process id alone proves nothing, it may have been given to another process since. So each start
has a token on its command line, and a process without it is neither believed nor signalled.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from tenacity import RetryError, retry, retry_if_result, stop_after_delay, wait_fixed

from kedge.broker.configuration import Ports
from kedge.broker.java import Java
from kedge.broker.layout import Layout
from kedge.broker.log_file import tail
from kedge.errors import KedgeError

_TOKEN = "-Dkedge.broker.token="  # noqa: S105 - names a process, keeps no secret
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
    # Three hundred lines of settings at each start, and a line a minute about nothing.
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.common.config.AbstractConfig=warn",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.controller.EventPerformanceMonitor=warn",
    # Kafka itself logs by SLF4J; what asks log4j for a provider would complain of having none.
    "-Dlog4j.provider=org.apache.logging.log4j.simple.internal.SimpleProvider",
)
_DETACH = 'log=$1; shift; "$@" </dev/null >"$log" 2>&1 & echo $!'
"""The shell ends at once, so the JVM is nobody's child here: there is no zombie to reap."""
_LOCALE = {"LC_ALL": "C.UTF-8"}
"""Whatever the user's is: in the POSIX locale Java can't open a path with an ø in it."""
_FORMAT_TIMEOUT = 120.0
_PROC = Path("/proc")


class Process(BaseModel):
    """What the state file says of the last JVM that was started."""

    model_config = ConfigDict(frozen=True)

    pid: int
    token: str
    ports: Ports
    started_at: float
    version: str
    java: str

    @property
    def runs(self) -> bool:
        """Whether it is still there, and still the same.

        It is looked for twice, since at the moment of its exec it has an empty command line.
        """
        if self._found():
            return True
        time.sleep(0.02)
        return self._found()

    def _found(self) -> bool:
        return _TOKEN + self.token in command_line(self.pid)

    def save(self, state: Path) -> None:
        aside = state.with_suffix(".partial")
        aside.write_text(self.model_dump_json())
        aside.replace(state)

    @classmethod
    def last(cls, state: Path) -> Process | None:
        """The one that the state file names, running or not; None where there is none."""
        try:
            return cls.model_validate_json(state.read_bytes())
        except (FileNotFoundError, NotADirectoryError, ValidationError):
            return None


def format_data(layout: Layout, java: Java, classpath: Sequence[Path]) -> None:
    """Give a new data folder its random cluster id; leave one that has its id alone.

    Raises:
        KedgeError: Kafka's tool failed; quotes it.
    """
    if (layout.data / "meta.properties").exists():  # what the tool writes last
        return
    # A Kafka Uuid. It may not begin with a dash, which the tool would take for an option.
    cluster_id = re.sub("^-", "A", secrets.token_urlsafe(16))
    tool = [
        *(str(java.executable), *_LOGGING, "-cp", _joined(classpath)),
        *("kafka.tools.StorageTool", "format", "--cluster-id", cluster_id),
        *("--config", layout.properties.name),
    ]
    try:
        run = subprocess.run(  # noqa: S603 - arguments are ours, no shell
            tool,
            check=False,
            cwd=layout.folder,
            env=os.environ | _LOCALE,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=_FORMAT_TIMEOUT,
        )
    except subprocess.TimeoutExpired as error:
        raise KedgeError(f"{layout.data} could not be formatted for Kafka: {error}") from error
    if run.returncode != 0:
        raise KedgeError(f"{layout.data} could not be formatted for Kafka:\n{run.stdout[-2000:]}")


def launch(
    layout: Layout,
    java: Java,
    classpath: Sequence[Path],
    *,
    ports: Ports,
    heap: str,
    version: str,
) -> Process:
    """Start the JVM in a session of its own, and write the state file. Does not wait for it."""
    token = secrets.token_hex(16)
    if layout.log.exists():
        layout.log.replace(layout.log.with_name(f"{layout.log.name}.1"))
    command = [
        *(str(java.executable), _TOKEN + token, f"-Xmx{heap}", *_LOGGING),
        *("-cp", _joined(classpath), "kafka.Kafka", layout.properties.name),
    ]
    shell = subprocess.run(  # noqa: S603 - the script is constant, the arguments are ours
        ["/bin/sh", "-c", _DETACH, "sh", str(layout.log), *command],
        check=True,
        cwd=layout.folder,
        env=os.environ | _LOCALE,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    process = Process(
        pid=int(shell.stdout),
        token=token,
        ports=ports,
        started_at=time.time(),
        version=version,
        java=f"{java.executable} ({java.major})",
    )
    process.save(layout.state)
    return process


def end(process: Process, *, patience: float = 30.0) -> None:
    """Ask it to stop; kill it when it has not after `patience` seconds.

    Raises:
        KedgeError: it survives even that.
    """
    for number, bound in ((signal.SIGTERM, patience), (signal.SIGKILL, 10.0)):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return
        if _gone(process, bound):
            return
    raise KedgeError(f"the broker's process {process.pid} can't be ended.")


def _gone(process: Process, bound: float) -> bool:
    @retry(
        retry=retry_if_result(lambda gone: not gone),
        stop=stop_after_delay(bound),
        wait=wait_fixed(0.05),
    )
    def gone() -> bool:
        return not process.runs

    try:
        return gone()
    except RetryError:
        return False


def command_line(pid: int) -> str:
    """With which arguments a process runs; empty where there is none, or only its zombie."""
    if not (_PROC / "self/cmdline").exists():
        return command_line_by_ps(pid)
    try:
        arguments = (_PROC / str(pid) / "cmdline").read_bytes()
    except OSError:  # gone, or somebody else's
        return ""
    return arguments.replace(b"\0", b" ").decode("utf-8", "replace")


def command_line_by_ps(pid: int) -> str:
    """The same where there is no /proc."""
    asked = subprocess.run(  # noqa: S603 - a number
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],  # noqa: S607 - where it lies differs
        check=False,
        capture_output=True,
        text=True,
        errors="replace",
    )
    return asked.stdout


def last_words(layout: Layout) -> str:
    return tail(layout.log, 15) or "(its log is empty)"


def _joined(classpath: Sequence[Path]) -> str:
    return os.pathsep.join(map(str, classpath))
