"""Who may do what: every route with every scope, tokens that are no good, what is kept of it."""

import json
import re
import time
import uuid

import pytest

from kedge.errors import KedgeError
from kedge.registry import SCOPES, Registry
from kedge.web import service
from kedge.web.app import create_app
from web.asking import API, client, serving, web_settings

PUBLIC = {"/healthz", "/readyz", "/metrics"}
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}


def operations(settings, registry):
    """Method, path and needed scope of everything in the description; None for no token."""
    found = []
    for path, methods in create_app(settings, registry).openapi()["paths"].items():
        for method, told in methods.items():
            security = told.get("security")
            needed = security[0]["token"][0] if security else None
            found.append((method.upper(), path, needed))
    return found


def test_no_route_is_open_by_mistake_and_reading_tokens_only_read(settings, registry):
    found = operations(settings, registry)
    assert {path for _, path, needed in found if needed is None} == PUBLIC
    for method, path, needed in found:
        if path not in PUBLIC:
            assert needed in SCOPES
            # A query is a body, and reads.
            reads = needed == "read" and path != f"{API}/sql"
            assert not reads or method not in CHANGING, (method, path)
    assert {path for _, path, needed in found if needed == "admin"} == {
        f"{API}/audit",
        f"{API}/tokens",
        f"{API}/tokens/{{name}}",
    }


def test_every_route_asks_for_its_scope_and_no_more(served, registry, tokens):
    for method, path, needed in operations(served, registry):
        if needed is None:
            continue
        for scope in (None, *SCOPES):
            # Nothing that could be done is asked for: only the way there is looked at, and of a
            # stream of events, which has no end, its head.
            asked = re.sub(r"\{[^}]*\}", "0" * 6, path)
            with (
                client(served, scope and tokens[scope]) as asking,
                asking.stream(method, asked) as answer,
            ):
                pass
            if scope is None:
                assert answer.status_code == 401, (method, path)
                assert answer.headers["www-authenticate"] == "Bearer"
            elif SCOPES.index(scope) < SCOPES.index(needed):
                assert answer.status_code == 403, (method, path, scope)
                assert f'scope="{needed}"' in answer.headers["www-authenticate"]
            else:
                assert answer.status_code not in (401, 403), (method, path, scope)


def test_a_revoked_or_expired_token_is_no_good_at_once(served, registry, admin, reader):
    assert reader.get(f"{API}/models").is_success
    told = admin.delete(f"{API}/tokens/read").json()
    assert told["revoked_at"] is not None
    assert reader.get(f"{API}/models").status_code == 401
    assert admin.delete(f"{API}/tokens/read").json() == told
    short, _ = registry.tokens.create("short", "read", actor="a", lifetime=300_000)
    with client(served, short) as asking:
        assert asking.get(f"{API}/models").is_success
        time.sleep(0.4)
        assert asking.get(f"{API}/models").status_code == 401


@pytest.mark.parametrize(
    "header",
    ["Basic a2VkZ2U6eA==", "Bearer", "Bearer kedge_x", "bearer \xe9", "kedge_x", ""],
)
def test_what_is_no_token_is_refused(served, header):
    with client(served) as asking:
        answer = asking.get(f"{API}/models", headers={"Authorization": header.encode("latin-1")})
    assert answer.status_code == 401


def test_a_token_in_the_query_or_a_cookie_is_none(served, tokens):
    with client(served) as asking:
        token = tokens["admin"]
        query = {"token": token, "access_token": token}
        assert asking.get(f"{API}/models", params=query).status_code == 401
        assert asking.get(f"{API}/models", headers={"Cookie": f"token={token}"}).status_code == 401


def test_the_registry_keeps_no_token(settings, tokens):
    for path in settings.home.glob("registry.db*"):
        for token in tokens.values():
            assert token.encode() not in path.read_bytes()


def test_no_token_reaches_the_log(served, registry, tokens, log):
    for token in tokens.values():
        with client(served, token) as asking:
            asking.get(f"{API}/models", params={"token": token})
            asking.get(f"{API}/{token}")
            asking.delete(f"{API}/tokens/{token}")
            asking.get(f"{API}/models/m", headers={"X-Request-ID": f"x {token}"})
    lines = [json.loads(line) for line in log().splitlines()]
    assert {"GET", "DELETE"} <= {line.get("method") for line in lines}
    assert {"read", "operate", "admin"} <= {line.get("caller") for line in lines}
    for token in tokens.values():
        assert token not in log()
    targets = [entry.target for entry in registry.audit.newest(9)]
    assert targets == [f"{API}/tokens/kedge_***"] * 3


def test_changes_are_in_the_audit_in_their_own_transaction_and_refusals_too(
    operator, reader, admin, registry
):
    request = uuid.uuid4().hex
    named = {"X-Request-ID": request}
    path = f"{API}/models/m/aliases/production"
    move = {"release": 1, "expected_generation": 0}
    assert operator.put(path, json=move, headers=named).headers["x-request-id"] == request
    operator.put(path, json=move)
    reader.put(path, json=move)
    operator.put(path, json={"release": "one"})
    reader.get(path)
    listed = admin.get(f"{API}/audit").json()["items"]
    assert [(e["actor"], e["action"], e["target"], e["result"]) for e in listed] == [
        ("operate", "move_alias", path, "refused"),
        ("read", "move_alias", path, "refused"),
        ("operate", "move_alias", path, "refused"),
        ("operate", "move_alias", path, "done"),
    ]
    assert listed[-1]["request"] == request
    assert "generation 1" in listed[-2]["detail"]
    assert [entry.sequence for entry in registry.audit.newest(9)] == [
        each["sequence"] for each in listed
    ]


@pytest.mark.parametrize("odd", ["", "a b", "x" * 65, "über", 'a"b'])
def test_an_odd_request_id_is_replaced(reader, odd):
    answer = reader.get(f"{API}/models", headers={"X-Request-ID": odd.encode("latin-1")})
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


def test_reads_without_a_token_where_the_settings_have_it_so(tmp_path):
    settings = web_settings(tmp_path, anonymous_reads=True)
    with serving(settings), client(settings) as asking:
        assert asking.get(f"{API}/models").is_success
        assert asking.get(f"{API}/audit").status_code == 401
        # The name by which a page of somebody else's would reach this machine.
        rebound = asking.get(f"{API}/models", headers={"Host": f"evil.example:{settings.web.port}"})
        assert rebound.status_code == 421
        for host in ("localhost", "127.0.0.1", "[::1]"):
            told = {"Host": f"{host}:{settings.web.port}"}
            assert asking.get(f"{API}/models", headers=told).is_success
        wrong = {"Authorization": "Bearer kedge_wrong"}
        assert asking.get(f"{API}/models", headers=wrong).status_code == 401
        change = asking.put(f"{API}/models/m/aliases/a", json={"release": 1})
        assert change.status_code == 401


def test_where_others_can_connect_nobody_gets_in_without_a_token(tmp_path):
    settings = web_settings(tmp_path, host="0.0.0.0")
    with serving(settings), client(settings) as asking:
        assert asking.get("/healthz").is_success
        assert asking.get(f"{API}/models").status_code == 401
    with pytest.raises(KedgeError, match="for this machine only"):
        service.run(web_settings(tmp_path, host="0.0.0.0", anonymous_reads=True), None)


def test_too_many_requests_are_told_when_to_come_again(tmp_path):
    settings = web_settings(tmp_path, rate=0.01, burst=5)
    with Registry.open(settings) as registry:
        mine, other = (registry.tokens.create(n, "read", actor="a")[0] for n in ("mine", "other"))
    with serving(settings):
        for token in (mine, None):
            with client(settings, token) as asking:
                answers = [asking.get(f"{API}/models") for _ in range(7)]
            expected = 200 if token else 401
            assert [a.status_code for a in answers] == [expected] * 5 + [429] * 2
            assert 1 <= int(answers[-1].headers["retry-after"]) <= 100
            assert answers[-1].json()["type"] == "urn:kedge:problem:rate-limited"
        # Whoever has a token of their own is not held up by either.
        with client(settings, other) as asking:
            assert asking.get(f"{API}/models").is_success
