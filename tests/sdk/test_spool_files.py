"""The files of a spool: torn anywhere, what was whole comes back; the living and the dead apart."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heirs import adopt, drained
from kedge.sdk.messages import Message
from kedge.sdk.spool import Spool, segments
from kedge.sdk.spool.claims import Claim
from kedge.sdk.spool.records import packed, record_at, size

MOST = 1024 * 1024

messages = st.builds(
    Message,
    topic=st.text("abc.-_", max_size=20),
    key=st.none() | st.binary(max_size=20),
    value=st.binary(max_size=200),
    kind=st.sampled_from(["prediction", "outcome"]),
    events=st.integers(0, 2**32 - 1),
)


def message(number, length=100):
    return Message("t", None, number.to_bytes(4) * (length // 4), "prediction", 1)


def read(data):
    """The records of a file of these bytes, from its beginning on."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        place, found = 0, []
        while (record := record_at(file.fileno(), place, len(data))) is not None:
            found.append(record.message)
            place = record.end
    return found


@given(st.lists(messages, max_size=6), st.data())
def test_of_a_torn_file_the_whole_records_come_back(written, data):
    records = [packed(each) for each in written]
    assert [len(record) for record in records] == [size(each) for each in written]
    whole = b"".join(records)
    assert read(whole) == written
    torn_at = data.draw(st.integers(0, len(whole)))
    ends = [sum(map(len, records[: count + 1])) for count in range(len(records))]
    count = sum(end <= torn_at for end in ends)
    assert read(whole[:torn_at]) == written[:count]
    # As after a loss of power: the length is there, the bytes are not.
    rest = bytes(len(whole) - torn_at)
    if any(whole[torn_at:]):
        assert read(whole[:torn_at] + rest)[:count] == written[:count]


@given(st.lists(messages, min_size=1, max_size=4), st.data())
def test_a_flipped_bit_is_never_taken_for_a_message(written, data):
    records = [packed(each) for each in written]
    which = data.draw(st.integers(0, len(records) - 1))
    # The first byte is the mark, which says nothing about the message.
    place = data.draw(st.integers(1, len(records[which]) - 1))
    damaged = bytearray(records[which])
    damaged[place] ^= 1 << data.draw(st.integers(0, 7))
    found = read(b"".join([*records[:which], bytes(damaged), *records[which + 1 :]]))
    assert found == written[:which]


@given(
    st.lists(messages, max_size=30), st.sets(st.integers(0, 29)), st.sampled_from([64, 1000, 10**6])
)
def test_the_next_spool_hands_out_what_was_not_done(written, done, segment):
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder), segment * 32, pytest.fail)
        for each in written:
            assert spool.keep(each)
        handed = []
        while (kept := spool.peek()) is not None:
            spool.advance()
            handed.append(kept)
        assert [kept.message for kept in handed] == written
        for number in done & set(range(len(written))):
            spool.done(handed[number])
        left = [each for number, each in enumerate(written) if number not in done]
        assert spool.waiting == sum(each.events for each in left)
        # Everything is as the kernel leaves it after a kill: no file is closed properly.
        spool.abandon()
        heir = Spool(Path(folder), MOST, pytest.fail)
        heir.adopt()
        assert drained(heir) == left
        assert heir.waiting == 0
        heir.close()
        assert not list(Path(folder).iterdir())


def test_a_torn_end_is_passed_over_and_said(tmp_path):
    dead = Spool(tmp_path, MOST, pytest.fail)
    for number in range(3):
        dead.keep(message(number))
    dead.abandon()
    (path,) = tmp_path.glob("*/*" + segments.SUFFIX)
    os.truncate(path, path.stat().st_size - 1)
    noted = []
    heir = Spool(tmp_path, MOST, noted.append)
    heir.adopt()
    assert drained(heir) == [message(0), message(1)]
    heir.close()
    (said,) = noted
    assert f"{size(message(2)) - 1} bytes at the end of {path} are torn" in said
    assert not list(tmp_path.iterdir())


def test_what_came_back_is_handed_out_again(tmp_path):
    spool = Spool(tmp_path, MOST, pytest.fail)
    for number in range(3):
        spool.keep(message(number))
    out = []
    for _ in range(3):
        out.append(spool.peek())
        spool.advance()
    spool.done(out[1])
    spool.failed(out[0])
    spool.retry()
    assert spool.peek() is None  # one is still out: it must not be sent twice
    spool.failed(out[2])
    spool.retry()
    assert drained(spool) == [message(0), message(2)]
    spool.close()
    assert not list(tmp_path.iterdir())


def test_the_bound_holds_and_room_comes_back(tmp_path):
    most = 64 * 1024

    def on_disk():
        return sum(path.stat().st_size for path in tmp_path.glob("*/*" + segments.SUFFIX))

    spool = Spool(tmp_path, most, pytest.fail)
    kept = 0
    while spool.room(message(kept)):
        assert spool.keep(message(kept))
        kept += 1
        assert on_disk() <= most
    assert on_disk() > most - 200
    assert drained(spool) == [message(number) for number in range(kept)]
    assert spool.room(message(0))
    assert on_disk() <= most // 32
    spool.close()


def test_what_others_have_counts_too(tmp_path):
    most = 64 * 1024
    first = Spool(tmp_path, most, pytest.fail)
    while first.room(message(0)):
        first.keep(message(0))
    second = Spool(tmp_path, most, pytest.fail)
    assert not second.room(message(0))
    second.close()
    first.close()


def test_the_living_are_not_adopted_and_the_dead_by_one(tmp_path):
    alive = Spool(tmp_path, MOST, pytest.fail)
    alive.keep(message(1))
    dead = Spool(tmp_path, MOST, pytest.fail)
    dead.keep(message(2))
    dead.abandon()
    heirs = [Spool(tmp_path, MOST, pytest.fail) for _ in range(2)]
    for heir in heirs:
        heir.adopt()
    assert [drained(heir) for heir in heirs] == [[message(2)], []]
    for spool in (*heirs, alive):
        spool.close()
    assert len(list(tmp_path.iterdir())) == 1  # of the one that left something


def test_processes_that_race_for_the_dead_get_each_message_once(tmp_path):
    for number in range(20):
        dead = Spool(tmp_path, MOST, pytest.fail)
        dead.keep(message(number))
        dead.abandon()
    context = multiprocessing.get_context("forkserver")
    barrier, results = context.Barrier(3), context.Queue()
    heirs = [
        context.Process(target=adopt, args=(tmp_path, MOST, barrier, results)) for _ in range(3)
    ]
    for heir in heirs:
        heir.start()
    got = [value for _ in heirs for value in results.get(timeout=60)]
    for heir in heirs:
        heir.join()
        assert heir.exitcode == 0
    assert sorted(got) == [message(number).value for number in range(20)]
    assert not list(tmp_path.iterdir())


def test_a_claim_is_kept_by_the_parent_when_a_child_lets_go(tmp_path):
    claim = Claim.fresh(tmp_path)
    if (child := os.fork()) == 0:
        claim.release()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert Claim.adopt(claim.path) is None
    claim.remove()
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_format_is_left_alone(tmp_path):
    other = tmp_path / "old" / "00000001.spool9"
    other.parent.mkdir()
    (other.parent / "lock").touch()
    other.write_bytes(b"of a later release")
    spool = Spool(tmp_path, MOST, pytest.fail)
    spool.adopt()
    assert drained(spool) == []
    spool.close()
    assert other.read_bytes() == b"of a later release"


def test_a_folder_that_somebody_removed_is_made_again(tmp_path):
    noted = []
    spool = Spool(tmp_path / "spool", 64 * 1024, noted.append)
    spool.keep(message(1, 4000))
    for path in sorted((tmp_path / "spool").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    # The open file takes what fits into it; the next file is missed by one message.
    kept = [spool.keep(message(number, 4000)) for number in range(2, 5)]
    assert kept.count(False) == len(noted) == 1
    assert kept[-1]
    spool.close()


FULL = """
import resource, sys
from pathlib import Path
from kedge.sdk.messages import Message
from kedge.sdk.spool import Spool
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
noted = []
spool = Spool(Path(sys.argv[1]), 1 << 20, noted.append)
kept = [spool.keep(Message("t", None, bytes([number]) * 300, "prediction", 1))
        for number in range(20)]
assert True in kept and False in kept and len(noted) == kept.count(False), (kept, noted)
got = []
while (each := spool.peek()) is not None:
    spool.advance(); spool.done(each); got.append(each.message.value[0])
assert got == [number for number, one in enumerate(kept) if one], (got, kept)
spool.close()
"""


def test_a_file_that_may_not_grow_has_whole_records_only(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
