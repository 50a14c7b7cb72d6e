"""Signed links by which a person answers a proposal. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Literal, NamedTuple, cast, get_args

from kedge.errors import KedgeError

Answer = Literal["approve", "reject"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)

PATH = "/approvals"

_CONTEXT = b"kedge approval 1\n"
"""What is signed begins with it, so that no signature made for something else fits."""


class Link(NamedTuple):
    """What a link says.

    Attributes:
        proposal: its number.
        answer: what following it to the end does.
        expires_at: from when on it does nothing, microseconds since 1970.
    """

    proposal: int
    answer: Answer
    expires_at: int


class InvalidLinkError(KedgeError):
    """A link that was not signed here, or was changed since."""

    def __init__(self) -> None:
        # Which part is wrong is for nobody to learn.
        super().__init__("this link is not valid: take it from the alert as it is")


class ExpiredLinkError(KedgeError):
    """A link whose time is over."""

    def __init__(self) -> None:
        super().__init__("this link has expired, and so has the proposal")


def sign(secret: bytes, link: Link) -> str:
    """The link as one token: `<proposal>.<answer>.<expiry>.<signature>`.

    The signature is HMAC-SHA256 (RFC 2104) over all that stands before it.
    """
    said = f"{link.proposal}.{link.answer}.{link.expires_at}"
    return f"{said}.{_signature(secret, said)}"


def verified(secret: bytes, token: str, now: int) -> Link:
    """What a token says, if it was signed with this secret and its time is not over.

    Args:
        secret: the key.
        token: as `sign` gave it.
        now: microseconds since 1970.

    Raises:
        InvalidLinkError: it was not signed so.
        ExpiredLinkError: it was, for a time before.
    """
    said, _, signature = token.rpartition(".")
    # The texts are compared, not what they decode to: base64 has several texts for the same bytes.
    expected = _signature(secret, said).encode()
    if not hmac.compare_digest(expected, signature.encode("utf-8", "replace")):
        raise InvalidLinkError
    proposal, answer, expires_at = said.split(".")
    if now >= int(expires_at):
        raise ExpiredLinkError
    return Link(int(proposal), cast("Answer", answer), int(expires_at))


def _signature(secret: bytes, said: str) -> str:
    text = _CONTEXT + said.encode("utf-8", "replace")
    digest = hmac.new(secret, text, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class ApprovalLinks:
    """Links that lead to one place and are signed with one secret.

    Args:
        secret: the key.
        base: where `PATH` is, as a browser reaches it.
    """

    def __init__(self, secret: bytes, base: str) -> None:
        self._secret, self._base = secret, base.rstrip("/")

    def url(self, proposal: int, answer: Answer, expires_at: int) -> str:
        return f"{self._base}{PATH}/{sign(self._secret, Link(proposal, answer, expires_at))}"
