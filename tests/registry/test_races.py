import multiprocessing

import pytest

from kedge.contracts import Topics, decode
from kedge.registry import Registry, outbox
from registry import racing
from registry.building import a_reference, released, write
from services import committed, eventually, running

RACERS = 16


@pytest.fixture(scope="module")
def race():
    """Run a function in sixteen processes at once; they wait for each other in it."""
    spawned = multiprocessing.get_context("spawn")
    with spawned.Pool(RACERS, racing.meet_at, (spawned.Barrier(RACERS),)) as pool:

        def run(function, *arguments):
            # One task a time for each: who waits at the barrier takes no second one.
            return pool.starmap(function, arguments, chunksize=1)

        yield run
        pool.close()
        pool.join()


def test_of_sixteen_processes_exactly_one_wins_each_generation(home, race):
    rounds = 10
    with released(home) as registry:
        told = race(racing.race_moves, *((home, racer, rounds) for racer in range(RACERS)))
        history = registry.history("m", "production")
    results = sorted(result for racer in told for result in racer)
    assert len(results) == rounds * RACERS
    assert [generation for generation, _, won, _ in results if won] == list(range(rounds))
    assert [move.generation for move in history] == list(range(1, rounds + 1))
    assert [move.actor for move in history] == [
        f"racer {racer}" for _, racer, won, _ in results if won
    ]
    assert [move.from_release for move in history] == [
        None,
        *(move.to_release for move in history[:-1]),
    ]
    # The others were told of the generation that beat them.
    assert all(current == generation + 1 for generation, _, _, current in results)


def test_sixteen_promote_and_roll_back_and_every_move_is_told_once_and_in_order(settings, race):
    rounds = 4
    topic = Topics(settings.topic_prefix).releases
    with released(settings) as registry:
        for generation, to in enumerate((1, 2)):
            registry.move_alias(
                "m", "production", to, expected_generation=generation, actor="first", reason=""
            )
        with running(outbox.run, settings=settings):
            told = race(
                racing.race_back_and_forth,
                *((settings, racer, rounds) for racer in range(RACERS)),
            )
            history = registry.history("m", "production")
            # Three releases, and the moves.
            events = eventually(
                lambda: committed(settings.kafka, topic, 1),
                lambda events: len(events) >= 3 + len(history),
            )
    won = sorted(move for racer in told for move in racer)
    # In every round at least one got through, and each generation is one winner's.
    assert len(history) >= 2 + rounds
    assert [(move.generation, move.actor, move.reason) for move in history[2:]] == won
    assert [move.generation for move in history] == list(range(1, len(history) + 1))
    assert [move.from_release for move in history[1:]] == [m.to_release for m in history[:-1]]
    moves = [decode(event, "release_event")[1]["alias"] for event in events]
    assert [(move["generation"], move["to_release"]) for move in moves if move] == [
        (move.generation, move.to_release) for move in history
    ]


def test_sixteen_processes_number_releases_without_gaps(home, race):
    each = 10
    with released(home, 1) as registry:
        first = registry.release("m", 1)
        pair = (first.model_version, first.code_version)
        told = race(racing.race_releases, *[(home, each, pair)] * RACERS)
        stored = [release.number for release in registry.releases("m")]
    assert sorted(number for racer in told for number in racer) == list(range(2, each * RACERS + 2))
    assert stored == list(range(1, each * RACERS + 2))


# Again and again: SQLite's "locked" while another process makes the file is seldom.
@pytest.mark.parametrize("_attempt", range(10))
def test_sixteen_processes_make_one_registry_with_one_version(home, race, _attempt):
    artifact = write(home.home / "source" / "model.json", "{}")
    ids = set(race(racing.race_registrations, *[(home, artifact, a_reference())] * RACERS))
    with Registry.open(home) as registry:
        assert [version.id for version in registry.model_versions("m")] == list(ids)
        assert registry.artifact(*ids).read_text() == "{}"


def test_of_sixteen_approvals_exactly_one_moves_the_alias_and_the_others_are_told(home, race):
    """Two proposals that were made at the same generation: the second one has become stale."""
    with released(home) as registry:
        registry.move_alias("m", "production", 3, expected_generation=0, actor="a", reason="")
        numbers = [
            registry.proposals.propose(
                "m",
                "production",
                to_release,
                expected_generation=1,
                incident=f"i{to_release}",
                within=10**12,
                actor="alerting",
                reason="it is sick",
            ).id
            for to_release in (1, 2)
        ]
        told = race(racing.race_approvals, *((home, racer, numbers) for racer in range(RACERS)))
        history = registry.history("m", "production")
        states = [each.state for each in registry.proposals.list()]
    first, second = ([racer[i] for racer in told] for i in (0, 1))
    (winner,) = [who for _, won, who in first if won]
    assert {who for _, _, who in first} == {winner}
    assert not any(won for _, won, _ in second)
    assert len({who for _, _, who in second}) == 1
    assert [(move.to_release, move.actor) for move in history] == [(3, "a"), (1, winner)]
    assert states == ["approved", "stale"]
