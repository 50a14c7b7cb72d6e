"""The broker's tests run the embedded one, whatever the environment names."""

from __future__ import annotations

import os
import threading
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kedge.broker import jars
from kedge.broker.layout import shipped
from kedge.broker.lock import read
from kedge.settings import BrokerSettings


@pytest.fixture(scope="module", autouse=True)
def no_configured_broker():
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.upper().startswith("KEDGE_KAFKA__"):
                patch.delenv(name)
        yield


@pytest.fixture(scope="session")
def lock():
    return read(shipped("jars.lock"))


@pytest.fixture(scope="session")
def jar_tree(lock):
    """The folder of all locked jars, laid out as a repository: the user's own cache."""
    broker = BrokerSettings()
    jars.prepare(lock, broker)
    return broker.cache / lock.digest[:16]


class MavenRepository:
    """A real HTTP server over a folder.

    Attributes:
        requested: the paths asked for, in order.
        damaged: paths of which the last byte is sent wrong.
        failing: how many more requests of a path are answered 503.
    """

    def __init__(self, folder):
        self.requested: list[str] = []
        self.damaged: set[str] = set()
        self.failing: dict[str, int] = {}
        self._lock = threading.Lock()
        repository = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(folder))

            def do_GET(self):
                path = self.path.removeprefix("/")
                with repository._lock:
                    repository.requested.append(path)
                    failing = repository.failing.get(path, 0)
                    repository.failing[path] = max(0, failing - 1)
                if failing:
                    self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)
                elif path in repository.damaged:
                    content = (folder / path).read_bytes()
                    self.send_response(HTTPStatus.OK)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content[:-1] + bytes([content[-1] ^ 1]))
                else:
                    super().do_GET()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def repository(jar_tree):
    server = MavenRepository(jar_tree)
    yield server
    server.close()
