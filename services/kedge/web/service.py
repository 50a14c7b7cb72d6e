"""The HTTP API as a process: `kedge run web`."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import structlog
import uvicorn

from kedge.errors import KedgeError
from kedge.registry import Registry
from kedge.settings import Settings
from kedge.web.app import create_app
from kedge.web.settings import WebSettings

_GRACE = 10
"""Seconds that requests under way have to be answered when the service stops."""
_LONGEST_HEAD = 16_384

_log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: the process has its own way to stop."""
        yield


def run(settings: Settings, stop: Event) -> None:
    """Answer requests until `stop` is set.

    Raises:
        KedgeError: the address can't be had, or must not be.
    """
    web = settings.web
    with Registry.open(settings) as registry:
        _check_exposure(web, registry)
        app = create_app(settings, registry)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            # An address in a header is anybody's word.
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
            http="h11",
            ws="none",
            lifespan="off",
        )
        server = _Server(config)
        ended = Event()

        def watch() -> None:
            while not ended.is_set():
                if stop.wait(0.2):
                    app.state.backend.feed.close()
                    server.should_exit = True
                    return

        watcher = threading.Thread(target=watch, name="web-stop", daemon=True)
        with _listening(web) as listener:
            watcher.start()
            host, port = listener.getsockname()[:2]
            _log.info("listening", url=f"http://{_in_url(host)}:{port}")
            try:
                server.run(sockets=[listener])
            finally:
                ended.set()
                watcher.join()
                app.state.backend.archive.close()


def _check_exposure(web: WebSettings, registry: Registry) -> None:
    if web.is_local:
        return
    if web.anonymous_reads:
        raise KedgeError(
            f"KEDGE_WEB__ANONYMOUS_READS is for this machine only, and KEDGE_WEB__HOST is "
            f"{web.host}: leave one of them out"
        )
    if not registry.tokens.any_live():
        # Without one nobody gets in, so nothing is exposed; and tokens may come at any time.
        _log.warning("no_token", detail="make one: kedge token create NAME --scope admin")


@contextmanager
def _listening(web: WebSettings) -> Iterator[socket.socket]:
    try:
        family, _, _, _, address = socket.getaddrinfo(
            web.host, web.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        raise KedgeError(f"KEDGE_WEB__HOST can't be {web.host}: {error}") from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise KedgeError(
                f"the web service can't listen at {web.host} port {web.port}: {error.strerror}. "
                "KEDGE_WEB__HOST and KEDGE_WEB__PORT say where; port 0 takes a free one"
            ) from error
        yield listener


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host
