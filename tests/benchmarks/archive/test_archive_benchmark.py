"""The archive's benchmark in its short form: that what it measures is right."""

from benchmarks.archive import history, join, paired


def test_every_outcome_is_joined_once_however_little_is_read_at_a_time(tmp_path):
    history.write_history(tmp_path, 30_000, join.DAYS, a_file=3_000)
    *_reading, joined, _disk = join.measured(tmp_path, 30_000, 3_000)
    # One more than asked: the first, which makes the evaluator read.
    assert (joined["outcomes"], joined["joined"]) == (3_001, 3_001)


def test_the_archive_and_one_file_by_hand_give_the_same_answers(tmp_path):
    paired.write_messages(tmp_path / "messages", 4_000, 4)
    paired._ingest(tmp_path)
    paired._hand_tuned(tmp_path)
    for query in paired.QUERIES.values():
        answer = paired._answer(tmp_path, query, tuned=False)
        assert answer == paired._answer(tmp_path, query, tuned=True)
        assert answer[0][0] > 0
    paired._copy(tmp_path)
    copied = f"read_parquet('{tmp_path}/copied/**/*.parquet')"
    assert paired.duckdb.sql(f"SELECT count(*) FROM {copied}").fetchall() == [(4_000,)]
    assert paired._bytes(tmp_path, 4_000)["archive"] > 0
