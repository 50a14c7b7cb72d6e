"""`kedge serve`: the inference server as a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import structlog
import uvicorn

from kedge.broker import connection
from kedge.process import stop_on_signals, stop_with_supervisor
from kedge.registry import Registry
from kedge.sdk import PredictionLogger, follow
from kedge.serving.app import create_app
from kedge.serving.live import LiveModel
from kedge.serving.routing import Routing
from kedge.settings import Settings

_FIRST_RELEASE_TIMEOUT = 60.0
_log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone: uvicorn raises them again at its end, before the log is sent."""
        yield


def serve(settings: Settings, model: str, alias: str, canary: str | None = None) -> None:
    """Serve the release that the alias points at until SIGTERM or SIGINT.

    Args:
        settings: of the broker, the registry and the server.
        model: name of the model.
        alias: which alias to follow.
        canary: alias of the release that gets a share of the requests; none by default.

    Raises:
        KedgeError: no broker, or the alias has no release that can be loaded.
    """
    kafka, prefix = connection(settings), settings.topic_prefix
    with (
        follow(model, alias, kafka=kafka, topic_prefix=prefix) as follower,
        Registry.open(settings) as registry,
        PredictionLogger(
            follower, kafka=kafka, topic_prefix=prefix, environment=settings.environment
        ) as log,
        ExitStack() as stack,
    ):
        live = LiveModel(follower, registry, follower.wait(_FIRST_RELEASE_TIMEOUT))
        beside = None
        if canary is not None:
            followed = follow(model, canary, kafka=kafka, topic_prefix=prefix)
            beside = LiveModel(stack.enter_context(followed), registry)
        config = uvicorn.Config(
            create_app(Routing(live, beside), log),
            host=settings.serving.host,
            port=settings.serving.port,
            log_config=None,
            access_log=False,
        )
        server = _Server(config)

        def stop() -> None:
            server.should_exit = True

        stop_on_signals(stop)
        stop_with_supervisor(stop)
        _log.info("serving", model=model, alias=alias, release=live.current.release.number)
        # It answers the requests under way before it returns.
        server.run()
