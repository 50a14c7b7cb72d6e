"""Artifacts at their registration: formats, pickles, the names of inputs, and what is stored."""

import pickle
from fractions import Fraction

import numpy as np
import pytest

from artifacts.written import FEATURES, WRITERS, written
from kedge.contracts import columns_of
from kedge.profile import reference_of
from kedge.registry import ContentError, Registry, SignatureError, UnsafeArtifactError
from registry.building import a_reference, plain_connection, write


def reference_for(features):
    return reference_of(columns_of([dict.fromkeys(features, 1.0)], "feature"))


@pytest.fixture
def registry(home):
    with Registry.open(home) as registry:
        yield registry


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", WRITERS)
def test_a_version_knows_the_format_of_its_artifact(registry, tmp_path, name):
    artifact = written(name, tmp_path / "source")
    version = registry.register_model("m", artifact, reference_for(FEATURES), actor="ann")
    assert (version.format, version.pickle_allowed_by) == (WRITERS[name][1], None)
    assert registry.model_version("m", version.id).format == version.format


def _pickled(tmp_path):
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(Fraction(1, 3)))
    return path


def test_a_pickle_is_refused_until_somebody_allows_it_and_that_is_kept(registry, tmp_path, home):
    path = _pickled(tmp_path)
    with pytest.raises(UnsafeArtifactError, match=r"model.pkl is a pickle.*skops.*--allow-pickle"):
        registry.register_model("m", path, a_reference(), actor="ann")
    assert registry.models() == []
    assert not list((home.home / "artifacts").glob("??/*"))

    allow = {"actor": "ann", "allow_pickle": True}
    version = registry.register_model("m", path, a_reference(), **allow)
    assert (version.format, version.pickle_allowed_by) == ("pickle", "ann")
    # Who allowed it first stays.
    allow["actor"] = "ben"
    registry.register_model("m", path, a_reference(), **allow)
    (known,) = registry.model_versions("m")
    assert (known.id, known.pickle_allowed_by) == (version.id, "ann")
    with plain_connection(home) as connection, pytest.raises(Exception, match="append-only"):
        connection.exec_driver_sql("UPDATE pickle_permissions SET actor = 'eve'")


def test_allowing_is_not_kept_where_there_is_nothing_to_allow(registry, tmp_path):
    artifact = write(tmp_path / "model.json", "{}")
    version = registry.register_model("m", artifact, a_reference(), actor="a", allow_pickle=True)
    assert version.pickle_allowed_by is None


@pytest.mark.parametrize("home", ["sqlite"], indirect=True)
def test_an_artifact_that_names_other_inputs_than_its_reference_is_refused(registry, tmp_path):
    artifact = written("lightgbm", tmp_path / "source")
    columns = ["distance", "month", "flight_id"]
    with pytest.raises(SignatureError) as error:
        registry.register_model("m", artifact, reference_for(columns), actor="ann")
    assert "takes `wind_speed`, which the reference does not have" in str(error.value)
    assert "does not take `flight_id`, which the reference has as features" in str(error.value)
    differ = {"actor": "ann", "inputs_differ": True}
    assert registry.register_model("m", artifact, reference_for(columns), **differ)


def test_new_code_for_a_model_stores_no_second_copy_of_it(registry, tmp_path, home):
    artifact = tmp_path / "source" / "weights.bin"
    write(artifact, "").write_bytes(np.random.default_rng(1).bytes(3_000_000))
    version = registry.register_model("m", artifact, a_reference(), actor="a")

    def on_disk():
        return sum(f.stat().st_blocks * 512 for f in (home.home / "artifacts").rglob("*"))

    def release(number):
        code = write(tmp_path / str(number) / "inference.py", f"FILL_IN = {number}\n")
        again = registry.register_model("m", artifact, a_reference(), actor="a")
        assert again.id == version.id
        bundle = registry.register_code("m", code, actor="a")
        registry.create_release("m", version.id, bundle.id, actor="a")

    release(1)
    before = on_disk()
    assert before > 3_000_000
    for number in range(2, 12):
        release(number)
    # Ten files of a line each, with their folders.
    assert on_disk() - before < 10 * 3 * 4096 + 1
    assert len({release.model_version for release in registry.releases("m")}) == 1
    assert len({release.code_version for release in registry.releases("m")}) == 11


def test_content_that_nothing_has_is_collected_and_no_other(registry, tmp_path, home):
    def model(name):
        return registry.register_model(
            "m", write(tmp_path / f"{name}.json", name), a_reference(), actor="a"
        )

    kept, gone = model("kept"), model("gone")
    code = registry.register_code("m", write(tmp_path / "inference.py", "X = 1\n"), actor="a")
    registry.delete_model_version("m", gone.id, actor="ann", reason="never used")
    # What is young may belong to a registration that is under way.
    assert registry.collect(older_than=3600) == []
    assert registry.collect(older_than=0, dry_run=True) == [gone.artifact]
    assert registry.collect(older_than=0) == [gone.artifact]
    assert registry.artifact(kept.id).read_text() == "kept"
    assert registry.bundle(code.id).is_file()
    assert not list((home.home / "artifacts").glob(f"*/{gone.artifact}*"))
    with pytest.raises(ContentError, match="missing"):
        registry._contents.get(gone.artifact)
    assert model("gone").artifact == gone.artifact
    assert registry.artifact(gone.id).read_text() == "gone"
