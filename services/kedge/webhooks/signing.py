"""Signatures as Standard Webhooks 1.0 has them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Self

from kedge.errors import KedgeError

PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with one key or, while a key is being replaced, with the new one and the old one."""

    keys: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def from_text(cls, text: str, where: str) -> Self:
        """The signer with the secrets in `text`, separated by white space.

        Args:
            text: `whsec_…` and maybe more of these.
            where: what to call it in errors; the text itself never stands there.

        Raises:
            KedgeError: it is no secret.
        """
        keys = tuple(_key(secret) for secret in text.split())
        if not keys or b"" in keys:
            raise KedgeError(
                f"{where} holds no Standard Webhooks secret: that is {PREFIX} and {_SHORTEST} to "
                f"{_LONGEST} random bytes in base64. "
                'Make one: echo "whsec_$(head -c 32 /dev/urandom | base64 -w0)"'
            )
        return cls(keys)

    def headers(self, identifier: str, timestamp: int, body: bytes) -> dict[str, str]:
        """What proves where the message is from.

        Args:
            identifier: of the message, the same at every attempt.
            timestamp: of the attempt, seconds since 1970.
            body: of the request.
        """
        signed = f"{identifier}.{timestamp}.".encode() + body
        digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in self.keys)
        return {
            "webhook-id": identifier,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(
                f"v1,{base64.b64encode(digest).decode()}" for digest in digests
            ),
        }


def _key(secret: str) -> bytes:
    """The key in a secret; empty where it is none."""
    if not secret.startswith(PREFIX):
        return b""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        return b""
    return key if _SHORTEST <= len(key) <= _LONGEST else b""
