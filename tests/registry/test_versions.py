import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import columns_of
from kedge.errors import KedgeError
from kedge.profile import ColumnSpec, Reference, reference_of
from kedge.registry import (
    AmbiguousVersionError,
    BadNameError,
    CodeConflictError,
    ContentError,
    DatabaseUnavailableError,
    Registry,
    UnknownModelError,
    UnknownVersionError,
)
from kedge.registry.addresses import reference_text
from kedge.settings import Settings
from registry.building import a_reference, write
from strategies import feature_rows

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def registry(home):
    with Registry.open(home, now=iter(range(1_000, 10_000)).__next__) as registry:
        yield registry


@pytest.fixture
def artifact(tmp_path):
    return write(tmp_path / "source" / "model.json", '{"trees": 3}')


def _stored(home):
    return sorted(path for path in (home.home / "artifacts").rglob("*") if path.is_file())


def test_the_same_again_is_the_same_version_and_stores_nothing(registry, artifact, home):
    first = registry.register_model("m", artifact, a_reference(1.0, 2.0), actor="ann")
    stored = _stored(home)
    again = registry.register_model("m", artifact, a_reference(1.0, 2.0), actor="bob")
    assert (again.id, again.actor, again.created_at) == (first.id, "ann", first.created_at)
    assert len(registry.model_versions("m")) == 1
    assert _stored(home) == stored


def test_the_id_is_of_artifact_signature_and_reference(registry, artifact, tmp_path):
    def column(spec):
        return dataclasses.replace(a_reference(1.0).columns[0], spec=spec)

    spec = ColumnSpec("x", "feature", "numeric")
    base = Reference(1, (column(spec),))
    bounded = Reference(1, (column(dataclasses.replace(spec, minimum=0)),))
    more = dataclasses.replace(base, rows=2)
    other = write(tmp_path / "source" / "other.json", "{}")
    ids = [
        registry.register_model("m", path, reference, actor="a").id
        for path, reference in [
            (artifact, base),
            (artifact, bounded),
            (artifact, more),
            (other, base),
        ]
    ]
    assert len(set(ids)) == 4
    # The same bound, written with a fraction.
    same = Reference(1, (column(dataclasses.replace(spec, minimum=0.0)),))
    assert registry.register_model("m", artifact, same, actor="a").id == ids[1]
    # Another model of the same content has the same id, and keeps its own entry.
    assert registry.register_model("n", artifact, base, actor="a").id == ids[0]
    assert registry.models() == ["m", "n"]
    assert registry.artifact(ids[0]).read_text() == '{"trees": 3}'


@given(st.lists(feature_rows, min_size=1, max_size=10))
def test_a_reference_comes_back_as_it_was(tmp_path_factory, rows):
    columns = columns_of(rows, "feature")
    try:
        reference = reference_of(columns)
    except ValueError:  # no columns, or mixed types: not the registry's business
        return
    home = tmp_path_factory.mktemp("home")
    artifact = write(home / "model.bin", "weights")
    with Registry.open(Settings(home=home)) as registry:
        stored = registry.register_model("m", artifact, reference, actor="a")
        back = registry.model_version("m", stored.id)
    assert back.reference.to_record() == reference.to_record()
    assert back.signature == reference.signature
    assert reference_text(back.reference) == reference_text(reference)
    assert json.loads(reference_text(reference)) == reference.to_record()


def test_ids_may_be_cut_short(registry, artifact):
    version = registry.register_model("m", artifact, a_reference(), actor="a")
    assert registry.model_version("m", version.id[:6]).id == version.id
    with pytest.raises(UnknownVersionError, match=rf"id `{version.id[:5]}`; .*{version.id[:12]}"):
        registry.model_version("m", version.id[:5])
    with pytest.raises(UnknownVersionError, match="the newest"):
        registry.model_version("m", "%%%%%%%%")
    twin = COMMIT[:-1] + "0"
    for commit in (COMMIT, twin):
        registry.register_code("m", commit=commit, actor="a")
    with pytest.raises(AmbiguousVersionError, match="could be any code version"):
        registry.code_version("m", COMMIT[:20])
    assert registry.code_version("m", COMMIT).commit == COMMIT


def test_one_store_for_models_and_code(registry, home, tmp_path):
    script = write(tmp_path / "source" / "inference.py", "X = 1")
    version = registry.register_model("m", script, a_reference(), actor="a")
    code = registry.register_code("m", script, actor="a")
    assert version.artifact == code.bundle == code.id
    assert len(_stored(home)) == 1
    assert registry.bundle(code.id).read_text() == "X = 1"


def test_new_code_stores_no_second_copy_of_the_model(registry, artifact, home, tmp_path):
    version = registry.register_model("m", artifact, a_reference(), actor="a")
    for fix in ("X = 1", "X = 2"):
        code = registry.register_code("m", write(tmp_path / "s" / "i.py", fix), actor="a")
        registry.create_release("m", version.id, code.id, actor="a")
    contents = sorted(path.read_text() for path in _stored(home))
    assert contents == ["X = 1", "X = 2", '{"trees": 3}']
    assert [release.model_version for release in registry.releases("m")] == [version.id] * 2


def test_a_commit_names_the_code_with_or_without_a_bundle(registry, tmp_path):
    script = write(tmp_path / "source" / "inference.py", "X = 1")
    other = write(tmp_path / "source" / "other.py", "X = 2")
    code = registry.register_code("m", script, COMMIT, actor="a")
    assert (code.id, code.commit) == (COMMIT, COMMIT)
    assert registry.register_code("m", script, COMMIT, actor="b") == code
    for conflicting in (other, None):
        with pytest.raises(CodeConflictError, match="A code version never changes"):
            registry.register_code("m", conflicting, COMMIT, actor="a")
    assert registry.bundle(COMMIT).read_text() == "X = 1"

    bare = registry.register_code("bare", commit=COMMIT[::-1], actor="a")
    with pytest.raises(ContentError, match="registered without a bundle"):
        registry.bundle(bare.id)


def test_one_commit_with_bundles_of_several_models_asks_which(registry, tmp_path):
    for model in ("m", "n"):
        script = write(tmp_path / "source" / f"{model}.py", model)
        registry.register_code(model, script, COMMIT, actor="a")
    with pytest.raises(ContentError, match="say which model"):
        registry.bundle(COMMIT)
    assert registry.bundle(COMMIT, model="n").read_text() == "n"


def test_bundles_have_to_be_code(registry, artifact, tmp_path):
    with pytest.raises(ContentError, match=r"has to end with \.py"):
        registry.register_code("m", artifact, actor="a")
    folder = write(tmp_path / "code" / "main.py", "").parent
    with pytest.raises(ContentError, match=r"has no `inference\.py`"):
        registry.register_code("m", folder, actor="a")
    with pytest.raises(BadNameError, match="a bundle, a commit or both"):
        registry.register_code("m", actor="a")
    with pytest.raises(BadNameError, match="git rev-parse HEAD"):
        registry.register_code("m", commit="abc123", actor="a")


@pytest.mark.parametrize("name", ["", "a/b", "a b", "-x", ".x", "x" * 101, "naïve", "a\n"])
def test_names_that_fit_no_key_are_refused(registry, artifact, name):
    with pytest.raises(BadNameError, match="can't be the name of a model"):
        registry.register_model(name, artifact, a_reference(), actor="a")
    assert registry.models() == []


@pytest.mark.parametrize("actor", ["", "  ", "a\0", "\ud800", "x" * 10_001])
def test_actors_that_say_nothing_or_too_much_are_refused(registry, artifact, actor):
    with pytest.raises(BadNameError, match="actor"):
        registry.register_model("m", artifact, a_reference(), actor=actor)


def test_unknown_models_get_the_nearest_names(registry, artifact):
    for call in (registry.releases, registry.model_versions, registry.code_versions):
        with pytest.raises(UnknownModelError, match="there is none yet"):
            call("flights")
    registry.register_model("flights", artifact, a_reference(), actor="a")
    with pytest.raises(UnknownModelError, match="did you mean `flights`"):
        registry.releases("flight")
    with pytest.raises(UnknownModelError, match="there is `flights`"):
        registry.releases("zzz")


def test_a_tampered_artifact_is_not_given_out(registry, artifact):
    version = registry.register_model("m", artifact, a_reference(), actor="a")
    path = registry.artifact(version.id)
    path.chmod(0o644)
    path.write_text('{"trees": 4}')
    with pytest.raises(ContentError, match="changed or damaged"):
        registry.artifact(version.id)
    registry.register_model("m", artifact, a_reference(), actor="a")
    assert registry.artifact(version.id).read_text() == '{"trees": 3}'


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("nonsense", "can't be used"),
        ("oracle8://x", "can't be used"),
        ("sqlite:////dev/null/x/y", "folder can't be made"),
    ],
)
def test_urls_that_name_no_database(tmp_path, url, said):
    with pytest.raises(KedgeError, match=said):
        Registry.open(Settings(home=tmp_path, registry={"url": url}))


def test_a_file_that_is_no_database(tmp_path):
    write(tmp_path / "registry.db", "no database" * 1000)
    with pytest.raises(DatabaseUnavailableError, match=r"registry\.db can't be used"):
        Registry.open(Settings(home=tmp_path))
