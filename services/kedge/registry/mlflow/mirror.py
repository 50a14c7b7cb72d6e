"""Moves of aliases told to MLflow, such that its alias shows the newest of them.

MLflow sets an alias without asking where it was, so of two writers that looked first both win, and
keeps no history. Here every move goes through Kedge's compare-and-set, is in its history, and is
told to MLflow after that: by a tag of its own for each generation, and by the alias.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from threading import Event
from typing import TYPE_CHECKING

import structlog

from kedge.broker import connection
from kedge.contracts import Record, Topics, decode
from kedge.registry.mlflow.server import connected
from kedge.registry.mlflow.versions import VERSION_TAG
from kedge.settings import Settings
from kedge.streams import CommittedLog

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS_TAG = "kedge.alias."
"""Of a registered model in MLflow, before `<alias>.<generation>`: the version it was moved to."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What MLflow shows after a move.

    Attributes:
        name: of the registered model in MLflow.
        version: that the alias points at.
        overruled: the version that somebody had pointed the alias at past Kedge; None if nobody.
    """

    name: str
    version: str
    overruled: str | None = None


class Mirror:
    """Makes MLflow's aliases show what Kedge's history says."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def show(self, model_version: str, alias: str, generation: int) -> Mirrored | None:
        """Point an alias in MLflow at the version with this id in Kedge.

        Doing it again, and doing an older one after a newer one, changes nothing. Nor does it
        matter how the calls of several mirrors mix: a generation's tag is there before its alias is
        set and is never written over, and whoever has set an alias looks again, until it is what
        the newest tag says.

        Args:
            model_version: id of the model version in Kedge.
            alias: name of the alias, in both.
            generation: of the move in Kedge.

        Returns:
            None where the model version is none of MLflow's.

        Raises:
            MlflowException: the server does not answer or refuses.
        """
        client = self._client
        found = client.search_model_versions(f"tags.`{VERSION_TAG}` = '{model_version}'")
        if not found:
            return None
        # The same artifact may have been logged twice.
        newest = max(found, key=lambda each: int(each.version))
        name, tag = newest.name, f"{ALIAS_TAG}{alias}.{generation}"
        client.set_registered_model_tag(name, tag, str(newest.version))
        told, shown = self._state(name, alias)
        overruled = None if shown in (None, *told.values()) else shown
        while shown != (wanted := told[max(told)]):
            client.set_registered_model_alias(name, alias, wanted)
            told, shown = self._state(name, alias)
        return Mirrored(name, wanted, overruled)

    def _state(self, name: str, alias: str) -> tuple[dict[int, str], str | None]:
        """The versions that the alias was moved to, by generation, and the one it points at."""
        model = self._client.get_registered_model(name)
        prefix = f"{ALIAS_TAG}{alias}."
        told = {
            int(tag.removeprefix(prefix)): str(version)
            for tag, version in model.tags.items()
            if tag.startswith(prefix)
        }
        shown = model.aliases.get(alias)
        return told, None if shown is None else str(shown)


def run(settings: Settings, stop: Event) -> None:
    """Tell MLflow of every move until `stop` is set.

    Nothing is remembered here: at a start the newest move of each alias is read again from the
    topic of releases, which is compacted.

    Raises:
        KedgeError: no MLflow server is named, or its client is not installed.
    """
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - see `server`

    mirror = Mirror(connected(settings))
    kafka, topics = connection(settings), Topics(settings.topic_prefix)
    due: dict[tuple[str, str], Record] = {}
    with closing(CommittedLog(kafka, topics.releases, 0)) as log:
        while True:
            due.update(_moves(value for _key, value in log.news() if value is not None))
            for (model, alias), move in tuple(due.items()):
                bound = _log.bind(model=model, alias=alias, generation=move["generation"])
                try:
                    mirrored = mirror.show(move["model_version"], alias, move["generation"])
                except MlflowException as error:
                    bound.warning("trying_again", error=str(error))
                    break
                del due[model, alias]
                if mirrored is None:
                    bound.info("elsewhere", detail="the model version is none of MLflow's")
                    continue
                bound.info("shown", mlflow_model=mirrored.name, version=mirrored.version)
                if mirrored.overruled is not None:
                    bound.warning(
                        "overruled",
                        version=mirrored.overruled,
                        detail="MLflow's alias was moved past Kedge; move it by `kedge alias move`",
                    )
            if stop.wait(settings.mlflow.poll):
                return


def _moves(values: Iterable[bytes]) -> dict[tuple[str, str], Record]:
    """The newest move of each alias."""
    events = (decode(value, "release_event")[1] for value in values)
    return {(e["model"], e["alias"]["name"]): e["alias"] for e in events if e["alias"] is not None}
