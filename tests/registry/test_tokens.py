"""Tokens and the audit, and lists page by page, on both databases."""

import hashlib
import json

import pytest
import typer
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError
from typer.testing import CliRunner

from kedge.cli import access
from kedge.errors import KedgeError
from kedge.registry import Act, Registry, StaleAliasError, TakenNameError, UnknownTokenError
from registry.building import plain_connection, released

HOUR = 3_600_000_000


class Clock:
    def __init__(self):
        self.now = 1_700_000_000_000_000

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry(home, clock):
    with Registry.open(home, now=clock) as registry:
        yield registry


def test_a_token_is_known_by_its_digest_until_it_expires(registry, home, clock):
    secret, made = registry.tokens.create("t", "operate", actor="a", lifetime=HOUR)
    assert len(secret) == len("kedge_") + 43
    assert secret.startswith(made.prefix)
    assert registry.tokens.live(secret) == made
    assert registry.tokens.live(secret + "x") is None
    assert made.may("read")
    assert made.may("operate")
    assert not made.may("admin")
    with plain_connection(home) as connection:
        kept = connection.scalar(text("SELECT digest FROM tokens"))
    assert kept == hashlib.sha256(secret.encode()).hexdigest()
    clock.now += HOUR - 1
    assert registry.tokens.any_live()
    assert registry.tokens.live(secret) is not None
    clock.now += 1
    assert registry.tokens.live(secret) is None
    assert not registry.tokens.any_live()


def test_a_use_is_noted_every_ten_minutes(registry, clock):
    secret, _ = registry.tokens.create("t", "read", actor="a")
    noted = []
    for _ in range(5):
        registry.tokens.live(secret)
        noted.append(registry.tokens.all()[0].used_at)
        clock.now += 400_000_000
    start = noted[0]
    assert [each - start for each in noted] == [0, 0, 800_000_000, 800_000_000, 1_600_000_000]


def test_a_revoked_token_stays_revoked_and_its_name_is_used_up(registry, clock):
    secret, _ = registry.tokens.create("t", "admin", actor="a")
    revoked = registry.tokens.revoke("t")
    clock.now += 1
    assert registry.tokens.revoke("t") == revoked
    assert registry.tokens.live(secret) is None
    with pytest.raises(TakenNameError):
        registry.tokens.create("t", "read", actor="a")
    with pytest.raises(UnknownTokenError):
        registry.tokens.revoke("u")


def test_what_was_not_done_is_not_in_the_audit_and_nobody_changes_it(home):
    with released(home) as registry:
        audited = registry.audited(Act("me", "move_alias", "m/p"))
        move = {"actor": "me", "reason": ""}
        audited.move_alias("m", "p", 1, expected_generation=0, **move)
        with pytest.raises(StaleAliasError):
            audited.move_alias("m", "p", 2, expected_generation=0, **move)
        # Only what goes by the audited registry is written down.
        registry.move_alias("m", "p", 2, expected_generation=1, **move)
        assert [entry.result for entry in registry.audit.newest(9)] == ["done"]
        registry.audit.refused(Act("me", "move_alias", "m/p", "r"), "too late")
        newest = registry.audit.newest(1)[0]
        assert (newest.result, newest.detail, newest.request) == ("refused", "too late", "r")
    for change in ("DELETE FROM audit", "UPDATE audit SET actor = 'you'"):
        with (
            plain_connection(home) as connection,
            pytest.raises(DatabaseError, match="audit is append-only"),
        ):
            connection.execute(text(change))


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_pages_put_together_are_the_list(home, limit):
    with released(home, 4, now=lambda: 5) as registry:
        for name in "xyz":
            registry.tokens.create(name, "read", actor="a")
            registry.refuse("m", "p", name, actor="a", reason="why")

        def turned(page):
            found, after = [], None
            while rows := page(after, limit):
                found += [entry for _, entry in rows]
                after = rows[-1][0]
            return found

        listings = registry.listings
        assert (
            turned(lambda a, n: listings.of_model("releases", "m", a, n))
            == (registry.releases("m")[::-1])
        )
        assert (
            turned(lambda a, n: listings.of_model("code_versions", "m", a, n))
            == (registry.code_versions("m")[::-1])
        )
        assert (
            turned(lambda a, n: listings.of_model("refusals", "m", a, n, alias="p"))
            == (registry.refusals("m", "p")[::-1])
        )
        assert turned(listings.tokens) == registry.tokens.all()[::-1]
        assert [each.name for each in turned(listings.models)] == registry.models()


@pytest.fixture
def kedge(home, monkeypatch):
    monkeypatch.setenv("KEDGE_REGISTRY__URL", home.registry_url)
    monkeypatch.setenv("KEDGE_HOME", str(home.home))
    app = typer.Typer()
    access.add_to(app)

    def run(*arguments):
        told = CliRunner().invoke(app, arguments, catch_exceptions=False)
        return told.exit_code, told.stdout

    return run


def test_the_shell_makes_lists_and_revokes_tokens_and_the_audit_has_it(kedge, home):
    code, said = kedge("token", "create", "ci", "--scope", "operate", "--actor", "me")
    secret = said.strip()
    with Registry.open(home) as registry:
        token = registry.tokens.live(secret)
        assert (token.name, token.scope) == ("ci", "operate")
        assert token.expires_at - token.created_at == 90 * 24 * HOUR
    code, said = kedge("token", "create", "ever", "--expires", "never", "--json")
    made = json.loads(said)
    assert (made["expires_at"], made["prefix"]) == (None, made["token"][:12])
    kedge("token", "revoke", "ci", "--actor", "you")
    code, said = kedge("token", "list")
    assert code == 0
    assert secret not in said
    assert secret[:12] in said
    _, said = kedge("audit", "--json")
    acts = [(entry["actor"], entry["action"], entry["target"]) for entry in json.loads(said)]
    assert acts[0] == ("you", "revoke_token", "ci")
    assert acts[-1] == ("me", "create_token", "ci")
    with Registry.open(home) as registry:
        assert registry.tokens.live(secret) is None


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_the_shell_refuses_what_makes_no_token(kedge):
    for wrong in ("90", "0d", "-1d", "1w", "999999d"):
        code, _ = kedge("token", "create", "t", "--expires", wrong)
        assert code == 2
    with pytest.raises(KedgeError, match="can't be the name of a token"):
        kedge("token", "create", "a/b")
