"""Signed links behind the layers of the API: a real server, and a socket that stops sending."""

import json
import socket

import pytest

from kedge.approvals.links import Link, sign
from kedge.clock import microseconds_now
from kedge.registry import Registry
from kedge.settings import Settings
from registry.building import release
from web.asking import API, client, serving, web_settings

SECRET = "0123456789abcdef0123456789abcdef"
HOUR = 3_600_000_000
SAID = {"actor": "bob", "reason": "agreed"}


@pytest.fixture
def settings(tmp_path):
    """Few requests at once, and next to no more afterwards; bodies are short and quick."""
    web = web_settings(tmp_path, rate=0.001, burst=5, body_limit=1000, receive_timeout=0.5).web
    approvals = {"secret": SECRET, "url": "https://kedge.example.com"}
    return Settings(home=tmp_path, web=web.model_dump(), approvals=approvals)


@pytest.fixture
def registry(settings):
    with Registry.open(settings) as registry:
        release(registry, settings.home / "source", 2)
        registry.move_alias("m", "production", 2, expected_generation=0, actor="ann", reason="")
        registry.proposals.propose(
            "m",
            "production",
            1,
            expected_generation=1,
            incident="i",
            within=HOUR,
            actor="alerting",
            reason="psi",
        )
        yield registry


@pytest.fixture
def stranger(settings, registry):  # noqa: ARG001 - what is answered
    with serving(settings), client(settings) as asking:
        yield asking


def _path(secret=SECRET):
    link = Link(1, "approve", microseconds_now() + HOUR)
    return f"/approvals/{sign(secret.encode(), link)}"


def test_a_link_is_followed_to_its_end_without_a_token(stranger, registry):
    page = stranger.get(_path())
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    # The page's own policy lets its form be sent; that of the API would not.
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-request-id"]
    assert stranger.post(_path(), data=SAID).status_code == 200
    assert registry.live("m", "production").number == 1


def test_a_link_by_another_name_of_this_machine_is_refused_and_not_logged(stranger, registry, log):
    path = _path()
    for method in ("GET", "POST"):
        told = stranger.request(method, path, headers={"Host": "rebound.example.com"})
        assert (told.status_code, told.json()["type"]) == (421, "urn:kedge:problem:misdirected")
    assert registry.proposals.get(1).state == "pending"
    requests = [json.loads(line) for line in log().splitlines()]
    assert [each["status"] for each in requests if each["event"] == "request"] == [421, 421]
    assert path.rpartition(".")[2] not in log()


def test_links_that_are_not_valid_use_up_what_strangers_have_and_valid_ones_do_not(
    stranger, registry
):
    bad = _path(secret="x" * 32)
    assert [stranger.get(bad).status_code for _ in range(7)] == [403] * 5 + [429] * 2
    assert stranger.get(f"{API}/models").status_code == 429
    assert int(stranger.post(bad, data=SAID).headers["retry-after"]) > 1
    assert stranger.post(_path(), data=SAID).status_code == 200
    assert registry.live("m", "production").number == 1


def test_bodies_of_answers_have_the_limits_of_all_bodies(stranger, settings, registry):
    told = stranger.post(_path(), data={"actor": "bob", "reason": "x" * 2000})
    assert (told.status_code, told.json()["type"]) == (413, "urn:kedge:problem:too-large")
    with socket.create_connection(("127.0.0.1", settings.web.port)) as slow:
        slow.sendall(
            f"POST {_path()} HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
            "Content-Length: 100\r\n\r\nactor=".encode()
        )
        assert b" 408 " in slow.recv(4096)
    assert registry.proposals.get(1).state == "pending"
