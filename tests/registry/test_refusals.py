"""An incident is decided once: its alias is moved, or that is refused."""

import pytest

from kedge.registry import BadNameError, RefusedIncidentError, UnknownModelError
from registry.building import released


@pytest.fixture
def registry(home):
    with released(home, 2, now=lambda: 1_700_000_000_000_000) as registry:
        yield registry


def _move(registry, to_release, generation, incident=None):
    return registry.move_alias(
        "m",
        "production",
        to_release,
        expected_generation=generation,
        actor="ann",
        reason="",
        incident=incident,
    )


def _refuse(registry, **options):
    options = {"actor": "alerting", "reason": "it came later", **options}
    return registry.refuse("m", "production", "i", **options)


def test_a_refused_incident_moves_nothing_and_says_who_refused_when_and_why(registry):
    _move(registry, 1, 0)
    refusal = _refuse(registry)
    assert _refuse(registry, reason="another", actor="bob") == refusal
    with pytest.raises(RefusedIncidentError) as refused:
        _move(registry, 2, 1, incident="i")
    assert str(refused.value) == (
        "incident `i` moves no alias: alerting refused to move `production` of `m` for it at "
        "2023-11-14T22:13:20Z (it came later). Nothing was moved; a move that is wanted after all "
        "names no incident"
    )
    assert registry.refusals("m", "production") == [refused.value.refusal] == [refusal]
    assert registry.live("m", "production").number == 1
    assert _move(registry, 2, 1).incident is None


def test_an_incident_that_moved_an_alias_is_not_refused(registry):
    _move(registry, 2, 0)
    move = _move(registry, 1, 1, incident="i")
    _move(registry, 2, 2)
    assert _refuse(registry) == move
    assert registry.refusals("m", "production") == []


def test_a_refusal_names_the_move_that_answers_its_incident(registry):
    _move(registry, 2, 0)
    other = _move(registry, 1, 1, incident="of another column")
    refusal = _refuse(registry, answer=other)
    assert (refusal.generation, refusal.to_release) == (2, 1)
    assert registry.refusals("m", "production") == [refusal]


def test_nothing_is_refused_for_a_model_that_is_not_there(registry):
    with pytest.raises(UnknownModelError, match="there is no model `other`"):
        registry.refuse("other", "production", "i", actor="alerting", reason="why")
    with pytest.raises(BadNameError, match="reason must not be empty"):
        _refuse(registry, reason=" ")
