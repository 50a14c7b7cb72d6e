"""Jars by HTTPS from a Maven repository, for machines without Maven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from kedge.broker.lock import Jar

_ATTEMPTS = 5
_TOO_MANY_REQUESTS = 429
_TIMEOUT = httpx.Timeout(30.0)


class DownloadError(Exception):
    """A jar could not be had; the text is the reason."""


def download(jars: Sequence[Jar], into: Path, repository: str) -> Iterator[Jar]:
    """Download jars to their paths under `into`, and yield each as soon as it is there.

    What comes is not checked here.

    Raises:
        DownloadError: the repository was not reached, or has not got a jar.
    """
    console = Console(stderr=True)
    progress = Progress(
        TextColumn("Downloading Kafka"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("jars,"),
        TextColumn("{task.fields[megabytes]:.1f} MB"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    done = 0.0
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=True) as client, progress:
        task = progress.add_task("", total=len(jars), megabytes=done)
        for jar in jars:
            target = into / jar.path
            target.parent.mkdir(parents=True, exist_ok=True)
            _download(client, f"{repository.rstrip('/')}/{jar.path}", target)
            done += target.stat().st_size / 1e6
            progress.update(task, advance=1, megabytes=done)
            yield jar


def shown(repository: str) -> str:
    """The address as it may be shown: without a password in it."""
    try:
        return str(httpx.URL(repository).copy_with(userinfo=b""))
    except httpx.InvalidURL:
        return repository


def _download(client: httpx.Client, address: str, target: Path) -> None:
    try:
        for attempt in Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential(multiplier=0.2, max=5.0),
            reraise=True,
        ):
            with attempt, client.stream("GET", address) as response, target.open("wb") as file:
                response.raise_for_status()
                for chunk in response.iter_bytes():
                    file.write(chunk)
    except httpx.HTTPStatusError as error:
        answer = error.response
        raise DownloadError(
            f"{answer.status_code} {answer.reason_phrase} for {shown(address)}"
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DownloadError(f"{error or type(error).__name__} at {shown(address)}") from error


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may go better."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error or error.response.status_code == _TOO_MANY_REQUESTS
    return isinstance(error, httpx.TransportError) and not isinstance(
        error, httpx.UnsupportedProtocol
    )
