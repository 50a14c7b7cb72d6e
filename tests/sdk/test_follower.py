import logging
import queue
import threading
import uuid

import pytest
from confluent_kafka.admin import NewTopic

from arrivals import until
from kedge import Follower, KedgeError, LiveRelease, NoReleaseError, follow
from kedge.streams.clients import admin


@pytest.fixture
def model():
    return f"m{uuid.uuid4().hex[:8]}"


@pytest.fixture
def following(settings, model):
    made = []

    def make(alias="production", **options):
        options = {"kafka": settings.kafka, "topic_prefix": settings.topic_prefix} | options
        made.append(follow(model, alias, **options))
        return made[-1]

    yield make
    for follower in made:
        follower.close()


def release(model, number, generation, alias="production"):
    return LiveRelease(model, number, f"model-{number}", f"code-{number}", alias, generation)


def test_the_newest_move_is_live_from_the_start(following, model, move):
    for generation, number in enumerate([1, 2, 1, 3], start=1):
        move(model, number=number, generation=generation)
    follower = following()
    seen = queue.Queue()
    follower.on_change(seen.put)
    assert follower.wait(60) == follower.live == release(model, 3, 4)
    # What was served before is no change to come.
    move(model, number=7, generation=5)
    assert [seen.get(timeout=60)][-1].number in (3, 7)


def test_a_move_swaps_and_calls_off_the_callers_thread(following, model, move):
    move(model, number=1, generation=1)
    follower = following()
    follower.wait(60)
    seen = queue.Queue()
    follower.on_change(lambda live: seen.put((live, follower.live, threading.current_thread())))
    for generation, number in enumerate([2, 1, 2], start=2):
        move(model, number=number, generation=generation)
        live, already, thread = seen.get(timeout=60)
        assert live == already == follower.live == release(model, number, generation)
        assert thread is not threading.current_thread()


def test_what_is_not_newer_is_ignored(following, model, move):
    move(model, number=1, generation=5)
    follower = following()
    follower.wait(60)
    seen = queue.Queue()
    follower.on_change(seen.put)
    for generation, number in [(4, 9), (5, 9), (1, 9), (6, 2), (5, 9), (7, 3)]:
        move(model, number=number, generation=generation)
    assert [seen.get(timeout=60) for _ in range(2)] == [release(model, 2, 6), release(model, 3, 7)]
    assert seen.empty()


def test_other_aliases_models_and_messages_are_not_ours(following, model, move, produce):
    move(f"{model}2", number=1, generation=9)
    move(model, number=2, generation=9, alias="staging")
    produce(f"release/{model}/3", b"not for us")
    produce(f"alias/{model}/production", b"damaged")
    produce(f"alias/{model}/production", None)
    move(model, number=4, generation=1)
    assert following().wait(60) == release(model, 4, 1)
    assert following("staging").wait(60) == release(model, 2, 9, "staging")


def test_an_exception_in_a_callback_is_logged_and_hurts_no_other(following, model, move, caplog):
    move(model, number=1, generation=1)
    follower = following()
    follower.wait(60)
    seen = queue.Queue()

    def fails(live):
        raise ZeroDivisionError(live.number)

    follower.on_change(fails)
    follower.on_change(seen.put)
    with caplog.at_level(logging.ERROR, "kedge.sdk"):
        for generation in (2, 3):
            move(model, number=generation, generation=generation)
            assert seen.get(timeout=60).generation == generation
    assert [record.exc_info[0] for record in caplog.records] == [ZeroDivisionError] * 2


def test_without_an_alias_the_error_says_what_to_do(following):
    follower = following()
    with pytest.raises(NoReleaseError, match="'production' of model"):
        follower.wait(0)
    until(lambda: follower._reached)
    with pytest.raises(LookupError, match=r"points at no release: .* move the alias to it"):
        _ = follower.live
    assert issubclass(NoReleaseError, KedgeError)


def test_without_a_broker_the_error_names_it(following):
    follower = following(kafka={"bootstrap.servers": "127.0.0.1:1"})
    until(lambda: follower._trouble)
    with pytest.raises(NoReleaseError, match=r"127\.0\.0\.1:1 has not been read"):
        follower.wait(0)


def test_a_follower_started_again_knows_the_same(following, model, move):
    move(model, number=1, generation=1)
    first = following()
    first.wait(60)
    move(model, number=2, generation=2)
    until(lambda: first.live.generation == 2)
    first.close()
    move(model, number=3, generation=3)
    assert following().wait(60) == release(model, 3, 3)
    assert first.live == release(model, 2, 2)


def test_a_topic_that_is_made_later_is_read(following, model, settings, move):
    prefix = f"late{uuid.uuid4().hex[:8]}"
    follower = following(topic_prefix=prefix)
    until(lambda: follower._trouble)
    client = admin(settings.kafka)
    client.create_topics([NewTopic(f"{prefix}.releases", 1, 1)])[f"{prefix}.releases"].result()
    move(model, number=1, generation=1, topic=f"{prefix}.releases")
    assert follower.wait(60) == release(model, 1, 1)
    client.delete_topics([f"{prefix}.releases"])[f"{prefix}.releases"].result()
    # The last known release stays.
    until(lambda: "UNKNOWN" in follower._trouble.upper())
    assert follower.live == release(model, 1, 1)


def test_a_broker_that_comes_late_is_read(following, late_broker, model, move):
    move(model, number=1, generation=1)
    follower = following(kafka={"bootstrap.servers": late_broker.address})
    until(lambda: follower._trouble)
    late_broker.appear()
    assert follower.wait(60) == release(model, 1, 1)


def test_predictions_are_of_the_release_that_is_live(
    following, make_logger, predictions, model, move
):
    follower = following()
    log = make_logger(follower)
    log.prediction({}, 1)
    log.batch({"x": [1, 2]}, [1, 2])
    assert log.counts.no_release == 3
    made = {}
    for generation, number in enumerate([1, 2, 1], start=1):
        move(model, number=number, generation=generation)
        until(lambda wanted=generation: follower._live and follower.live.generation == wanted)
        made[log.prediction({}, 1)] = number
        made[log.batch({"x": [1]}, [1])[0]] = number
    assert log.flush(30)
    rows = predictions.rows()
    assert {name: row["tags"].release for name, row in rows.items()} == made
    assert {row["tags"].code_version for row in rows.values()} == {"code-1", "code-2"}


def test_the_context_manager_closes(settings, model):
    with Follower(model, kafka=settings.kafka, topic_prefix=settings.topic_prefix) as follower:
        assert follower.model == model
        assert follower.alias == "production"
    assert not follower._thread.is_alive()
