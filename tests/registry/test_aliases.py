import dataclasses
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from kedge.registry import (
    BadNameError,
    IncidentConflictError,
    RefusedIncidentError,
    Registry,
    StaleAliasError,
    UnknownAliasError,
    UnknownReleaseError,
)
from kedge.settings import Settings
from registry.building import plain_connection, released, write

RELEASES = 3


class Aliases(RuleBasedStateMachine):
    """The registry against the plainest book-keeping: a list of moves for each alias."""

    @initialize()
    def begin(self):
        self.home = Path(tempfile.mkdtemp())
        self.clock = 0
        self.scope = released(Settings(home=self.home), RELEASES, now=self.tick)
        self.registry = self.scope.__enter__()
        self.moves = {}
        self.incidents = {}
        self.refusals = {}

    def teardown(self):
        self.scope.__exit__(None, None, None)
        shutil.rmtree(self.home)

    def tick(self):
        self.clock += 1
        return self.clock

    @rule(
        alias=st.sampled_from(["production", "staging"]),
        to_release=st.integers(0, RELEASES + 1),
        behind=st.integers(-1, 2),
        incident=st.sampled_from([None, None, "i1", "i2"]),
        actor=st.sampled_from(["ann", "alerting"]),
    )
    def move(self, alias, to_release, behind, incident, actor):
        def attempt():
            return self.registry.move_alias(
                "m",
                alias,
                to_release,
                expected_generation=generation - behind,
                actor=actor,
                reason="why",
                incident=incident,
            )

        known = self.moves.setdefault(alias, [])
        generation = len(known)
        if incident in self.refusals:
            with pytest.raises(RefusedIncidentError, match="Nothing was moved") as refused:
                attempt()
            assert refused.value.refusal == self.refusals[incident]
        elif incident in self.incidents:
            where, move = self.incidents[incident]
            if where == alias:
                assert attempt() == move
            else:
                with pytest.raises(IncidentConflictError, match=f"has moved `{where}`"):
                    attempt()
        elif not 1 <= to_release <= RELEASES:
            with pytest.raises(UnknownReleaseError, match=f"it has 1 to {RELEASES}"):
                attempt()
        elif behind:
            with pytest.raises(StaleAliasError) as stale:
                attempt()
            assert stale.value.current == (known[-1] if known else None)
        else:
            move = attempt()
            expected = (alias, generation + 1, to_release, actor, "why", incident, self.clock)
            assert expected == (
                move.alias,
                move.generation,
                move.to_release,
                move.actor,
                move.reason,
                move.incident,
                move.moved_at,
            )
            assert move.from_release == (known[-1].to_release if known else None)
            known.append(move)
            if incident:
                self.incidents[incident] = (alias, move)

    @rule(
        alias=st.sampled_from(["production", "staging"]),
        incident=st.sampled_from(["i1", "i2", "i3"]),
        reason=st.sampled_from(["too early", "too late"]),
        answered=st.booleans(),
    )
    def refuse(self, alias, incident, reason, answered):
        def attempt():
            return self.registry.refuse(
                "m", alias, incident, actor="alerting", reason=reason, answer=answer
            )

        known = self.moves.setdefault(alias, [])
        answer = known[-1] if known and answered else None
        if incident in self.refusals:
            assert attempt() == self.refusals[incident]
        elif incident in self.incidents:
            where, move = self.incidents[incident]
            if where == alias:
                assert attempt() == move
            else:
                with pytest.raises(IncidentConflictError, match=f"has moved `{where}`"):
                    attempt()
        else:
            refusal = attempt()
            where = (answer.generation, answer.to_release) if answer else (None, None)
            assert dataclasses.astuple(refusal) == (
                *(incident, "m", alias),
                *where,
                *("alerting", reason, self.clock),
            )
            self.refusals[incident] = refusal

    @rule()
    def reopen(self):
        self.registry.close()
        self.registry = Registry.open(Settings(home=self.home), now=self.tick)

    @invariant()
    def same_as_the_book(self):
        for alias, known in self.moves.items():
            assert self.registry.history("m", alias) == known
            assert self.registry.alias("m", alias) == (known[-1] if known else None)
            refused = [each for each in self.refusals.values() if each.alias == alias]
            assert self.registry.refusals("m", alias) == refused
        latest = [known[-1] for _, known in sorted(self.moves.items()) if known]
        assert self.registry.aliases("m") == latest
        for move in latest:
            assert self.registry.live("m", move.alias).number == move.to_release


TestAliases = Aliases.TestCase
TestAliases.settings = hypothesis_settings(max_examples=25, stateful_step_count=20)


@pytest.fixture
def registry(home):
    with released(home, now=lambda: 1_700_000_000_000_000) as registry:
        yield registry


def _move(registry, to_release, generation, **options):
    options = {"actor": "ann", "reason": "", **options}
    return registry.move_alias(
        "m", "production", to_release, expected_generation=generation, **options
    )


def test_who_is_late_is_told_who_was_first(registry):
    _move(registry, 1, 0)
    _move(registry, 2, 1, actor="bob", reason="canary was fine")
    with pytest.raises(StaleAliasError) as stale:
        _move(registry, 3, 1)
    assert str(stale.value) == (
        "`production` of `m` was expected at generation 1, but is at generation 2, on release 2: "
        "bob moved it at 2023-11-14T22:13:20Z (canary was fine). Nothing was moved; see "
        "`kedge alias history m production`"
    )
    assert registry.live("m", "production").number == 2


def test_an_alias_that_is_not_there_is_at_generation_0(registry):
    with pytest.raises(StaleAliasError, match="does not exist yet, which is generation 0"):
        _move(registry, 1, 3)


def test_an_unknown_alias_gets_the_nearest_names(registry):
    with pytest.raises(UnknownAliasError, match=r"there is none yet.*kedge alias move m prod"):
        registry.live("m", "prod")
    _move(registry, 1, 0)
    with pytest.raises(UnknownAliasError, match="did you mean `production`"):
        registry.live("m", "prodution")
    assert registry.alias("m", "prodution") is None
    assert registry.history("m", "prodution") == []


def test_an_alias_has_a_name_that_fits_a_key(registry):
    with pytest.raises(BadNameError, match="can't be the name of an alias"):
        registry.move_alias("m", "a/b", 1, expected_generation=0, actor="a", reason="")


def test_a_model_without_releases_says_so(registry, home):
    registry.register_model(
        "new", write(home.home / "x.bin", ""), registry.model_versions("m")[0].reference, actor="a"
    )
    with pytest.raises(UnknownReleaseError, match="it has none yet: `kedge release create"):
        registry.release("new", 1)


def test_a_version_of_another_model_can_not_be_released(registry, home):
    other = registry.register_code("other", write(home.home / "o.py", "other"), actor="a")
    version = registry.model_versions("m")[0]
    with pytest.raises(Exception, match="no code version of `m`"):
        registry.create_release("m", version.id, other.id, actor="a")
    assert len(registry.releases("m")) == 3


REFUSAL = "INSERT INTO refusals VALUES ('{}', '{}', 'production', {}, 'x', '', 0)"
MOVE = "INSERT INTO alias_moves VALUES ('m', 'production', {}, 'x', '', NULL, 0, NULL)"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE alias_moves SET reason = 'other'", "alias_moves is append-only"),
        ("DELETE FROM alias_moves", "alias_moves is append-only"),
        ("UPDATE releases SET number = 9 WHERE number = 3", "releases is append-only"),
        ("DELETE FROM releases WHERE number = 3", "releases has to be recorded first"),
        ("UPDATE model_versions SET reference = '{}'", "model_versions is append-only"),
        ("DELETE FROM code_versions", "code_versions has to be recorded first"),
        (MOVE.format("1, NULL, NULL, 1"), "(?i)unique"),
        (MOVE.format("4, 3, 3, 1"), "(?i)foreign key"),  # generation 3 is skipped
        (MOVE.format("3, 2, 1, 1"), "(?i)foreign key"),  # generation 2 did not lead to 1
        (MOVE.format("3, 2, 2, 7"), "(?i)foreign key"),  # there is no release 7
        (MOVE.format("3, 1, 1, 1"), "(?i)check"),  # not the generation before
        (MOVE.format("0, NULL, NULL, 1"), "(?i)check"),
        (MOVE.format("3, NULL, NULL, 1"), "(?i)check"),
        (MOVE.format("3, 2, NULL, 1"), "(?i)check"),
        (MOVE.format("3, 2, 2, 3").replace("NULL, 0,", "'i', 0,"), "(?i)unique"),
        ("UPDATE refusals SET reason = 'other'", "refusals is append-only"),
        ("DELETE FROM refusals", "refusals is append-only"),
        (REFUSAL.format("refused", "m", "NULL, NULL"), "(?i)unique"),
        (REFUSAL.format("j", "n", "NULL, NULL"), "(?i)foreign key"),  # there is no model n
        (REFUSAL.format("j", "m", "2, 1"), "(?i)foreign key"),  # generation 2 led to 2
        (REFUSAL.format("j", "m", "2, NULL"), "(?i)check"),
    ],
)
def test_the_database_itself_refuses_to_rewrite_history(registry, home, statement, said):
    _move(registry, 1, 0)
    _move(registry, 2, 1, incident="i")
    registry.refuse("m", "production", "refused", actor="x", reason="why")
    before = registry.history("m", "production"), registry.refusals("m", "production")
    with plain_connection(home) as connection, pytest.raises(DBAPIError, match=said):
        connection.execute(text(statement))
    assert (registry.history("m", "production"), registry.refusals("m", "production")) == before


def test_the_statements_that_are_varied_above_are_taken(registry, home):
    _move(registry, 1, 0)
    _move(registry, 2, 1)
    with plain_connection(home) as connection:
        connection.execute(text(MOVE.format("3, 2, 2, 3")))
        connection.execute(text(REFUSAL.format("j", "m", "2, 2")))
    assert [move.to_release for move in registry.history("m", "production")] == [1, 2, 3]
    assert [each.to_release for each in registry.refusals("m", "production")] == [2]


def test_a_reader_is_not_held_up_by_a_writer(registry, home):
    with plain_connection(home) as writer:
        sqlite = writer.dialect.name == "sqlite"
        if sqlite:
            assert writer.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        writer.execute(text("BEGIN EXCLUSIVE" if sqlite else "BEGIN"))
        writer.execute(text(MOVE.format("1, NULL, NULL, 1")))
        assert registry.alias("m", "production") is None
        writer.execute(text("COMMIT"))
    assert registry.alias("m", "production").to_release == 1


def test_entries_are_immutable(registry):
    with pytest.raises(dataclasses.FrozenInstanceError):
        registry.release("m", 1).number = 2
