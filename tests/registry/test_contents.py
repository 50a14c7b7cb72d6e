import os
import shutil
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.registry import ContentError, ContentStore
from registry.building import write

names = st.lists(
    st.text("abc.é", min_size=1, max_size=3).filter(lambda name: name.strip(".")),
    min_size=1,
    max_size=3,
).map("/".join)


def _tree(files):
    """Which of the names can stand beside each other: none may be a folder of another."""
    return not any(one != two and two.startswith(f"{one}/") for one in files for two in files)


trees = st.dictionaries(names, st.binary(max_size=20), min_size=1, max_size=5).filter(_tree)


def _build(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def _read(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@given(trees, trees)
def test_folders_have_one_address_if_and_only_if_they_have_the_same_files(
    tmp_path_factory, one, two
):
    where = tmp_path_factory.mktemp("contents")
    store = ContentStore(where / "store")
    first = store.put(_build(where / "one", one))
    second = store.put(_build(where / "two", two))
    assert (first == second) == (one == two)
    assert _read(store.get(first)) == one
    assert _read(store.get(second)) == two


def test_a_file_keeps_its_suffix_and_not_its_name(tmp_path):
    store = ContentStore(tmp_path / "store")
    address = store.put(write(tmp_path / "monday.json", "{}"))
    assert store.put(write(tmp_path / "tuesday.json", "{}")) == address
    assert store.put(write(tmp_path / "monday.ubj", "{}")) != address
    assert store.get(address).name == "content.json"
    assert store.get(address).read_text() == "{}"


def test_the_same_content_is_there_once(tmp_path):
    store = ContentStore(tmp_path / "store")
    for name in ("a", "b"):
        store.put(_build(tmp_path / name, {"model.bin": bytes(100_000)}))
    stored = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert [path.stat().st_size for path in stored] == [100_000]


@pytest.mark.parametrize(
    "tamper",
    [
        lambda entry: (entry / "a.txt").write_text("bad"),
        lambda entry: (entry / "new.py").write_text("bad"),
        lambda entry: (entry / "a.txt").unlink(),
        lambda entry: (entry / "a.txt").rename(entry / "b.txt"),
        lambda entry: (entry.parent / "beside").write_text("bad"),
        shutil.rmtree,
        lambda entry: (entry / "link").symlink_to("/"),
    ],
    ids=["changed", "added", "removed", "renamed", "beside", "emptied", "linked"],
)
def test_a_change_in_the_store_is_noticed_and_registering_again_mends_it(tmp_path, tamper):
    store = ContentStore(tmp_path / "store")
    source = _build(tmp_path / "source", {"a.txt": b"good"})
    address = store.put(source)
    entry = store.get(address)
    for path in entry.iterdir():
        path.chmod(0o644)
    tamper(entry)
    with pytest.raises(ContentError, match=r"changed or damaged.*Register the same"):
        store.get(address)
    assert store.put(source) == address
    assert _read(store.get(address)) == {"a.txt": b"good"}


def test_what_is_missing_from_the_store_is_named_with_the_place(tmp_path):
    store = ContentStore(tmp_path / "store")
    with pytest.raises(ContentError, match=rf"content 0{{12}} is missing from {tmp_path}"):
        store.get("0" * 64)


def test_byte_code_beside_a_bundle_is_neither_stored_nor_kept(tmp_path):
    store = ContentStore(tmp_path / "store")
    files = {"inference.py": b"X = 1", "part/more.py": b"Y = 1"}
    source = _build(tmp_path / "source", files)
    address = store.put(source)
    write(source / "__pycache__" / "inference.cpython-311.pyc", "cached")
    assert store.put(source) == address
    planted = store.get(address)
    write(planted / "__pycache__" / "inference.cpython-311.pyc", "planted")
    write(planted / "part" / "__pycache__" / "more.cpython-311.pyc", "planted")
    assert _read(store.get(address)) == files


def test_links_to_files_are_followed_and_other_things_are_refused(tmp_path):
    store = ContentStore(tmp_path / "store")
    blob = write(tmp_path / "blob", "weights")
    snapshot = tmp_path / "snapshot"
    snapshot.mkdir()
    (snapshot / "model.safetensors").symlink_to(blob)
    stored = store.get(store.put(snapshot)) / "model.safetensors"
    assert not stored.is_symlink()
    assert stored.read_text() == "weights"

    (snapshot / "around").symlink_to(snapshot)
    with pytest.raises(ContentError, match=r"around is a link to a folder"):
        store.put(snapshot)
    (snapshot / "around").unlink()
    (snapshot / "nowhere").symlink_to(tmp_path / "gone")
    with pytest.raises(ContentError, match=r"nowhere .* leads nowhere"):
        store.put(snapshot)


def test_what_is_no_content_is_refused_and_leaves_nothing_behind(tmp_path):
    store = ContentStore(tmp_path / "store")
    (tmp_path / "empty" / "inside").mkdir(parents=True)
    with pytest.raises(ContentError, match="has no files"):
        store.put(tmp_path / "empty")
    with pytest.raises(ContentError, match=r"there is no .*gone"):
        store.put(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ContentError, match="neither a file nor a folder"):
        store.put(tmp_path / "pipe")
    # A path of a socket is short, so it is bound where the test stands.
    folder = tmp_path / "s"
    folder.mkdir()
    here = os.open(folder, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as endpoint:
        endpoint.bind(f"/proc/self/fd/{here}/endpoint")
        with pytest.raises(ContentError, match="endpoint is neither"):
            store.put(folder)
    os.close(here)
    assert list((tmp_path / "store").rglob("*")) == [tmp_path / "store" / "incoming"]


def test_threads_that_store_the_same_at_once_all_succeed(tmp_path):
    store = ContentStore(tmp_path / "store")
    source = _build(tmp_path / "source", {f"{i}.bin": bytes(10_000) for i in range(10)})
    addresses = []
    barrier = threading.Barrier(8)

    def put():
        barrier.wait()
        addresses.append(store.put(source))

    threads = [threading.Thread(target=put) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(addresses) == 8
    assert len(set(addresses)) == 1
    assert len(_read(store.get(addresses[0]))) == 10
    assert not list((tmp_path / "store" / "incoming").iterdir())
