"""The archive in an object store: a server process that speaks the protocol of S3."""

import threading
import uuid

import duckdb
import pyarrow.parquet as pq
import pytest

from archiving import Archiver, Killed, finish, sent
from kedge.archive import Catalog, connect, open_archive
from kedge.archive.bucket import Bucket
from kedge.archive.clearing import clear, drop
from kedge.archive.compaction import Sizes, compact
from kedge.archive.snapshots import models_of
from kedge.errors import KedgeError
from services import eventually

SIZES = Sizes(1 << 20, 2)
LOG = [(0, 3), (1, 1), (3, 3)]
CHANGES = ("put_file", "pipe_file", "rm_file")


@pytest.fixture
def url(s3):
    return f"s3://{s3}/{uuid.uuid4().hex}/an archive"


def _ids(url):
    with connect(url) as connection:
        return sorted(name for (name,) in connection.sql("SELECT id FROM predictions").fetchall())


def _live(url):
    archiver = Archiver(url, LOG)
    while archiver.read(1):
        archiver.flush()
    store = open_archive(url)
    for folder in models_of(store, "predictions"):
        compact(store, folder, SIZES, 0.0)
        clear(store, folder, 1.0, 1.0)


def _dying(steps, *, comes_through):
    """Opens buckets that together take so many changes; of the next, no answer comes."""
    opened, left = Bucket.__init__, [steps]

    def counted(change):
        def call(*arguments, **options):
            left[0] -= 1
            if left[0] >= 0:
                return change(*arguments, **options)
            if left[0] == -1 and comes_through:
                change(*arguments, **options)
            raise Killed

        return call

    def opening(self, url):
        opened(self, url)
        for name in CHANGES:
            setattr(self._files, name, counted(getattr(self._files, name)))

    return opening


def test_killed_at_any_change_each_row_is_there_once(monkeypatch):
    for until in range(1000):
        url = f"memory://{uuid.uuid4().hex}"
        with monkeypatch.context() as patch:
            # Each other one is killed when the store has done it already.
            patch.setattr(Bucket, "__init__", _dying(until // 2, comes_through=until % 2 == 1))
            try:
                _live(url)
            except Killed:
                died = True
            else:
                died = False
        finish(url, LOG)
        store = open_archive(url)
        ids = [name for file in Catalog(store).files("predictions") for name in _in(store, file)]
        assert sorted(ids) == sent(LOG)
        if not died:
            break
    assert until > 30


def _in(store, name):
    with store.open(name) as file:
        return pq.ParquetFile(file).read(["id"])["id"].to_pylist()


def test_sql_reads_what_was_archived_compacted_and_dropped(url):
    finish(url, LOG[:1])
    finish(url, LOG)
    store = open_archive(url)
    assert _ids(url) == sent(LOG)
    assert compact(store, "predictions/model=flights", SIZES, 0.0) == 4
    assert _ids(url) == sent(LOG)
    assert clear(store, "predictions/model=flights", 1.0, 2.0) == 4
    assert _ids(url) == sent(LOG)
    for folder in models_of(store, "predictions"):
        drop(store, folder, "2013-02-02", 3.0)
        clear(store, folder, 1.0, 5.0)
    assert _ids(url) == [name for name in sent(LOG) if name.endswith("/1")]
    assert not Archiver(url, LOG).writer.replaying
    days = {name.split("/")[-2] for name, _ in store.below("predictions/model=flights")}
    assert days == {"date=2013-02-02"}


def test_a_reader_sees_what_comes_later(url):
    with connect(url) as connection:
        assert connection.sql("SELECT count(*) FROM predictions").fetchall() == [(0,)]
        finish(url, LOG)
        eventually(
            lambda: connection.sql("SELECT count(*) FROM scored").fetchall(),
            lambda found: found == [(len(sent(LOG)),)],
        )


def test_of_many_that_make_a_file_at_once_one_does(url):
    stores = [open_archive(url) for _ in range(8)]
    together, made = threading.Barrier(len(stores)), []

    def make(number, store):
        together.wait()
        if store.create("_journal/0.json", b"%d" % number):
            made.append(number)

    threads = [threading.Thread(target=make, args=each) for each in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = made
    assert stores[0].read("_journal/0.json") == b"%d" % winner


def test_a_snapshot_whose_answer_was_lost_stands(url, monkeypatch):
    """The client asks again, and is told that there is one already: its own."""
    finish(url, LOG[:1])
    finish(url, LOG)
    store = open_archive(url)
    put = store._files.pipe_file

    def twice(path, data, **options):
        put(path, data, **options)
        put(path, data, **options)

    monkeypatch.setattr(store._files, "pipe_file", twice)
    assert compact(store, "predictions/model=flights", SIZES, 0.0) == 4
    assert _ids(url) == sent(LOG)


def test_a_confined_reader_reads_nothing_else(url, s3, tmp_path):
    finish(url, LOG)
    (tmp_path / "secret.csv").write_text("a\n1\n")
    open_archive(f"s3://{s3}/elsewhere").create("secret.csv", b"a\n1\n")
    with connect(url, confined=True) as connection:
        assert connection.sql("SELECT count(*) FROM predictions").fetchall() == [(len(sent(LOG)),)]
        for other in (f"{tmp_path}/secret.csv", f"s3://{s3}/elsewhere/secret.csv"):
            with pytest.raises(duckdb.PermissionException):
                connection.sql(f"FROM read_csv('{other}')").fetchall()


@pytest.mark.usefixtures("s3")
def test_what_can_not_be_used_is_named_and_no_secret_is():
    with pytest.raises(
        KedgeError, match=r"s3://nowhere/x.*does not exist.*KEDGE_ARCHIVE__URL"
    ) as no:
        connect("s3://nowhere/x")
    assert "not-to-be-told" not in str(no.value)
    with pytest.raises(KedgeError, match="KEDGE_ARCHIVE__URL is s4://bucket"):
        open_archive("s4://bucket")
