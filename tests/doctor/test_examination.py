"""What the doctor concludes, against single predictions counted one by one."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import PredictionBatch, Producer, Tags, decode, encode
from kedge.doctor import Books, Evidence, Lag, Letter, examine
from kedge.doctor.books import Place
from kedge.streams.accounts import Accounts

FATES = ("rows_profiled", "rows_dead_lettered", "rows_duplicate")

# Messages as each producer sends them: rows, model, partition, what becomes of it, whether it is
# lost on the way. Micro-batches are cut where the last says so.
messages = st.tuples(
    st.sampled_from(["one", "two"]),
    st.integers(1, 5),
    st.sampled_from(["flights", "fraud"]),
    st.integers(0, 1),
    st.sampled_from(FATES),
    st.booleans(),
    st.booleans(),
)


def _predictions(model, rows, producer=None):
    return PredictionBatch(
        Tags(model, "mv", "cv", 1, "test"),
        [str(row) for row in range(rows)],
        np.zeros(rows, np.int64),
        np.full(rows, np.nan, np.float32),
        (),
        producer=producer,
    )


def _enter(books, accounts):
    for record in accounts.records():
        books.add(decode(encode("account", record), "account")[1])


def _evidence(sent):
    """All that is known after these messages, from accounts as the profiler writes them."""
    books, accounts, letters, archived = Books(), Accounts("profiler"), [], Counter()
    numbers, offsets = Counter(), Counter()
    for who, rows, model, partition, fate, lost, cut in sent:
        producer = Producer(who, numbers[who], 0)
        numbers[who] += rows
        if not lost:
            offset = offsets[partition]
            offsets[partition] += 1
            accounts.received(partition, offset, _predictions(model, rows, producer), fate)
            archived[Place(model, partition)] += rows
            if fate == "rows_dead_lettered":
                letters.append(Letter(Place(model, partition), offset, rows, crashed=False))
        if cut:
            _enter(books, accounts)
            accounts = Accounts("profiler")
    _enter(books, accounts)
    return Evidence(books, letters, True, archived, dict(offsets), [])  # noqa: FBT003


@given(st.lists(messages, max_size=30))
def test_every_prediction_is_in_its_line_and_every_lost_one_is_missing(sent):
    report = examine(_evidence(sent))
    expected, last, numbers = Counter(), Counter(), Counter()
    arrived, lost = {"one": set(), "two": set()}, {"one": set(), "two": set()}
    for who, rows, model, partition, fate, is_lost, _ in sent:
        (lost if is_lost else arrived)[who].update(range(numbers[who], numbers[who] + rows))
        numbers[who] += rows
        if not is_lost:
            last[who] = numbers[who]
            expected[model, partition, fate.removeprefix("rows_")] += rows
    missing = sum(len({n for n in lost[who] if n < last[who]}) for who in lost)
    assert sum(line.missing for line in report.lines) == missing
    assert sum(line.sent for line in report.lines) == missing + sum(map(len, arrived.values()))
    for line in report.lines:
        for fate in ("profiled", "dead_lettered", "duplicate"):
            assert getattr(line, fate) == expected[line.model, line.partition, fate]
        assert line.received == line.archived == line.profiled + line.dead_lettered + line.duplicate
    assert report.status == ("gap" if missing else "whole")
    assert len([f for f in report.findings if "never arrived" in f.text]) >= (missing > 0)


WHOLE = [("one", 5, "flights", 0, fate, False, True) for fate in FATES]


def test_a_gap_is_named_by_its_numbers():
    sent = [("one", 500, "flights", 1, "rows_profiled", lost, False) for lost in (False, True)]
    report = examine(_evidence([*sent, sent[0]]))
    (finding,) = report.findings
    assert finding.severity == "gap"
    assert (
        "producer one: sequences 500\N{EN DASH}999 (500 predictions) of model `flights` in "
        "partition 1 never arrived" in finding.text
    )
    assert (finding.model, finding.partition) == ("flights", 1)
    (line,) = report.lines
    assert (line.sent, line.missing, line.received) == (1500, 500, 1000)


def test_what_is_missing_may_come_while_the_profiler_is_behind():
    evidence = _evidence([WHOLE[0], ("one", 1, "flights", 0, FATES[0], True, True), WHOLE[0]])
    evidence.lags.append(Lag("profiler", "kedge.predictions", 1, 7))
    report = examine(evidence)
    assert report.status == "behind"
    gap, lag = report.findings
    assert "sequences 5\N{EN DASH}5 (1 prediction)" in gap.text
    assert "have not arrived yet" in gap.text
    assert lag.text == "profiler is behind by 7 messages of kedge.predictions."


def test_the_first_numbers_are_missing_only_where_the_oldest_accounts_are_there():
    sent = [("one", 5, "flights", 0, "rows_profiled", lost, True) for lost in (True, False)]
    evidence = _evidence(sent)
    assert examine(evidence).lines[0].missing == 5
    evidence.books.whole = False
    assert examine(evidence).status == "whole"


@pytest.mark.parametrize(
    ("tamper", "severity", "says"),
    [
        (lambda e: e.archived.update({Place("flights", 0): -1}), "gap", "14 in the archive"),
        (lambda e: e.archived.update({Place("flights", 0): 1}), "gap", "16 in the archive"),
        (lambda e: e.letters.clear(), "gap", "gave up 5 predictions, and its dead letters have 0"),
        (
            lambda e: e.books.sums[Place("flights", 0)].update(rows_profiled=1),
            "gap",
            "15 received, but 6 profiled + 5 dead-lettered + 5 duplicate",
        ),
    ],
)
def test_what_does_not_add_up_is_a_gap(tamper, severity, says):
    evidence = _evidence(WHOLE)
    assert examine(evidence).status == "whole"
    tamper(evidence)
    (finding,) = examine(evidence).findings
    assert finding.severity == severity
    assert says in finding.text


def test_an_archiver_that_is_not_there_yet_is_behind():
    evidence = _evidence(WHOLE)
    evidence.archived[Place("flights", 0)] = 5
    evidence.archive_next[0] = 1
    (finding,) = examine(evidence).findings
    assert finding.severity == "behind"
    assert "10 received but not archived yet: the archiver is at offset 1 of 2." in finding.text
    evidence.archive_next.clear()
    assert "has not begun" in examine(evidence).findings[0].text


def test_what_retention_dropped_is_no_gap():
    evidence = _evidence(WHOLE)
    evidence.archived[Place("flights", 0)] = 5
    evidence.dropped["flights"] = "2026-01-31"
    (finding,) = examine(evidence).findings
    assert finding.severity == "note"
    assert "has dropped the days before 2026-01-31" in finding.text
    # But more than was received is one.
    evidence.archived[Place("flights", 0)] = 50
    assert [finding.severity for finding in examine(evidence).findings] == ["gap"]


def test_a_message_that_crashed_the_profiler_is_received_and_dead_lettered():
    evidence = _evidence(WHOLE)
    place = Place("flights", 0)
    evidence.letters.append(Letter(place, 3, 4, crashed=True))
    evidence.archived[place] += 4
    report = examine(evidence)
    assert report.status == "whole"
    assert (report.lines[0].received, report.lines[0].dead_lettered) == (19, 9)


def test_what_the_sdk_dropped_and_what_nobody_numbers_is_said_and_is_no_gap():
    books, accounts = Books(), Accounts("profiler")
    accounts.received(0, 0, _predictions("m", 3, Producer("p", 0, 2)), "rows_profiled")
    accounts.received(0, 1, _predictions("m", 3), "rows_profiled")
    accounts.received(0, 2, _predictions("m", 3, Producer("p", -5, 0)), "rows_profiled")
    accounts.unreadable(0, 3)
    _enter(books, accounts)
    letters = [Letter(Place("", 0), 3, 0, crashed=False)]
    evidence = Evidence(books, letters, True, {Place("m", 0): 9}, {0: 4}, [])  # noqa: FBT003
    report = examine(evidence)
    assert report.status == "whole"
    unreadable, line = report.lines
    assert (line.sent, line.dropped, line.received) == (3, 2, 9)
    assert (unreadable.model, unreadable.unreadable, unreadable.sent) == ("", 1, None)
    said = " ".join(finding.text for finding in report.findings)
    assert "dropped 2 predictions before sending" in said
    assert "6 of 9 came from producers that do not number" in said
    assert "1 message can't be read" in said


def test_very_many_producers_share_one_account_s_counts():
    books, accounts = Books(), Accounts("profiler")
    for number in range(2500):
        predictions = _predictions("m", 1, Producer(str(number), 0, 0))
        accounts.received(0, number, predictions, "rows_profiled")
    assert [len(record["producers"]) for record in accounts.records()] == [1000, 1000, 500]
    _enter(books, accounts)
    report = examine(Evidence(books, [], True, {Place("m", 0): 2500}, {0: 2500}, []))  # noqa: FBT003
    assert report.status == "whole"
    assert report.lines[0].sent == report.lines[0].received == 2500
