"""The topic of releases as a table: what stream processors know of releases and aliases."""

from __future__ import annotations

from kedge.contracts import Record, Topics, decode
from kedge.performance import estimator_of
from kedge.profile import Reference
from kedge.streams.clients import Options
from kedge.streams.committed import CommittedLog
from kedge.streams.known import KnownRelease


class Releases:
    """Every release, and where each alias points."""

    def __init__(self, kafka: Options, topics: Topics) -> None:
        self._log = CommittedLog(kafka, topics.releases, 0)
        self._releases: dict[tuple[str, int], KnownRelease] = {}
        self._aliases: dict[tuple[str, str], Record] = {}
        self.refresh()

    def close(self) -> None:
        self._log.close()

    def refresh(self) -> None:
        """Read what the registry has published since."""
        for _key, value in self._log.news():
            if value is not None:
                self._take(decode(value, "release_event")[1])

    def release(self, model: str, number: int) -> KnownRelease | None:
        """The release; one that is not known yet is looked for once more in the topic."""
        known = self._releases.get((model, number))
        if known is None:
            self.refresh()
        return known or self._releases.get((model, number))

    def alias(self, model: str, alias: str) -> Record | None:
        """The alias's newest move that was read, as in the `release_event` contract."""
        return self._aliases.get((model, alias))

    def _take(self, event: Record) -> None:
        model = event["model"]
        if (release := event["release"]) is not None:
            number = release["number"]
            reference = Reference.from_record({**release, "rows": release["reference_rows"]})
            self._releases[model, number] = KnownRelease(
                model,
                number,
                release["model_version"],
                release["code_version"],
                reference,
                estimator_of(reference),
            )
        if (move := event["alias"]) is not None:
            known = self._aliases.get((model, move["name"]))
            if known is None or known["generation"] < move["generation"]:
                self._aliases[model, move["name"]] = move
