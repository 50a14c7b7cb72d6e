"""The API as a server on a port of its own, and those who ask it."""

from __future__ import annotations

import socket
from contextlib import contextmanager

import httpx

from kedge.archive import ColumnLedger, PartitionWriter, open_archive
from kedge.contracts import encode
from kedge.settings import Settings
from kedge.web import service
from services import eventually, running

API = "/api/v1"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def web_settings(home, **web):
    """Settings of a server that nobody's requests are too many for, however busy the machine."""
    section = {"port": free_port(), "rate": 1e6, "burst": 10**6, "query_timeout": 240.0, **web}
    return Settings(home=home, web=section)


@contextmanager
def serving(settings):
    """The service on a thread, answering."""
    with running(service.run, settings=settings):
        with client(settings) as probe:
            eventually(lambda: _answers(probe), bool)
        yield


def _answers(probe):
    try:
        return probe.get("/healthz").is_success
    except httpx.TransportError:
        return False


def client(settings, token=None, **options):
    """Who asks with a token, or without."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.Client(
        base_url=f"http://127.0.0.1:{settings.web.port}", headers=headers, timeout=300, **options
    )


def archived(settings, dataset, contract, records, *, first=0):
    """Put records into the archive, each in a file of its own, as slow traffic would.

    They have the offsets from `first` on.
    """
    disk = open_archive(settings.archive_url)
    writer = PartitionWriter(disk, ColumnLedger(disk), dataset, "id", 0)
    writer.resume(first)
    for record in records:
        writer.add(writer.next, encode(contract, record))
        assert writer.flush()
