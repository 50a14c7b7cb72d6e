"""Token buckets against their definition, and bodies that are too large, too slow or cut off."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.registry import Registry
from kedge.web.limits import RateLimits
from web.asking import API, client, serving, web_settings


@given(
    rate=st.sampled_from([0.5, 1.0, 4.0]),
    burst=st.integers(1, 5),
    steps=st.lists(st.sampled_from([0.0, 0.25, 1.0, 3.0]), max_size=40),
)
def test_no_stretch_of_time_has_more_than_burst_and_rate_allow(rate, burst, steps):
    limits, now, taken = RateLimits(rate, burst), 0.0, []
    for step in steps:
        now += step
        wait = limits.wait("a", now)
        if wait:
            # Told how long to wait: shortly before it is too early, and then it is right.
            assert wait <= 1 / rate
            assert RateLimits.wait(limits, "a", now) == wait
        else:
            taken.append(now)
    for i, start in enumerate(taken):
        for j, end in enumerate(taken[i:], 1):
            assert j <= burst + (end - start) * rate + 1e-9


def test_waiting_as_told_is_enough():
    limits = RateLimits(2.0, 1)
    assert limits.wait("a", 0.0) == 0
    assert limits.wait("a", limits.wait("a", 0.0)) == 0


def test_callers_do_not_count_for_each_other_and_few_are_remembered():
    limits = RateLimits(0.001, 1, most=10)
    assert [limits.wait(str(caller), 0.0) for caller in range(20)] == [0.0] * 20
    assert limits.wait("19", 0.0) > 0
    assert len(limits._buckets) == 10


@pytest.fixture
def narrow(tmp_path):
    settings = web_settings(tmp_path, body_limit=1000, upload_limit=100_000, receive_timeout=0.5)
    with Registry.open(settings) as registry:
        token, _ = registry.tokens.create("t", "operate", actor="a")
    with serving(settings):
        yield settings, token


def _reference(rows):
    return ("t.csv", b"x\n" + b"1\n" * rows)


def test_bodies_have_their_limits_announced_or_not(narrow):
    settings, token = narrow
    with client(settings, token) as asking:
        long = {"model_version": "a" * 2000, "code_version": "b"}
        told = asking.post(f"{API}/models/m/releases", json=long)
        assert (told.status_code, told.json()["type"]) == (413, "urn:kedge:problem:too-large")

        def chunks():
            for _ in range(10):
                yield b" " * 200

        json_type = {"Content-Type": "application/json"}
        told = asking.post(f"{API}/models/m/releases", content=chunks(), headers=json_type)
        assert told.status_code == 413
        versions = f"{API}/models/m/versions"
        fits = asking.post(
            versions, files={"artifact": ("m", b"a" * 50_000), "reference": _reference(10)}
        )
        assert fits.status_code == 201, fits.text
        over = asking.post(
            versions, files={"artifact": ("m", b"a" * 150_000), "reference": _reference(10)}
        )
        assert over.status_code == 413
    assert list((settings.home / "uploads").iterdir()) == []


def test_a_stranger_s_upload_is_not_even_read(narrow):
    settings, _ = narrow
    with client(settings) as asking:
        told = asking.post(f"{API}/models/m/versions", files={"artifact": ("m", b"a" * 10_000)})
    assert told.status_code == 401
    assert not (settings.home / "uploads").exists()


def test_a_body_that_stops_coming_is_given_up(narrow):
    settings, token = narrow
    with socket.create_connection(("127.0.0.1", settings.web.port)) as slow:
        slow.sendall(
            f"POST {API}/models/m/releases HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/json\r\n"
            'Content-Length: 100\r\n\r\n{"'.encode()
        )
        assert b" 408 " in slow.recv(4096)
