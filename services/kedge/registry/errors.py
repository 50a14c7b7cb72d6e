"""What can be wrong with a request to the registry. Each text says what exists and what to do."""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

from kedge.artifacts.saving import SAFE_FORMATS
from kedge.errors import KedgeError
from kedge.registry.entries import AliasMove, Proposal, Refusal

_SHOWN = 5
_SHORT = 12


class BadNameError(KedgeError):
    """A name or a text that the registry can't take."""


class SilenceError(KedgeError):
    """A silence that can't be, or is not there."""


class UnknownSilenceError(SilenceError):
    """There is no silence of this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no silence {number}: `kedge silence list --all` shows them")


class UnknownModelError(KedgeError):
    """No model of this name has a version."""

    def __init__(self, model: str, known: Sequence[str]) -> None:
        self.model = model
        super().__init__(
            f"there is no model `{model}`{_nearest(model, known)}. "
            "A model is made by registering its first version: `kedge model register --help`"
        )


class UnknownVersionError(KedgeError):
    """No model version or code version has this id."""

    def __init__(self, what: str, given: str, model: str | None, newest: Sequence[str]) -> None:
        of_model = f" of `{model}`" if model else ""
        known = (
            f"the newest: {', '.join(short(each) for each in newest[:_SHOWN])}"
            if newest
            else "none is registered"
        )
        super().__init__(
            f"there is no {what}{of_model} with the id `{given}`; {known}. "
            "An id may be cut short to six characters or more"
        )


class AmbiguousVersionError(KedgeError):
    """An id cut so short that it could be several."""

    def __init__(self, what: str, given: str, candidates: Sequence[str]) -> None:
        super().__init__(
            f"`{given}` could be any {what} of {', '.join(candidates)}: give more of it"
        )


class UnknownReleaseError(KedgeError):
    """The model has no release of this number."""

    def __init__(self, model: str, number: int, last: int) -> None:
        self.model, self.number, self.last = model, number, last
        has = (
            f"it has {'1' if last == 1 else f'1 to {last}'}"
            if last
            else "it has none yet: `kedge release create --help`"
        )
        super().__init__(f"`{model}` has no release {number}; {has}")


class UnknownAliasError(KedgeError):
    """The model has no alias of this name."""

    def __init__(self, model: str, alias: str, known: Sequence[str]) -> None:
        self.model, self.alias = model, alias
        super().__init__(
            f"`{model}` has no alias `{alias}`{_nearest(alias, known)}. "
            f"Its first move makes it: `kedge alias move {model} {alias} RELEASE`"
        )


class StaleAliasError(KedgeError):
    """Somebody else moved the alias first.

    Attributes:
        expected: the generation that the caller believed in.
        current: the latest move; None if the alias does not exist.
    """

    def __init__(self, model: str, alias: str, expected: int, current: AliasMove | None) -> None:
        self.model, self.alias, self.expected, self.current = model, alias, expected, current
        if current is None:
            state = "does not exist yet, which is generation 0"
        else:
            why = f" ({current.reason})" if current.reason else ""
            state = (
                f"is at generation {current.generation}, on release {current.to_release}: "
                f"{current.actor} moved it at {utc(current.moved_at)}{why}"
            )
        super().__init__(
            f"`{alias}` of `{model}` was expected at generation {expected}, but {state}. "
            f"Nothing was moved; see `kedge alias history {model} {alias}`"
        )


class NothingBeforeError(KedgeError):
    """An alias has no release to go back to."""

    def __init__(self, current: AliasMove) -> None:
        super().__init__(
            f"`{current.alias}` of `{current.model}` was on no release before {current.to_release} "
            f"that it was not moved back from; see `kedge alias history {current.model} "
            f"{current.alias}`. To any release leads `kedge alias move`"
        )


class IncidentConflictError(KedgeError):
    """An incident has moved another alias already."""

    def __init__(self, model: str, alias: str, move: AliasMove) -> None:
        self.move = move
        super().__init__(
            f"incident `{move.incident}` has moved `{move.alias}` of `{move.model}` "
            f"(generation {move.generation}) and can't move `{alias}` of `{model}` too: "
            "one incident is one move"
        )


class RefusedIncidentError(KedgeError):
    """It was decided already that an incident moves no alias.

    Attributes:
        refusal: the decision.
    """

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(
            f"incident `{refusal.incident}` moves no alias: {refusal.actor} refused to move "
            f"`{refusal.alias}` of `{refusal.model}` for it at {utc(refusal.refused_at)} "
            f"({refusal.reason}). Nothing was moved; a move that is wanted after all names no "
            "incident"
        )


class ProposedIncidentError(KedgeError):
    """A person is, or was, asked about an incident: it moves an alias by their answer alone.

    Attributes:
        proposal: what they are asked.
    """

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal
        super().__init__(
            f"incident `{proposal.incident}` is decided by proposal {proposal.id}, which is "
            f"{proposal.state}. Nothing was moved; a move that is wanted after all names no "
            "incident"
        )


class UnknownProposalError(KedgeError):
    """There is no proposal of this number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no proposal {number}: `kedge rollback list --all` shows them")


class SettledProposalError(KedgeError):
    """A proposal has its answer, or can't be answered any more.

    Attributes:
        proposal: as it is.
    """

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal
        super().__init__(f"{settled(proposal)}. Nothing was moved or changed now")


def settled(proposal: Proposal) -> str:
    """How a proposal ended, in a sentence."""
    what = f"proposal {proposal.id}, to go back to release {proposal.to_release},"
    if proposal.state == "expired":
        return f"{what} was answered by nobody until it expired at {utc(proposal.expires_at)}"
    by = f" by {proposal.answered_by}" if proposal.answered_by else ""
    at = f" at {utc(proposal.answered_at)}" if proposal.answered_at else ""
    why = f": {proposal.answer}" if proposal.answer else ""
    said = "found to be stale" if proposal.state == "stale" else proposal.state
    return f"{what} was {said}{by}{at}{why}"


class CodeConflictError(KedgeError):
    """A commit is registered with something else than what came now."""


class StillNeededError(KedgeError):
    """What is to be deleted is needed by something that is kept."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} can't be deleted: {why}")


class UnknownTokenError(KedgeError):
    """No token has this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no token `{name}`: `kedge token list` shows them")


class TakenNameError(KedgeError):
    """Another token has or had this name."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is or was a token `{name}` already, and the audit would not tell the two "
            "apart: choose another name"
        )


class ContentError(KedgeError):
    """An artifact or bundle can't be stored, is missing or is damaged."""


class UnsafeArtifactError(KedgeError):
    """Loading an artifact may run code that comes with it, and nobody allowed that."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: whoever loads it runs whatever code is in it. Save the model in a format "
            f"that holds only data: {SAFE_FORMATS}. If you trust it as you trust your own code, "
            "register it with --allow-pickle, or allow_pickle=True: it is kept who said so"
        )


class SignatureError(KedgeError):
    """An artifact and its reference name the model's inputs differently."""

    def __init__(self, artifact: Path, unknown: Sequence[str], unused: Sequence[str]) -> None:
        sides = []
        if unknown:
            sides.append(f"takes {_listed(unknown)}, which the reference does not have")
        if unused:
            sides.append(f"does not take {_listed(unused)}, which the reference has as features")
        super().__init__(
            f"{artifact} {' and '.join(sides)}. Give as reference what the model was trained on, "
            "with `--output` or `--ignore` for what it is not given. Where the inference code "
            "makes these inputs of the features: --inputs-differ, or inputs_differ=True"
        )


def short(identifier: str) -> str:
    """An id as people read it."""
    return identifier[:_SHORT]


def utc(microseconds: int) -> str:
    """A time as people read it.

    >>> utc(1_700_000_000_123_456)
    '2023-11-14T22:13:20Z'
    """
    moment = dt.datetime.fromtimestamp(microseconds // 1_000_000, dt.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    if not names:
        return "; there is none yet"
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        return f"; did you mean {' or '.join(f'`{each}`' for each in close)}?"
    return f"; there is {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(f'`{each}`' for each in names[:_SHOWN])}{more}"
