"""Going back: where an alias was before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.registry import NothingBeforeError
from kedge.registry.entries import AliasMove
from kedge.registry.history import release_before
from registry.building import released


def moves(*releases):
    return [
        AliasMove("m", "production", generation, None, to, "a", "", None, 0)
        for generation, to in enumerate(releases, 1)
    ]


@pytest.mark.parametrize(
    ("releases", "before"),
    [
        ([], None),
        ([1], None),
        ([1, 1], None),
        ([1, 2], 1),
        ([1, 2, 3], 2),
        ([1, 2, 3, 2], 1),  # moved back from 3
        ([1, 2, 3, 2, 1], None),
        ([1, 2, 3, 1], None),  # straight back to 1
        ([1, 2, 1, 3], 1),
        ([1, 2, 3, 2, 4], 2),
        ([2, 2, 3, 3], 2),
    ],
)
def test_what_was_moved_back_from_does_not_count(releases, before):
    assert release_before(moves(*releases)) == before


@given(st.lists(st.integers(1, 9), unique=True, min_size=1))
def test_going_back_again_and_again_walks_the_way_that_was_come(releases):
    walked = list(releases)
    back = []
    while (before := release_before(moves(*walked))) is not None:
        walked.append(before)
        back.append(before)
    assert back == releases[-2::-1]


def test_an_alias_is_moved_back_until_there_is_nothing_before(home):
    with released(home) as registry:
        for generation, to in enumerate((1, 3)):
            registry.move_alias(
                "m", "production", to, expected_generation=generation, actor="a", reason=""
            )
        move = registry.move_back("m", "production", actor="ann", reason="worse")
        assert (move.from_release, move.to_release, move.generation) == (3, 1, 3)
        assert (move.actor, move.reason) == ("ann", "worse")
        with pytest.raises(NothingBeforeError, match="was on no release before 1"):
            registry.move_back("m", "production", actor="ann", reason="worse")


def test_a_share_stays_with_its_alias_until_another_is_given(home):
    with released(home) as registry:

        def move(generation, to, share=None):
            return registry.move_alias(
                *("m", "canary", to),
                expected_generation=generation,
                actor="a",
                reason="",
                share=share,
            ).share

        assert [move(0, 1), move(1, 2, 0.1), move(2, 3), move(3, 3, 0.0), move(4, 2)] == [
            None, 0.1, 0.1, 0.0, 0.0,
        ]  # fmt: skip
        assert [each.share for each in registry.history("m", "canary")] == [None, 0.1, 0.1, 0, 0]
        for share in (-0.1, 1.1, float("nan")):
            with pytest.raises(Exception, match=r"a share of .* can't be"):
                move(5, 1, share)
