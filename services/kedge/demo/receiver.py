"""The other end of the webhooks: believes what is signed, and remembers it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_TOLERANCE = 300.0
"""Seconds by which a signature may be old."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook.

    Attributes:
        received_at: seconds since 1970 UTC.
        event: the CloudEvent.
    """

    received_at: float
    event: dict[str, Any]

    @property
    def alerts(self) -> list[dict[str, Any]]:
        """Each with the fields of the `alert` contract."""
        alerts: list[dict[str, Any]] = self.event["data"]["alerts"]
        return alerts


class Receiver:
    """What was delivered, each once; deliveries with a wrong signature are refused and counted."""

    def __init__(self, secret: str) -> None:
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._lock = threading.Lock()
        self._deliveries: dict[str, Delivery] = {}
        self.refused = 0

    @property
    def deliveries(self) -> list[Delivery]:
        """In order of arrival."""
        with self._lock:
            return list(self._deliveries.values())

    def accept(self, headers: dict[str, str], body: bytes) -> bool:
        """Take a delivery if its signature is right; one that came before changes nothing."""
        now = time.time()
        with self._lock:
            if not self._signed(headers, body, now):
                self.refused += 1
                return False
            name = headers["webhook-id"]
            self._deliveries.setdefault(name, Delivery(now, json.loads(body)))
            return True

    def _signed(self, headers: dict[str, str], body: bytes, now: float) -> bool:
        """As Standard Webhooks 1.0, "Verifying webhook authenticity"."""
        name, sent = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not sent.isdigit() or abs(now - int(sent)) > _TOLERANCE:
            return False
        digest = hmac.new(self._key, f"{name}.{sent}.".encode() + body, hashlib.sha256).digest()
        wanted = f"v1,{base64.b64encode(digest).decode()}"
        given = headers.get("webhook-signature", "").split()
        return any(hmac.compare_digest(wanted, each) for each in given)


@contextmanager
def listening(receiver: Receiver) -> Iterator[str]:
    """The receiver behind an address of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(204 if receiver.accept(headers, body) else 401)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """The story says what came."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/alerts"
        finally:
            server.shutdown()
