"""`PredictionLogger.logged`: a predict function that logs what it does."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kedge.errors import KedgeError
from kedge.sdk.arguments import copied
from kedge.sdk.releases import LiveRelease

if TYPE_CHECKING:
    from kedge.sdk.logger import PredictionLogger

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class _Call:
    """One call of a decorated function."""

    __slots__ = ("_began", "_features", "_log", "_release")

    def __init__(self, log: PredictionLogger, features: Any) -> None:
        self._log = log
        self._features = features
        self._release: LiveRelease | None = None
        try:
            # The function may change its argument, and the alias may move while it works.
            self._features = copied(features)
            self._release = log.source.live
        except Exception:  # noqa: BLE001, S110 - the logger will count what it can't take
            pass
        self._began = time.perf_counter()

    def answered(self, output: Any, error: Exception | None = None) -> None:
        self._log.prediction(
            self._features,
            output,
            latency_ms=(time.perf_counter() - self._began) * 1000,
            error=error,
            release=self._release,
        )


def decorated(
    log: PredictionLogger, features: str | None, function: Callable[..., Any]
) -> Callable[..., Any]:
    """`function`, logging each call by `log`.

    Raises:
        KedgeError: the function has no parameter for features.
    """
    position, name = _parameter(function, features)

    def given(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if position is not None and len(args) > position:
            return args[position]
        return kwargs.get(name)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def predict_async(*args: Any, **kwargs: Any) -> Any:
            call = _Call(log, given(args, kwargs))
            try:
                output = await function(*args, **kwargs)
            except Exception as error:
                call.answered(None, error)
                raise
            call.answered(output)
            return output

        return predict_async

    @functools.wraps(function)
    def predict(*args: Any, **kwargs: Any) -> Any:
        call = _Call(log, given(args, kwargs))
        try:
            output = function(*args, **kwargs)
        except Exception as error:
            call.answered(None, error)
            raise
        call.answered(output)
        return output

    return predict


def _parameter(function: Callable[..., Any], wanted: str | None) -> tuple[int | None, str]:
    """Position, if it has one, and name of the parameter with the features."""
    parameters = list(inspect.signature(function).parameters.values())
    named = [
        parameter.name
        for parameter in parameters
        if parameter.kind in (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)
    ]
    free = [name for name in named if name not in ("self", "cls")]
    default = "features" if "features" in named else free[0] if free else None
    name = default if wanted is None else wanted
    if name not in named:
        raise KedgeError(
            f"{function.__qualname__} has no parameter {name or 'for the features'}: name one of "
            f"{', '.join(free) or 'its own'} by @log.logged(features=…)"
        )
    position = next(at for at, parameter in enumerate(parameters) if parameter.name == name)
    return (position if parameters[position].kind in _POSITIONAL else None), name
