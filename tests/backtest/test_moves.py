"""When an alias was moved, by the clock and by what the log shows."""

from hypothesis import given
from hypothesis import strategies as st

from kedge.backtest.moves import NEVER, AliasHistory, PastMove, in_event_time, is_played_back


def moved(generation, to_release, at, incident=None, from_release=None):
    return PastMove(generation, from_release, to_release, "somebody", "", incident, at)


def test_a_release_can_only_predict_before_it_is_made_where_history_is_played_back():
    made = {1: 1000, 2: 2000}
    assert not is_played_back(made, {1: 1000, 2: 2500}, tolerance=10)
    assert not is_played_back(made, {1: 995}, tolerance=10)
    assert is_played_back(made, {1: 1000, 2: 500}, tolerance=10)
    # Nobody knows when a release was made that is not archived.
    assert not is_played_back(made, {3: 5}, tolerance=10)


def test_of_a_history_that_was_played_back_each_move_is_where_the_log_shows_it():
    served = {1: [100, 150, 400], 2: [200, 250, 390], 3: []}

    def first_after(release, time):
        return min((t for t in served[release] if t > time), default=None)

    moves = [
        moved(1, 1, 9001),
        moved(2, 2, 9002),
        moved(3, 1, 9003, "an incident"),
        moved(4, 3, 9004),
    ]
    # The rollback answered the window that ended at 300, though release 2 predicted on for a while.
    dated = in_event_time(moves, {3: 300}, first_after)
    assert [move.moved_at for move in dated] == [100, 200, 300, NEVER]


@given(
    st.lists(st.tuples(st.integers(1, 3), st.none() | st.integers(0, 100)), max_size=8),
    st.dictionaries(st.integers(1, 8), st.integers(0, 100)),
)
def test_moves_stay_in_their_order(given_moves, answered):
    moves = [moved(n + 1, release, 0) for n, (release, _) in enumerate(given_moves)]
    times = {n + 1: time for n, (_, time) in enumerate(given_moves)}
    calls = iter(range(1, 100))

    def first_after(_release, time):
        at = times.get(next(calls))
        return None if at is None or at <= time else at

    dated = [move.moved_at for move in in_event_time(moves, answered, first_after)]
    assert dated == sorted(dated)


HISTORY = [
    moved(1, 1, 10),
    moved(2, 2, 20, from_release=1),
    moved(3, 1, 50, "real", from_release=2),
    moved(4, 3, 70, from_release=1),
]


def test_what_was_supposed_gives_way_to_what_was_really_done():
    history = AliasHistory(HISTORY)
    history.suppose(moved(3, 1, 30, "real", from_release=2))
    history.suppose(moved(3, 1, 35, "supposed", from_release=2))
    assert [move.moved_at for move in history.until(40, 1)] == [10, 20, 30, 35]
    assert [move.moved_at for move in history.until(60, 1)] == [10, 20, 35, 50]
    assert history.made_for("real").moved_at == 50
    assert history.made_for("supposed") is None


def test_about_a_release_it_is_decided_as_though_nobody_had_gone_back_from_it():
    history = AliasHistory(HISTORY)
    assert [move.generation for move in history.until(60, 2)] == [1, 2]
    # What people moved since, they did move.
    assert [move.generation for move in history.until(80, 2)] == [1, 2, 4]
    # For whoever asks about the release that was gone back to, it is where the traffic went.
    assert [move.generation for move in history.until(60, 1)] == [1, 2, 3]


def test_that_a_release_was_rolled_back_before_it_came_again_is_not_forgotten():
    history = AliasHistory([*HISTORY, moved(5, 2, 90, from_release=3)])
    assert [move.generation for move in history.until(95, 2)] == [1, 2, 3, 4, 5]
