"""Formats are told apart on files that libraries wrote, and pickles are found wherever they are."""

import bz2
import gzip
import io
import lzma
import pickle
import tarfile
import zipfile
import zlib
from collections import OrderedDict
from fractions import Fraction

import joblib
import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from artifacts.written import FEATURES, WRITERS, classifier, graph_of_onnx, written
from kedge.artifacts import recognise
from kedge.artifacts.inputs import input_names, unlike
from kedge.artifacts.loading import load_model
from kedge.errors import KedgeError

CODE = Fraction(1, 3)
"""Unpickling it imports a class and calls it."""


class Own:
    """A type that skops has never heard of."""


@pytest.mark.parametrize("name", WRITERS)
def test_a_safe_format_is_recognised(tmp_path, name):
    found = recognise(written(name, tmp_path / "model"))
    assert (found.format, found.unsafe) == (WRITERS[name][1], None)
    # By content, except where only the name tells one format from another.
    if found.format not in ("json", "onnx"):
        anywhere = written(name, tmp_path / "again").rename(tmp_path / "content.bin")
        assert recognise(anywhere) == found


def test_a_folder_is_as_safe_as_what_is_in_it(tmp_path):
    folder = tmp_path / "model"
    written("safetensors", folder)
    (folder / "part").mkdir()
    assert recognise(folder) == recognise(tmp_path / "model")
    assert (recognise(folder).format, recognise(folder).unsafe) == ("folder", None)
    (folder / "part" / "arguments.bin").write_bytes(pickle.dumps(CODE))
    assert recognise(folder).unsafe == "part/arguments.bin is a pickle"


def _zipped(content, name="archive/data"):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("archive/version", "3")
        archive.writestr(name, content)
    return whole.getvalue()


def _tarred(content):
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        member = tarfile.TarInfo("weights")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return whole.getvalue()


HIDINGS = [
    bytes, _zipped, _tarred, gzip.compress, bz2.compress, lzma.compress, zlib.compress,
]  # fmt: skip

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=8,
)


codes = st.sampled_from([CODE, OrderedDict(a=1), np.arange(3), np.float64(2)])
protocols = st.integers(0, pickle.HIGHEST_PROTOCOL)


@given(values, codes, protocols, st.lists(st.sampled_from(HIDINGS), max_size=3))
def test_a_pickle_that_imports_is_found_wherever_it_is(
    tmp_path_factory, beside, code, protocol, hidings
):
    content = pickle.dumps([beside, code], protocol)
    for hide in hidings:
        content = hide(content)
    path = tmp_path_factory.mktemp("hidden") / "weights.bin"
    path.write_bytes(content)
    found = recognise(path)
    assert found.format == "pickle"
    assert found.unsafe.startswith("weights.bin")


class _CalledError(Exception):
    pass


class _Trap:
    def __new__(cls, *_args):
        raise _CalledError


class _Unpickler(pickle._Unpickler):
    """The standard library's own reader, that stops at what it would call."""

    def find_class(self, module, name):
        # Nothing of another name can be imported.
        if not all(part.isidentifier() for part in f"{module}.{name}".split(".")):
            raise ImportError(module)
        return _Trap


def _calls(content):
    try:
        _Unpickler(io.BytesIO(content)).load()
    except _CalledError:
        return True
    except Exception:  # noqa: BLE001 - it may raise anything
        return False
    return False


changes = st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=2), st.integers(0, 2)), max_size=4)


@settings(max_examples=300)
@given(values, codes, protocols, changes)
def test_whatever_the_unpickler_would_call_is_found(
    tmp_path_factory, beside, code, protocol, changed
):
    """Of pickles that somebody has tampered with, and of which not all is opcodes any more."""
    content = pickle.dumps([code, beside], protocol)
    for where, put, cut in changed:
        at = int(where * len(content))
        content = content[:at] + put + content[at + cut :]
    path = tmp_path_factory.getbasetemp() / "tampered.bin"
    path.write_bytes(content)
    event(f"calls: {_calls(content)}")
    if _calls(content):
        assert recognise(path).format == "pickle"


@given(st.text())
def test_text_is_no_pickle(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text)
    assert recognise(path).format == "other"


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_joblib_is_found_compressed_and_by_another_name(tmp_path, compress):
    joblib.dump(classifier(), tmp_path / "model.bin", compress=compress)
    assert recognise(tmp_path / "model.bin").format == "pickle"


def test_arrays_of_objects_are_pickles(tmp_path):
    np.savez(tmp_path / "model.npz", weights=np.arange(3), names=np.array([{}], dtype=object))
    assert recognise(tmp_path / "model.npz").unsafe == "model.npz/names.npy is a pickle"


def test_a_payload_before_bytes_that_are_no_opcodes_is_found(tmp_path):
    """`pickle.load` has run it before it comes to them."""
    path = tmp_path / "model.bin"
    path.write_bytes(pickle.dumps(CODE, 0)[:-1] + b"\xff\xff\xff")
    assert recognise(path).format == "pickle"


@pytest.mark.parametrize("name", ["model.pkl", "model.PICKLE", "model.joblib"])
def test_a_name_that_says_pickle_is_believed(tmp_path, name):
    (tmp_path / name).write_bytes(b"anything")
    assert recognise(tmp_path / name).format == "pickle"


def test_an_archive_that_can_not_be_read_is_not_taken_for_safe(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(_zipped(pickle.dumps(CODE))[:-30])
    assert "an archive that can't be read" in recognise(path).unsafe


def test_types_that_skops_does_not_trust_are_named(tmp_path):
    from skops.io import dump  # noqa: PLC0415 - slow

    model = classifier()
    model.extra_ = Own()
    dump(model, tmp_path / "model.skops")
    found = recognise(tmp_path / "model.skops")
    assert found.format == "skops"
    assert f"{Own.__module__}.Own" in found.unsafe


@pytest.mark.parametrize("name", ["lightgbm", "xgboost json", "xgboost ubj", "onnx"])
def test_formats_that_name_their_inputs_are_read(tmp_path, name):
    path = written(name, tmp_path / "model")
    assert input_names(path, WRITERS[name][1]) == tuple(FEATURES)


def test_what_names_no_inputs_says_so(tmp_path):
    from artifacts import written as library  # noqa: PLC0415

    library.booster_of_lightgbm().save_model(tmp_path / "model.txt")
    assert input_names(tmp_path / "model.txt", "lightgbm") is None
    for name in ("model.json", "model.ubj"):
        library.booster_of_xgboost().save_model(tmp_path / name)
        assert input_names(tmp_path / name, "xgboost") is None
    (tmp_path / "model.onnx").write_bytes(graph_of_onnx(["all"]).SerializeToString())
    assert input_names(tmp_path / "model.onnx", "onnx") is None
    assert input_names(written("json", tmp_path / "plain"), "json") is None


def test_names_are_compared_as_lightgbm_writes_them():
    assert unlike(["wind_speed", "gust"], ["wind speed", "id"]) == (["gust"], ["id"])


def test_models_are_loaded_as_their_libraries_load_them(tmp_path):
    rows = np.random.default_rng(1).random((5, 3))
    from artifacts import written as library  # noqa: PLC0415

    loaded = {
        name: load_model(written(name, tmp_path / name.replace(" ", "-")))
        for name in ("lightgbm", "skops", "safetensors", "json", "xgboost ubj")
    }
    assert np.array_equal(
        loaded["lightgbm"].predict(rows, num_threads=1),
        library.booster_of_lightgbm(FEATURES).predict(rows, num_threads=1),
    )
    assert np.array_equal(loaded["skops"].predict_proba(rows), classifier().predict_proba(rows))
    assert np.array_equal(loaded["safetensors"]["weights"], np.arange(6.0))
    assert loaded["json"] == {"trees": 3}
    assert loaded["xgboost ubj"].feature_names == FEATURES


def test_load_model_refuses_what_may_run_code_and_what_it_does_not_know(tmp_path):
    (tmp_path / "model.bin").write_bytes(pickle.dumps(CODE))
    with pytest.raises(KedgeError, match=r"model.bin is a pickle: load_model does not load it"):
        load_model(tmp_path / "model.bin")
    with pytest.raises(KedgeError, match=r"is other, and load_model loads onnx, skops"):
        load_model(written("csv", tmp_path / "csv"))
    with pytest.raises(KedgeError, match="there is no"):
        load_model(tmp_path / "gone")
