"""How services log: one place that configures structlog, and keeps secrets out of every line."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

_MASK = "***"
_SECRET_KEY = re.compile(
    r"secret|token|passw|passphrase|credential|authorization|cookie|api[_.-]?key|private[_.-]?key"
    r"|key[_.-]?pem",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"""(?x)
    (?P<webhook>whsec_)[^\s"',;)}\]]+          # a Standard Webhooks secret
    | (?P<bearer>[Bb]earer\s+)[^\s"',;]+       # an Authorization header
    | (?P<token>kedge_)[A-Za-z0-9_-]{30,}       # a token of the HTTP API
    | (?P<link>\d+\.(?:approve|reject)\.)\d+\.[A-Za-z0-9_-]+  # a signed link's end
    | (?P<user>://[^\s/:@]*:)[^\s/@]+(?=@)     # the password of a URL
    """
)


def configure(
    service: str | None = None, *, stream: TextIO | None = None, level: int = logging.INFO
) -> None:
    """Log to `stream`: for people when it is a terminal, else as JSON, one object a line.

    What libraries log by the standard library goes the same way and is masked the same way.

    Args:
        service: stands in every line as `service`.
        stream: standard error by default.
        level: of the standard library, for example `logging.DEBUG`.
    """
    stream = stream or sys.stderr
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(service),
    ]
    # The traceback becomes text before the mask: it may quote a secret as well as any field.
    rendered: list[Processor] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    if stream.isatty():
        rendered.append(
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        )
    else:
        rendered.append(structlog.processors.JSONRenderer())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Loggers are made at import, before this: what they cached would stay unconfigured.
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=rendered)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These say at INFO what Kedge says itself, once a request or a connection.
    for noisy in ("httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Mask what a key calls a secret, and what looks like one, at any depth.

    >>> mask_secrets(None, "", {"sasl.password": "hunter2", "text": "used whsec_MfKQ9r8G"})
    {'sasl.password': '***', 'text': 'used whsec_***'}
    """
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: object, value: Any) -> Any:
    if isinstance(key, str) and _SECRET_KEY.search(key) and value not in (None, "", True, False):
        return _MASK
    if isinstance(value, str):
        return _SECRET_VALUE.sub(_kept, value)
    if isinstance(value, bytes):
        return _SECRET_VALUE.sub(_kept, value.decode("utf-8", "replace"))
    if isinstance(value, Mapping):
        return {name: _masked(name, inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(None, inner) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    # Anything else reaches the line by its repr: better masked here than there.
    return _SECRET_VALUE.sub(_kept, str(value))


def _kept(match: re.Match[str]) -> str:
    return next(part for part in match.groups() if part is not None) + _MASK


def _named(service: str | None) -> Processor:
    def name(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if service is not None:
            event.setdefault("service", service)
        return event

    return name
