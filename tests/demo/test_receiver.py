"""The receiver believes what the reference library of Standard Webhooks signs, and nothing else."""

import base64
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks.webhooks import Webhook

from kedge.demo.receiver import Receiver, listening

SECRET = "whsec_" + base64.b64encode(b"a key of thirty-two bytes length").decode()
BODY = '{"id": "a", "data": {"alerts": [{"status": "firing"}]}}'


def _headers(body=BODY, secret=SECRET, at=None):
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body),
    }


def test_a_signed_delivery_is_taken_once():
    receiver = Receiver(SECRET)
    with listening(receiver) as url:
        for _ in range(2):
            assert httpx.post(url, content=BODY, headers=_headers()).status_code == 204
    assert [delivery.alerts for delivery in receiver.deliveries] == [[{"status": "firing"}]]
    assert receiver.refused == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        _headers(body=BODY + " "),
        _headers(secret="whsec_" + base64.b64encode(b"another key of thirty-two bytes!").decode()),
        _headers(at=datetime.now(UTC) - timedelta(hours=1)),
    ],
)
def test_anything_else_is_refused_and_counted(headers):
    receiver = Receiver(SECRET)
    with listening(receiver) as url:
        assert httpx.post(url, content=BODY, headers=headers).status_code == 401
    assert receiver.deliveries == []
    assert receiver.refused == 1
