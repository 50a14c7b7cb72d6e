"""Inference code loaded from bundles."""

import sys

import pytest

from kedge.errors import KedgeError
from kedge.serving.code import load_code

FUNCTIONS = "def load(a): ...\ndef prepare(i): ...\n"


def _bundle(folder, value):
    folder.mkdir()
    (folder / "inference.py").write_text(
        f"import constants\n{FUNCTIONS}def predict(m, rows): return [constants.VALUE] * len(rows)\n"
    )
    (folder / "constants.py").write_text(f"VALUE = {value}\n")
    return folder


def test_versions_with_files_of_the_same_names_keep_apart(tmp_path):
    first = load_code(_bundle(tmp_path / "a", 1), "a")
    second = load_code(_bundle(tmp_path / "b", 2), "b")
    assert (first.predict(None, [{}]), second.predict(None, [{}])) == ([1], [2])
    assert "constants" not in sys.modules
    assert str(tmp_path / "a") not in sys.path


def test_loading_leaves_the_bundle_as_it_was(tmp_path):
    bundle = _bundle(tmp_path / "a", 1)
    load_code(bundle, "a")
    assert sorted(path.name for path in bundle.rglob("*")) == ["constants.py", "inference.py"]


def test_a_file_without_an_ending_is_a_bundle_too(tmp_path):
    (tmp_path / "content").write_text(FUNCTIONS + "def predict(m, rows): return rows\n")
    assert load_code(tmp_path / "content", "v").predict(None, [1]) == [1]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (FUNCTIONS, "defines no function predict"),
        ("import no_such_module_at_all\n", "no_such_module_at_all"),
        ("def f(:\n", "SyntaxError"),
    ],
)
def test_what_is_wrong_with_the_code_is_said(tmp_path, text, says):
    (tmp_path / "inference.py").write_text(text)
    with pytest.raises(KedgeError, match=says):
        load_code(tmp_path, "v")


def test_a_folder_without_an_entry_is_refused(tmp_path):
    with pytest.raises(KedgeError, match=r"has no inference\.py"):
        load_code(tmp_path, "v")
