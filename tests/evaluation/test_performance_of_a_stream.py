"""Performance as it is published, against scikit-learn on the raw predictions and outcomes."""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    mean_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
)

from kedge import archiver, assessor, evaluator
from kedge.archive import connect
from kedge.contracts import Tags, Topics, columns_of, decode, encode
from kedge.profile import reference_of
from kedge.streams.clients import producer
from logged import batch, single
from services import PATIENCE, committed, eventually, produce, release_event, running

WINDOW = 60_000_000
START = 1_700_000_040_000_000 // WINDOW * WINDOW
WINDOWS = 3


@pytest.fixture
def settings(make_settings):
    return make_settings(
        archive={"flush_seconds": 0.3},
        evaluator={"batch_wait": 0.1, "publish_every": 0.2},
        stream={"partitions": 2},
    )


def _predictions(seed, rows, release=1, names=None):
    rng = np.random.default_rng(seed)
    return [
        {
            "id": names[i] if names else str(uuid.UUID(bytes=rng.bytes(16))),
            "time": START + i * WINDOWS * WINDOW // rows,
            "release": release,
            "features": {"distance": 1.0},
            "filled": [],
            "outputs": {"output": float(rng.beta(2, 2))},
            "latency": 1.0,
            "error": None,
        }
        for i in range(rows)
    ]


def _publish_releases(settings, *numbers, outputs):
    reference = reference_of(
        [*columns_of([{"distance": 1.0}] * len(outputs), "feature"), *columns_of(outputs, "output")]
    )
    for number in numbers:
        produce(
            settings.kafka,
            Topics(settings.topic_prefix).releases,
            [release_event("flights", number, reference)],
            f"flights/{number}",
        )


def _send_predictions(settings, predictions, *, batched=True):
    topic = Topics(settings.topic_prefix).predictions
    for release in sorted({row["release"] for row in predictions}):
        rows = [row for row in predictions if row["release"] == release]
        tags = Tags("flights", "mv", "cv", release, "test")
        chunks = [rows[i : i + 100] for i in range(0, len(rows), 100)]
        values = [batch(c, tags) for c in chunks] if batched else [single(r, tags) for r in rows]
        produce(settings.kafka, topic, values)


def _send_outcomes(settings, outcomes):
    """Outcomes as (id, truth, known_at), keyed by the id as the SDK does."""
    client, topic = producer(settings.kafka), Topics(settings.topic_prefix).outcomes
    for name, truth, known_at in outcomes:
        record = {
            "prediction_id": name,
            "model": "flights",
            "environment": "test",
            "known_at": known_at,
            "truth": truth,
        }
        client.produce(topic, encode("outcome", record), name.encode())
    assert client.flush(PATIENCE) == 0


def _held(outcomes):
    """The truth that holds of each prediction: known last, of two at once the one sent last."""
    held = {}
    for name, truth, known_at in outcomes:
        if name not in held or known_at >= held[name][1]:
            held[name] = (truth, known_at)
    return {name: truth for name, (truth, _) in held.items() if truth is not None}


def _joined(predictions, outcomes):
    """Scores, truths and the number of predictions by release and window."""
    held = _held(outcomes)
    found = {}
    for row in predictions:
        window = found.setdefault((row["release"], row["time"] // WINDOW * WINDOW), ([], [], []))
        window[2].append(row)
        if row["id"] in held:
            window[0].append(row["outputs"]["output"])
            window[1].append(held[row["id"]])
    return found


def _published(settings):
    """Values by statistic of the newest revision of each release's window."""
    newest = {}
    for value in committed(settings.kafka, Topics(settings.topic_prefix).statistics):
        _name, record = decode(value, "statistic")
        assert record["part"] == "performance"
        key = (record["release"], record["window_start"])
        if key not in newest or newest[key]["revision"] < record["revision"]:
            newest[key] = record
    return {
        key: {each["name"]: each["value"] for each in record["statistics"]}
        | {"rows": sum(each["rows"] for each in record["statistics"][1:2])}
        for key, record in newest.items()
    }


def _coverage(joined):
    return {key: len(truths) / len(all_) for key, (_s, truths, all_) in joined.items()}


def _await(settings, joined, *, also=bool):
    """What is published once the coverage and `also` are as they have to be."""
    wanted = pytest.approx(_coverage(joined))

    def complete(published):
        covered = {key: values["label_coverage"] for key, values in published.items()}
        return covered == wanted and also(published)

    return eventually(lambda: _published(settings), complete)


def _check_binary(published, joined):
    for key, (scores, truths, _all) in joined.items():
        if not truths:
            continue
        values, labels = published[key], np.array(truths, int)
        predicted = np.array(scores) >= 0.5
        assert values["rows"] == len(labels)
        assert values["accuracy"] == pytest.approx(accuracy_score(labels, predicted))
        assert values["precision"] == pytest.approx(precision_score(labels, predicted))
        assert values["recall"] == pytest.approx(recall_score(labels, predicted))
        assert values["f1"] == pytest.approx(f1_score(labels, predicted))
        assert values["log_loss"] == pytest.approx(log_loss(labels, scores))
        assert values["brier"] == pytest.approx(brier_score_loss(labels, scores))
        # The scores are counted in bins.
        assert values["roc_auc"] == pytest.approx(roc_auc_score(labels, scores), abs=2e-3)


def _as_expected(joined):
    def check(published):
        try:
            _check_binary(published, joined)
        except AssertionError:
            return False
        return True

    return check


def _stories(predictions, seed):
    """Outcomes in every way in which they may come, in the order of their sending.

    Early ones; the others, of which some never come; then those that came twice, corrections,
    corrections that are older than what they correct, and withdrawals.
    """
    rng = np.random.default_rng(seed)
    names = [row["id"] for row in predictions]
    truths = {name: bool(rng.random() < 0.4) for name in names}
    known = {row["id"]: row["time"] + 3_600_000_000 for row in predictions}
    early, others = names[::7], [name for name in names if name not in set(names[::7])]
    coming = [name for name in others if rng.random() < 0.8]
    again = list(rng.choice(coming, len(coming) // 5, replace=False))
    corrected = list(rng.choice(coming, len(coming) // 5, replace=False))
    outdated = list(rng.choice(coming, len(coming) // 5, replace=False))
    withdrawn = list(rng.choice(coming, len(coming) // 20, replace=False))
    first = [(str(name), truths[name], known[name]) for name in early]
    second = [(str(name), truths[name], known[name]) for name in coming]
    third = [
        *((str(name), truths[name], known[name]) for name in again),
        *((str(name), not truths[name], known[name] + 10) for name in corrected),
        *((str(name), not truths[name], known[name] - 10) for name in outdated),
        *((str(name), None, known[name] + 20) for name in withdrawn),
    ]
    return first, second, third


def test_late_early_repeated_and_corrected_outcomes_end_as_scikit_learn_says(settings):
    predictions = _predictions(1, 1500)
    # A canary answers the same requests: an outcome is the truth of both predictions.
    canary = _predictions(2, 300, 2, [row["id"] for row in predictions[::5]])
    first, second, third = _stories(predictions, 3)
    _publish_releases(settings, 1, 2, outputs=[row["outputs"] for row in predictions])
    with running(archiver.run, evaluator.run, assessor.run, settings=settings):
        _send_outcomes(settings, first)
        _send_predictions(settings, predictions)
        _send_outcomes(settings, second)
        _await(settings, _joined(predictions, first + second))
        _send_predictions(settings, canary, batched=False)
        _send_outcomes(settings, third)
        joined = _joined(predictions + canary, first + second + third)
        published = _await(settings, joined, also=_as_expected(joined))
    _check_binary(published, joined)
    assert {key[0] for key in published} == {1, 2}
    letters = committed(settings.kafka, Topics(settings.topic_prefix).deadletter)
    assert letters == []


def test_regression_is_what_numpy_says_and_the_archive_shows_the_newest_revision(settings):
    predictions = [
        row | {"outputs": {"output": 100 * row["outputs"]["output"]}}
        for row in _predictions(4, 300)
    ]
    truths = np.random.default_rng(5).normal(50, 20, len(predictions))
    outcomes = [
        (row["id"], float(truth), row["time"] + 5)
        for row, truth in zip(predictions, truths, strict=True)
    ]
    corrections = [(name, truth + 1, at + 1) for name, truth, at in outcomes[::3]]
    _publish_releases(settings, 1, outputs=[row["outputs"] for row in predictions])
    with running(archiver.run, evaluator.run, assessor.run, settings=settings):
        _send_predictions(settings, predictions)
        _send_outcomes(settings, outcomes)
        _await(settings, _joined(predictions, outcomes))
        _send_outcomes(settings, corrections)
        joined = _joined(predictions, outcomes + corrections)

        def right(published):
            return all(
                published[key]["mae"] == pytest.approx(mean_absolute_error(truths, scores))
                for key, (scores, truths, _all) in joined.items()
            )

        published = _await(settings, joined, also=right)
        rows = eventually(
            lambda: dict(
                connect(settings.archive_url)
                .execute(
                    "SELECT epoch_us(window_start), value FROM statistics "
                    "WHERE part = 'performance' AND statistic = 'mae'"
                )
                .fetchall()
            ),
            lambda rows: rows == {key[1]: values["mae"] for key, values in published.items()},
        )
    assert len(rows) == WINDOWS
    for key, (scores, truths, _all) in joined.items():
        error = np.array(scores) - np.array(truths)
        assert published[key]["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
        assert published[key]["bias"] == pytest.approx(np.mean(error))
        assert published[key]["r2"] == pytest.approx(r2_score(truths, scores))


def test_an_outcome_of_no_prediction_becomes_a_dead_letter_that_can_be_replayed(make_settings):
    settings = make_settings(
        archive={"flush_seconds": 0.3},
        evaluator={"batch_wait": 0.1, "publish_every": 0.2, "patience": 0.5},
    )
    predictions = _predictions(6, 100)
    outcomes = [(row["id"], i % 2 == 0, row["time"] + 5) for i, row in enumerate(predictions)]
    _publish_releases(settings, 1, outputs=[row["outputs"] for row in predictions])
    topic = Topics(settings.topic_prefix).deadletter
    with running(archiver.run, evaluator.run, assessor.run, settings=settings):
        _send_outcomes(settings, outcomes)
        letters = [
            decode(value, "dead_letter")[1]
            for value in eventually(
                lambda: committed(settings.kafka, topic), lambda found: len(found) == len(outcomes)
            )
        ]
        assert {(each["service"], each["reason"]) for each in letters} == {
            ("evaluator", "unknown_prediction")
        }
        _send_predictions(settings, predictions)
        archive = connect(settings.archive_url)
        eventually(
            lambda: archive.execute("SELECT count(*) FROM predictions").fetchone(),
            lambda found: found == (len(predictions),),
        )
        client = producer(settings.kafka)
        for each in letters:
            client.produce(each["topic"], each["value"], each["key"], each["partition"])
        assert client.flush(PATIENCE) == 0
        joined = _joined(predictions, outcomes)
        _check_binary(_await(settings, joined), joined)


def _start(settings, service, instance="one"):
    environment = os.environ | {
        "KEDGE_HOME": str(settings.home),
        "KEDGE_TOPIC_PREFIX": settings.topic_prefix,
        "KEDGE_KAFKA__BOOTSTRAP_SERVERS": settings.kafka["bootstrap.servers"],
        "KEDGE_STREAM__PARTITIONS": "2",
        "KEDGE_STREAM__BATCH_RECORDS": "50",
        "KEDGE_STREAM__BATCH_WAIT": "0.05",
        "KEDGE_EVALUATOR__BATCH_RECORDS": "50",
        "KEDGE_EVALUATOR__BATCH_WAIT": "0.05",
        "KEDGE_EVALUATOR__PUBLISH_EVERY": "0.2",
        "KEDGE_STREAM__INSTANCE": instance,
    }
    command = [sys.executable, "-m", "kedge", "run", service]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def _killed_after(settings, workers, topic, outcomes, seed):
    """Send outcomes, and kill the workers some time after they have put more on a topic."""
    before = len(committed(settings.kafka, topic))
    _send_outcomes(settings, outcomes)
    processes = [_start(settings, *worker) for worker in workers]
    try:
        # However far they have come: some of it is committed, some is under way.
        eventually(lambda: len(committed(settings.kafka, topic)), lambda now: now > before)
        time.sleep(float(np.random.default_rng(seed).uniform(0.0, 0.5)))
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_evaluators_killed_in_the_middle_lose_nothing_and_count_nothing_twice(settings):
    predictions = _predictions(7, 3000)
    first, second, third = _stories(predictions, 8)
    joined = _joined(predictions, first + second + third)
    _publish_releases(settings, 1, outputs=[row["outputs"] for row in predictions])
    with running(archiver.run, assessor.run, settings=settings):
        _send_predictions(settings, predictions)
        topic = Topics(settings.topic_prefix).performance
        # The second takes partitions over and gives them back, with all that waits there.
        workers = [("evaluator", "one"), ("evaluator", "two")]
        for seed, outcomes in enumerate((first, second, third)):
            _killed_after(settings, workers, topic, outcomes, seed)
        with running(evaluator.run, settings=settings):
            published = _await(settings, joined, also=_as_expected(joined))
    _check_binary(published, joined)


def test_an_assessor_killed_in_the_middle_loses_nothing_and_counts_nothing_twice(settings):
    predictions = _predictions(11, 1000)
    first, second, third = _stories(predictions, 12)
    joined = _joined(predictions, first + second + third)
    _publish_releases(settings, 1, outputs=[row["outputs"] for row in predictions])
    with running(archiver.run, evaluator.run, settings=settings):
        _send_predictions(settings, predictions)
        topic = Topics(settings.topic_prefix).statistics
        for seed, outcomes in enumerate((first + second, third)):
            _killed_after(settings, [("assessor", "one")], topic, outcomes, seed)
        with running(assessor.run, settings=settings):
            published = _await(settings, joined, also=_as_expected(joined))
    _check_binary(published, joined)


def test_a_file_that_can_not_be_read_is_waited_for(settings):
    predictions = _predictions(10, 200)
    outcomes = [(row["id"], i % 2 == 0, row["time"] + 5) for i, row in enumerate(predictions)]
    _publish_releases(settings, 1, outputs=[row["outputs"] for row in predictions])
    with running(archiver.run, settings=settings):
        _send_predictions(settings, predictions)
        archive = connect(settings.archive_url)
        eventually(
            lambda: archive.execute("SELECT count(*) FROM predictions").fetchone(),
            lambda found: found == (len(predictions),),
        )
        file, *_others = Path(settings.archive_url).glob("predictions/*/*/*.parquet")
        whole = file.read_bytes()
        file.write_bytes(whole[:100])
        with running(evaluator.run, assessor.run, settings=settings):
            _send_outcomes(settings, outcomes)
            time.sleep(1.0)
            file.write_bytes(whole)
            joined = _joined(predictions, outcomes)
            _check_binary(_await(settings, joined), joined)
