import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from kedge.errors import KedgeError
from kedge.webhooks.signing import Signer

keys = st.binary(min_size=24, max_size=64)


def _secret(key):
    return "whsec_" + base64.b64encode(key).decode()


@given(
    st.lists(keys, min_size=1, max_size=3),
    st.text(max_size=50),
    st.from_regex(r"[a-z0-9_]{1,40}", fullmatch=True),
)
def test_every_secret_verifies_by_the_published_library(secrets, body, identifier):
    signer = Signer.from_text(" ".join(map(_secret, secrets)), "TEST")
    headers = signer.headers(identifier, int(time.time()), body.encode())
    for key in secrets:
        Webhook(_secret(key)).verify(body, headers, json_parse=False)


@given(keys, keys)
def test_another_secret_does_not(key, other):
    headers = Signer.from_text(_secret(key), "TEST").headers("id", int(time.time()), b"{}")
    if key != other:
        with pytest.raises(WebhookVerificationError):
            Webhook(_secret(other)).verify("{}", headers)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hunter2",
        "whsec_",
        "whsec_hunter2!",
        _secret(b"x" * 23),
        _secret(b"x" * 65),
        _secret(b"x" * 24) + " hunter2",
    ],
)
def test_what_is_no_secret_is_refused_and_not_repeated(text):
    with pytest.raises(
        KedgeError, match="KEDGE_WEBHOOK holds no Standard Webhooks secret"
    ) as error:
        Signer.from_text(text, "KEDGE_WEBHOOK")
    assert "hunter2" not in str(error.value)


def test_a_key_is_in_no_representation():
    assert "x" * 24 not in repr(Signer((b"x" * 24,)))
