"""What services log, and what never gets there."""

import io
import json
import logging

import pytest
import structlog

from kedge import logs


@pytest.fixture
def lines():
    """Log into memory, and give the lines as objects; the configuration from before comes back."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers[:], root.level
    logs.configure("tested", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_line_is_an_object_that_names_its_service(lines):
    structlog.get_logger("kedge.x").info("swapped", release=3)
    logging.getLogger("library").warning("careful: %s", "hot")
    first, second = lines()
    assert (first["event"], first["release"], first["service"]) == ("swapped", 3, "tested")
    assert (second["event"], second["level"]) == ("careful: hot", "warning")


@pytest.mark.parametrize(
    "fields",
    [
        {"sasl.password": "hunter2"},
        {"webhook_secret": "hunter2"},
        {"url": "postgresql://kedge:hunter2@db/registry"},
        {"header": "Bearer hunter2"},
        {"nested": {"deep": [{"api_key": "hunter2"}]}},
        {"text": "signed with whsec_hunter2, as always"},
        {"data": b"whsec_hunter2"},
        {"path": "/kedge/approvals/7.approve.1700000000000000.hunter2"},
    ],
)
def test_no_secret_reaches_a_line(lines, fields):
    structlog.get_logger("kedge.x").info("told", **fields)
    logging.getLogger("library").warning("told %s", fields)
    assert all("hunter2" not in json.dumps(line) for line in lines()[:1])
    assert "***" in json.dumps(lines()[0])


def _unreachable(url):
    raise RuntimeError(f"cannot reach {url}")


def test_no_secret_of_a_traceback_reaches_a_line(lines):
    try:
        _unreachable("postgresql://kedge:hunter2@db/registry")
    except RuntimeError:
        structlog.get_logger("kedge.x").exception("failed")
    (line,) = lines()
    assert "RuntimeError" in line["exception"]
    assert "hunter2" not in json.dumps(line)
