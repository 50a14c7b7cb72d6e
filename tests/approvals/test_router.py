"""Following a signed link to its end, over HTTP and a real registry."""

import threading

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from kedge.approvals.links import Link, sign
from kedge.approvals.router import approvals_router
from kedge.settings import Settings
from registry.building import released
from services import PATIENCE, eventually

SECRET = b"0123456789abcdef0123456789abcdef"
NOW, LATER = 1_700_000_000_000_000, 1_700_003_600_000_000
AS_JSON = {"accept": "application/json"}
SAID = {"actor": "bob", "reason": "agreed"}


class Time:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def registry(tmp_path, time):
    with released(Settings(home=tmp_path), 2, now=time) as registry:
        registry.move_alias("m", "production", 2, expected_generation=0, actor="ann", reason="")
        registry.proposals.propose(
            "m",
            "production",
            1,
            expected_generation=1,
            incident="i",
            within=LATER - NOW,
            actor="alerting",
            reason='<script>alert("psi")</script>',
        )
        yield registry


@pytest.fixture
def client(registry, time):
    app = FastAPI()
    app.include_router(approvals_router(registry, SECRET, time))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: server.started, bool)
    port = server.servers[0].sockets[0].getsockname()[1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client:
        yield client
    server.should_exit = True
    thread.join(PATIENCE)


def _path(answer="approve", proposal=1, secret=SECRET):
    return f"/approvals/{sign(secret, Link(proposal, answer, LATER))}"


def _serves(registry):
    return registry.live("m", "production").number


def test_looking_at_a_link_changes_nothing_however_often(client, registry):
    before = registry.proposals.list()
    for _ in range(3):
        page = client.get(_path())
        assert page.status_code == 200
        assert "Approve proposal 1" in page.text
        assert "<form" in page.text
        assert "<script>" not in page.text
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "no-referrer"
    seen = client.get(_path("reject"), headers=AS_JSON).json()
    assert (seen["answer"], seen["proposal"]["state"]) == ("reject", "pending")
    assert client.head(_path()).status_code == 200
    assert registry.proposals.list() == before
    assert _serves(registry) == 2


def test_a_form_approves_once_in_the_name_that_it_gives(client, registry):
    page = client.post(_path(), data=SAID)
    assert page.status_code == 200
    assert "production of m was moved from release 2 to 1, generation 2" in page.text
    move = registry.alias("m", "production")
    assert (move.actor, move.to_release, move.incident) == ("bob (by link)", 1, "i")
    again = client.post(_path(), data={"actor": "cyd", "reason": "me too"})
    assert again.status_code == 409
    assert "was approved by bob (by link)" in again.text
    assert client.post(_path("reject"), data=SAID).status_code == 409
    assert client.get(_path()).status_code == 409
    assert registry.alias("m", "production") == move
    done = [entry for entry in registry.audit.newest(10) if entry.result == "done"]
    assert [(entry.actor, entry.action) for entry in done] == [
        ("bob (by link)", "approve_proposal")
    ]


def test_a_program_rejects_by_json(client, registry):
    told = client.post(_path("reject"), json=SAID, headers=AS_JSON).json()
    assert told["proposal"]["state"] == "rejected"
    assert "was rejected by bob (by link)" in told["message"]
    assert _serves(registry) == 2


@pytest.mark.parametrize("body", [{}, {"actor": "bob"}, {"actor": " ", "reason": "x"}])
def test_an_answer_without_name_or_reason_is_none(client, registry, body):
    for sent in ({"data": body}, {"json": body}):
        assert client.post(_path(), **sent).status_code == 422
    assert registry.proposals.get(1).state == "pending"


@pytest.mark.parametrize("body", [b"[]", b"{", b"\xff", b"x" * 100_000, b'{"actor": 1}'])
def test_a_body_that_is_none_is_refused(client, registry, body):
    headers = {"content-type": "application/json"}
    assert client.post(_path(), content=body, headers=headers).status_code == 422
    assert registry.proposals.get(1).state == "pending"


def test_a_link_that_was_not_signed_here_tells_nothing(client, registry):
    for path in (_path(secret=b"x" * 32), _path()[:-1], "/approvals/1.approve.99"):
        for answer in (client.get(path), client.post(path, data=SAID)):
            assert answer.status_code == 403
            assert "proposal 1" not in answer.text
    assert registry.proposals.get(1).state == "pending"


def test_links_that_are_not_valid_are_limited_and_valid_ones_are_not(client, registry):
    bad = _path(secret=b"x" * 32)
    answers = [client.get(bad) for _ in range(60)]
    assert {answer.status_code for answer in answers} == {403, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert "not valid; try again in" in refused.text
    # However many there were, who has a link can follow it.
    assert client.get(_path()).status_code == 200
    assert client.post(_path("reject"), data=SAID).status_code == 200
    assert registry.proposals.get(1).state == "rejected"


def test_a_link_ends_with_its_proposal(client, registry, time):
    time.now = LATER
    assert client.get(_path()).status_code == 410
    assert client.post(_path(), data=SAID).status_code == 410
    assert _serves(registry) == 2


def test_an_alias_that_was_moved_meanwhile_is_left_alone(client, registry):
    registry.move_alias("m", "production", 2, expected_generation=1, actor="ann", reason="same")
    answer = client.post(_path(), data=SAID)
    assert answer.status_code == 409
    assert "ann moved it" in answer.text
    assert registry.alias("m", "production").generation == 2


def test_the_secret_in_a_link_is_in_no_access_log(client, caplog):
    caplog.set_level("INFO", "uvicorn.access")
    for path in (_path(), _path(secret=b"x" * 32)):
        client.head(path)
        client.get(path)
        client.post(path, data={})
    assert len(caplog.messages) == 6
    assert "/approvals/" in caplog.text
    assert "approve" not in caplog.text.replace("/approvals/", "")


def test_a_proposal_that_is_not_there_is_told(client):
    assert client.get(_path(proposal=9)).status_code == 404
