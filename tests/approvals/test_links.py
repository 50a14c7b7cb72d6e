"""Signed links: whoever changes a byte of one holds nothing."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.approvals.links import (
    ApprovalLinks,
    ExpiredLinkError,
    InvalidLinkError,
    Link,
    sign,
    verified,
)

SECRET = b"0123456789abcdef0123456789abcdef"
LINKS = st.builds(
    Link,
    st.integers(1, 10**9),
    st.sampled_from(["approve", "reject"]),
    st.integers(1, 10**16),
)


@given(LINKS, st.data())
def test_a_link_says_what_was_signed_until_it_expires(link, data):
    token = sign(SECRET, link)
    before = data.draw(st.integers(0, link.expires_at - 1))
    assert verified(SECRET, token, before) == link
    with pytest.raises(ExpiredLinkError):
        verified(SECRET, token, data.draw(st.integers(link.expires_at, 10**17)))


@given(LINKS, st.data())
def test_any_changed_character_is_refused(link, data):
    token = sign(SECRET, link)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda letter: letter != token[at]))
    with pytest.raises(InvalidLinkError):
        verified(SECRET, token[:at] + other + token[at + 1 :], 0)


@given(LINKS, st.data())
def test_what_is_cut_or_added_is_refused(link, data):
    token = sign(SECRET, link)
    with pytest.raises(InvalidLinkError):
        verified(SECRET, token[: data.draw(st.integers(0, len(token) - 1))], 0)
    with pytest.raises(InvalidLinkError):
        verified(SECRET, token + data.draw(st.text(min_size=1, max_size=4)), 0)


@given(LINKS, st.binary(min_size=32, max_size=40).filter(lambda other: other != SECRET))
def test_another_secret_signs_otherwise(link, other):
    with pytest.raises(InvalidLinkError):
        verified(other, sign(SECRET, link), 0)


@given(st.text())
def test_garbage_is_refused_whatever_it_is(token):
    with pytest.raises(InvalidLinkError):
        verified(SECRET, token, 0)


def test_the_signature_is_hmac_sha256():
    said = "7.approve.1700000000000000"
    digest = hmac.digest(SECRET, b"kedge approval 1\n" + said.encode(), hashlib.sha256)
    signature = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    assert sign(SECRET, Link(7, "approve", 1_700_000_000_000_000)) == f"{said}.{signature}"


def test_a_link_leads_to_where_the_settings_say():
    url = ApprovalLinks(SECRET, "https://kedge.example.com/x/").url(7, "reject", 99)
    assert url == "https://kedge.example.com/x/approvals/" + sign(SECRET, Link(7, "reject", 99))
