"""What can be deleted, what not and why, and what is kept of it."""

import pytest

from kedge.registry import StillNeededError, UnknownReleaseError, UnknownVersionError
from registry.building import plain_connection, released

WHY = {"actor": "ann", "reason": "a wrong file"}


@pytest.fixture
def registry(home):
    """Releases 1 to 3, of which 1 and 2 were in production."""
    with released(home, now=iter(range(10, 10_000)).__next__) as registry:
        for generation, to in enumerate((1, 2)):
            registry.move_alias(
                "m", "production", to, expected_generation=generation, actor="a", reason=""
            )
        yield registry


def test_a_release_that_no_alias_ever_pointed_at_goes_and_its_number_with_it(registry):
    deletion = registry.delete_release("m", 3, **WHY)
    assert (deletion.kind, deletion.subject) == ("releases", "3")
    assert registry.deletions("m") == [deletion]
    with pytest.raises(UnknownReleaseError):
        registry.release("m", 3)
    first = registry.release("m", 1)
    made = registry.create_release("m", first.model_version, first.code_version, actor="a")
    # Predictions that say 3 are never of another release.
    assert made.number == 4


@pytest.mark.parametrize("number", [1, 2])
def test_what_an_alias_or_its_history_needs_is_refused_with_the_reason(registry, number):
    before = registry.releases("m")
    with pytest.raises(StillNeededError) as error:
        registry.delete_release("m", number, **WHY)
    assert f"in the history of `production` (generation {number})" in str(error.value)
    assert "only a release that no alias has ever pointed at" in str(error.value)
    assert registry.releases("m") == before
    assert registry.deletions("m") == []


def test_versions_that_a_release_pairs_are_refused_and_go_after_it(registry):
    code = registry.release("m", 3).code_version
    with pytest.raises(StillNeededError, match=r"release 3 pairs it.*kedge release delete m"):
        registry.delete_code_version("m", code, **WHY)
    model = registry.release("m", 1).model_version
    with pytest.raises(StillNeededError, match="release 1, 2, 3 pairs it"):
        registry.delete_model_version("m", model[:8], **WHY)
    registry.delete_release("m", 3, **WHY)
    registry.delete_code_version("m", code[:8], **WHY)
    with pytest.raises(UnknownVersionError):
        registry.code_version("m", code)
    assert [(gone.kind, gone.actor, gone.reason) for gone in registry.deletions("m")] == [
        ("releases", "ann", "a wrong file"),
        ("code_versions", "ann", "a wrong file"),
    ]


def test_the_database_lets_nothing_go_that_is_not_recorded(registry, home):
    code = registry.release("m", 3)
    registry.delete_release("m", 3, **WHY)
    number = registry.create_release("m", code.model_version, code.code_version, actor="a").number
    for statement, said in (
        (f"DELETE FROM releases WHERE number = {number}", "recorded first"),
        ("DELETE FROM code_versions", "recorded first"),
        ("DELETE FROM deletions", "append-only"),
        ("UPDATE deletions SET actor = 'eve'", "append-only"),
    ):
        with plain_connection(home) as connection, pytest.raises(Exception, match=said):
            connection.exec_driver_sql(statement)


def test_what_was_deleted_and_came_again_is_not_free_to_go(registry, home):
    release = registry.release("m", 3)
    registry.delete_release("m", 3, **WHY)
    registry.delete_code_version("m", release.code_version, **WHY)
    source = home.home / "source" / "3" / "inference.py"
    assert registry.register_code("m", source, actor="b").id == release.code_version
    with plain_connection(home) as connection, pytest.raises(Exception, match="recorded first"):
        connection.exec_driver_sql(f"DELETE FROM code_versions WHERE id = '{release.code_version}'")
    registry.delete_code_version("m", release.code_version, **WHY)
