"""The folds of a partition's releases, as the monitor asks for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kedge.profile import Profile
from kedge.statistics import Evidence, Season
from kedge.streams import evidence as module
from kedge.streams.evidence import EvidenceFolds
from kedge.streams.window import Window, WindowKey
from windows_of_evidence import MINUTE, counts_of, reference

REFERENCE = reference()


def _folds():
    return EvidenceFolds(base_window=MINUTE, keep=3 * MINUTE, burn_in=2)


def _asked(folds, release, minute, *, minutes=1, revision=0, seed=0, environment="production"):
    profile = counts_of(np.random.default_rng([seed, minute, release]), 200)
    window = Window((minute + minutes) * MINUTE, "mv", "cv", profile, revision)
    key = WindowKey("flights", environment, minute * MINUTE, release)
    return list(folds.statistics(key, window, lambda _release: REFERENCE))


def _restored(table):
    folds = _folds()
    for name, value in table.items():
        assert folds.restore(name, value)
    return folds


def _kept(table, folds):
    for name, value in folds.changes():
        if value is None:
            table.pop(name, None)
        else:
            table[name] = value


publications = st.lists(
    st.tuples(st.integers(1, 2), st.integers(0, 6), st.booleans(), st.booleans()), max_size=12
)


@given(publications, st.sampled_from([1, 2, 3, module.SNAPSHOT_EVERY]))
@settings(max_examples=40)
def test_a_restart_anywhere_gives_the_same_statistics(publications, every):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SNAPSHOT_EVERY", every)
        _check_restarts(publications)


def _check_restarts(publications):
    def told(restarting):
        folds, table, revisions = _folds(), {}, {}
        for release, minute, longer, killed in publications:
            key = release, minute, longer
            revisions[key] = revisions.get(key, -1) + 1
            minutes = 3 if longer else 1
            yield _asked(folds, release, minute, minutes=minutes, revision=revisions[key])
            _kept(table, folds)
            if killed and restarting:
                folds = _restored(table)

    assert list(told(restarting=True)) == list(told(restarting=False))


def test_the_values_are_those_of_a_fold_over_the_base_windows():
    folds, alone = _folds(), Evidence(REFERENCE, burn_in=2)
    for minute in range(6):
        profile = counts_of(np.random.default_rng([0, minute, 1]), 200)
        assert _asked(folds, 1, minute) == alone.observe(profile, minute * MINUTE)


def test_between_snapshots_only_windows_are_kept():
    folds, written = _folds(), []
    for minute in range(2 * module.SNAPSHOT_EVERY + 1):
        _asked(folds, 1, minute)
        written.append(dict(folds.changes()))
    sizes = [
        sum(len(value or b"") for name, value in each.items() if b"evidence_of" not in name)
        for each in written
    ]
    snapshots = [b'["evidence","flights","production",1]' in each for each in written]
    assert np.flatnonzero(snapshots).tolist() == [0, module.SNAPSHOT_EVERY, len(written) - 1]
    assert max(sizes[1 : module.SNAPSHOT_EVERY]) < sizes[module.SNAPSHOT_EVERY] / 20


def test_a_revision_says_what_was_said_first_and_changes_nothing():
    folds, table = _folds(), {}
    first = _asked(folds, 1, 0)
    _asked(folds, 1, 1)
    _kept(table, folds)
    before = dict(table)
    again = _asked(folds, 1, 0, revision=1, seed=9)
    assert [s.value for s in again] == [s.value for s in first]
    assert all("first publication" in s.note for s in again)
    _kept(table, folds)
    assert table == before


def test_a_longer_window_has_the_models_evidence_of_its_last_base_window():
    folds = _folds()
    for minute in range(3):
        last = _asked(folds, 1, minute)
    longer = _asked(folds, 1, 0, minutes=3)
    assert [(s.name, s.value) for s in longer] == [
        (s.name, s.value) for s in last if s.column is None
    ]
    assert all("last base window" in s.note for s in longer)
    assert _asked(folds, 2, 0, minutes=3) == []


def test_what_is_not_needed_any_more_is_forgotten(monkeypatch):
    monkeypatch.setattr(module, "RELEASES", 2)
    folds, table = _folds(), {}
    for minute in range(10):
        _asked(folds, 1, minute)
        _kept(table, folds)
    assert len(table) == 1 + 9 + 4
    (gone,) = _asked(folds, 1, 0, revision=1)
    assert (gone.value, gone.note) == (None, "no longer kept")
    for release in (2, 3):
        _asked(folds, release, 10 + release)
    _kept(table, folds)
    assert len(table) == 2 * 2
    # Another environment is another stream.
    _asked(folds, 1, 20, environment="staging")
    _kept(table, folds)
    assert len(table) == 3 * 2


def test_a_new_release_needs_no_burn_in_where_there_was_one_before():
    folds = _folds()
    assert "calibrating" in _asked(folds, 1, 0)[0].note
    for minute in range(1, 4):
        _asked(folds, 1, minute)
    assert _asked(folds, 2, 4)[0].note is None
    assert "calibrating" in _asked(folds, 2, 4, environment="staging")[0].note


def test_state_of_other_settings_begins_anew():
    folds, table = _folds(), {}
    for minute in range(4):
        _asked(folds, 1, minute)
    _kept(table, folds)
    changed = EvidenceFolds(
        base_window=MINUTE,
        keep=3 * MINUTE,
        burn_in=2,
        season_of=lambda _model, _environment: Season(24, 60 * MINUTE),
    )
    for name, value in table.items():
        changed.restore(name, value)
    assert "calibrating" in _asked(changed, 1, 4)[0].note


def test_other_state_is_left_to_others():
    assert not _folds().restore(b'["window","m","e",0,1]', b"{}")


def test_an_empty_window_is_no_evidence():
    folds = _folds()
    key = WindowKey("flights", "production", 0, 1)
    empty = Window(MINUTE, "mv", "cv", Profile.empty(REFERENCE), 0)
    assert folds.statistics(key, empty, lambda _release: REFERENCE)[0].value == pytest.approx(0)


def test_a_release_is_as_old_as_its_last_window_though_it_is_only_in_the_windows_since():
    folds, table = _folds(), {}
    for release, minute in ((1, 0), (2, 1), (1, 5)):
        _asked(folds, release, minute)
        _kept(table, folds)
    folds = _restored(table)
    # The third takes over from the one that had the last window, the first; so does the fourth.
    for release in (3, 4):
        _asked(folds, release, 6 if release == 3 else 4)
        assert folds._last(next(each for each in folds._folds if each.number == 1)) == 5 * MINUTE
