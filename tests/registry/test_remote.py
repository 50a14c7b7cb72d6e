"""Artifacts in S3: a server process that speaks its protocol, and clients that share no disk."""

import shutil
import threading

import pytest
import s3fs
from botocore.exceptions import ConnectionError as NotReached
from fsspec.core import url_to_fs

from kedge.errors import KedgeError
from kedge.registry import ContentError, ContentStore
from kedge.registry.remote import RemoteStore
from registry.building import a_reference, write


@pytest.fixture
def bucket(s3, tmp_path):
    """URL of an empty place in a bucket."""
    return f"s3://{s3}/{tmp_path.name}"


@pytest.fixture
def store(bucket, tmp_path):
    """A store on a machine of its own, as far as its cache goes."""
    caches = iter(range(100))
    return lambda: RemoteStore(bucket, ContentStore(tmp_path / f"machine{next(caches)}"))


def _objects(bucket):
    files, root = url_to_fs(bucket, skip_instance_cache=True)
    return {path.removeprefix(f"{root}/"): files.cat_file(path) for path in files.find(root)}


def _folder(path):
    write(path / "inference.py", "import helper\n")
    write(path / "deep" / "a file #1?.txt", "text")
    (path / "weights.bin").write_bytes(bytes(range(256)) * 40_000)  # in several parts
    return path


def test_what_one_machine_stores_another_has_with_the_same_address(store, tmp_path, bucket):
    file, folder = write(tmp_path / "model.ubj", "{}"), _folder(tmp_path / "bundle")
    ours, theirs = store(), store()
    for source in (file, folder):
        address = ours.put(source)
        assert address == ContentStore(tmp_path / "local").put(source)
        found = theirs.get(address)
        if source is file:
            assert (found.name, found.read_text()) == ("content.ubj", "{}")
        else:
            names = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
            assert len(names) == 3
            for name in names:
                assert (found / name).read_bytes() == (folder / name).read_bytes()
    # Of each file one object, and one more for each content.
    assert len(_objects(bucket)) == 2 + 4


def test_the_same_again_changes_nothing_and_is_not_sent(store, tmp_path, bucket):
    source = _folder(tmp_path / "bundle")
    address = store().put(source)
    before = _objects(bucket)
    assert store().put(source) == address
    assert _objects(bucket) == before


def test_what_was_used_once_needs_no_server(store, tmp_path, monkeypatch):
    address = store().put(write(tmp_path / "model.json", "{}"))
    machine = store()
    machine.get(address)
    # Nobody listens there.
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    away = RemoteStore("s3://kedge/away", machine._cache)
    assert away.get(address).read_text() == "{}"
    with pytest.raises(ContentError, match=r"s3://kedge/away can't be used: .*AWS_") as error:
        away.get("0" * 64)
    assert isinstance(error.value.__cause__, NotReached)


@pytest.mark.parametrize("part", ["content.json", "manifest", "gone"])
def test_damage_is_noticed_on_either_side_and_registering_again_mends_it(
    store, tmp_path, bucket, part
):
    source = write(tmp_path / "model.json", "good")
    address = store().put(source)
    files, root = url_to_fs(bucket, skip_instance_cache=True)
    entry = f"{root}/{address[:2]}/{address}"
    if part == "gone":
        files.rm_file(f"{entry}/content.json")
    else:
        files.pipe_file(f"{entry}.json" if part == "manifest" else f"{entry}/{part}", b"bad")
    machine = store()
    with pytest.raises(ContentError, match=r"changed or damaged.*Register the same"):
        machine.get(address)
    assert not list((machine._cache._root).glob("??/*"))
    assert store().put(source) == address
    assert machine.get(address).read_text() == "good"
    # And a copy that was changed on this machine is fetched anew.
    copy = machine.get(address)
    copy.chmod(0o644)
    copy.write_text("bad")
    assert machine.get(address).read_text() == "good"


def test_content_whose_manifest_is_not_there_yet_is_not_there(store, tmp_path, bucket):
    """As a process leaves it that died in the middle of a registration."""
    source = _folder(tmp_path / "bundle")
    address = store().put(source)
    files, root = url_to_fs(bucket, skip_instance_cache=True)
    files.rm_file(f"{root}/{address[:2]}/{address}.json")
    with pytest.raises(ContentError, match=rf"is missing from {bucket}"):
        store().get(address)
    assert store().put(source) == address
    assert (store().get(address) / "inference.py").read_text() == "import helper\n"


def test_many_at_once_store_and_have_the_same(store, tmp_path):
    source = write(tmp_path / "model.json", "{}")
    machines = [store() for _ in range(4)]
    found = []
    together = threading.Barrier(len(machines))

    def put_and_get(machine):
        together.wait()
        found.append(machine.get(machine.put(source)).read_text())

    threads = [threading.Thread(target=put_and_get, args=(machine,)) for machine in machines]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["{}"] * len(machines)


def test_what_is_deleted_is_gone_on_the_server_and_here(store, tmp_path, bucket):
    ours = store()
    kept, gone = (ours.put(write(tmp_path / f"{name}.json", name)) for name in ("kept", "gone"))
    assert set(ours.addresses(0)) == {kept, gone}
    assert ours.addresses(3600) == []
    ours.delete(gone)
    assert ours.addresses(0) == [kept]
    assert not [path for path in _objects(bucket) if gone in path]
    with pytest.raises(ContentError, match="missing"):
        ours.get(gone)


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_is_not_there_is_named_and_not_made(tmp_path):
    lost = RemoteStore("s3://nowhere/prefix", ContentStore(tmp_path / "cache"))
    with pytest.raises(ContentError, match=r"s3://nowhere/prefix can't be used.*has to exist"):
        lost.put(write(tmp_path / "model.json", "{}"))
    assert not s3fs.S3FileSystem(skip_instance_cache=True).exists("nowhere")


@pytest.mark.parametrize("url", ["nothing://bucket/prefix", "s4://bucket"])
def test_a_url_that_nobody_knows_is_an_error_at_once(tmp_path, url):
    with pytest.raises(KedgeError, match=rf"KEDGE_REGISTRY__ARTIFACTS is {url}"):
        RemoteStore(url, ContentStore(tmp_path))


def test_the_registry_of_two_machines_with_one_bucket(bucket, tmp_path, monkeypatch):
    """All of it by settings: registered by one command line, served from another's cache."""
    monkeypatch.setenv("KEDGE_REGISTRY__URL", f"sqlite:///{tmp_path / 'registry.db'}")
    monkeypatch.setenv("KEDGE_REGISTRY__ARTIFACTS", bucket)
    from kedge.registry import Registry  # noqa: PLC0415 - as the rest of this test: by settings
    from kedge.settings import Settings  # noqa: PLC0415

    source = write(tmp_path / "source" / "model.json", "{}")
    with Registry.open(Settings(home=tmp_path / "a")) as registry:
        version = registry.register_model("m", source, a_reference(), actor="a")
    shutil.rmtree(tmp_path / "a")
    with Registry.open(Settings(home=tmp_path / "b")) as registry:
        artifact = registry.artifact(version.id)
    assert artifact.read_text() == "{}"
    assert artifact.is_relative_to(tmp_path / "b" / "artifact-cache")
