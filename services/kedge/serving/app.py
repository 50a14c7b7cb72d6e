"""The inference server's HTTP interface."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from kedge.sdk import LiveRelease, PredictionLogger
from kedge.serving.live import LiveModel, Loaded
from kedge.serving.routing import Routing

_MOST_INSTANCES = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PredictRequest(BaseModel):
    """What to predict."""

    model_config = ConfigDict(extra="forbid")

    instances: list[dict[str, Any]] = Field(
        min_length=1, max_length=_MOST_INSTANCES, description="Raw inputs, an object each."
    )
    ids: list[str] | None = Field(None, description="Names of the predictions; made if left out.")
    event_times: list[AwareDatetime] | None = Field(
        None, description="When each is for; now if left out. For replays."
    )
    key: str | None = Field(
        None,
        description="Requests of one key are answered by one release beside a canary; the first id "
        "if left out, and any if there is none.",
    )

    @model_validator(mode="after")
    def _one_each(self) -> PredictRequest:
        for name, given in (("ids", self.ids), ("event_times", self.event_times)):
            if given is not None and len(given) != len(self.instances):
                raise ValueError(f"{len(given)} {name} for {len(self.instances)} instances")
        return self


class LiveReleaseView(BaseModel):
    """Which release serves."""

    model: str
    release: int
    model_version: str
    code_version: str
    generation: int


class PredictResponse(LiveReleaseView):
    """One id and one output for each instance, in order."""

    ids: list[str]
    outputs: list[Any]


def create_app(routing: Routing, log: PredictionLogger) -> FastAPI:
    """The application around a live model and its canary."""
    app = FastAPI(title="Kedge inference server")

    # Plain functions, so that inference runs on worker threads and never blocks the event loop.
    @app.post("/predict")
    def predict(request: PredictRequest) -> PredictResponse:
        """Predict and log; the whole request is answered by one release."""
        loaded = routing.loaded(request.key or (request.ids[0] if request.ids else None))
        times = request.event_times
        try:
            ids, outputs = loaded.predict(
                request.instances,
                log,
                ids=request.ids,
                event_times=None if times is None else [_microseconds(time) for time in times],
            )
        except Exception as error:
            raise HTTPException(500, f"the inference code raised {error!r}") from error
        return PredictResponse(**_view(loaded.release), ids=ids, outputs=outputs)

    @app.get("/release")
    def release() -> LiveReleaseView:
        """The release that serves now; beside a canary, the one in production."""
        return LiveReleaseView(**_view(routing.production.current.release))

    @app.get("/health")
    def health() -> dict[str, Any]:
        """Whether the release that the alias points at is the one that serves.

        A canary that can't be loaded is told and harms nothing. Mismatches are rows whose prepared
        features are not what the model version's signature says.
        """
        if routing.production.failure is not None:
            raise HTTPException(503, routing.production.failure)
        canary = routing.canary
        return {
            "status": "ok",
            **_served(routing.production.current),
            "canary": None if canary is None else _of_canary(canary),
            "logged": log.counts.accepted,
        }

    return app


def _served(loaded: Loaded) -> dict[str, Any]:
    return {**_view(loaded.release), "mismatches": loaded.signature.mismatches}


def _of_canary(canary: LiveModel) -> dict[str, Any]:
    served = None if canary.loaded is None else _served(canary.loaded)
    share = canary.loaded.release.share if canary.loaded and canary.failure is None else None
    return {"serving": served, "share": share or 0.0, "failure": canary.failure}


def _view(release: LiveRelease) -> dict[str, Any]:
    return {
        "model": release.model,
        "release": release.number,
        "model_version": release.model_version,
        "code_version": release.code_version,
        "generation": release.generation,
    }


def _microseconds(moment: datetime) -> int:
    # Exact, where `timestamp()` goes by floats.
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
