"""What two releases differ in, for every part that can change alone."""

import dataclasses

import pytest

from kedge.contracts import columns_of
from kedge.profile import ColumnSpec, reference_of
from kedge.registry import Registry
from registry.building import write

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ROWS = [{"x": float(n), "carrier": "AA"} for n in range(20)]


def _reference(rows, **minimum):
    specs = [
        ColumnSpec("x", "feature", "numeric", **minimum),
        *([ColumnSpec("carrier", "feature", "categorical")] if "carrier" in rows[0] else []),
    ]
    return reference_of(columns_of(rows, "feature"), specs)


@pytest.fixture
def make(home, tmp_path):
    """Register a release; what is not given is as in the first."""
    with Registry.open(home) as registry:

        def released(text="{}", rows=ROWS, code="A = 1\n", commit=None, **minimum):
            artifact = write(tmp_path / "source" / "model.json", text)
            version = registry.register_model("m", artifact, _reference(rows, **minimum), actor="a")
            bundle = write(tmp_path / "source" / "inference.py", code)
            made = registry.register_code("m", bundle, commit, actor="a")
            return registry.create_release("m", version.id, made.id, actor="a").number

        yield registry, released


def _found(registry, before, after):
    return [(each.part, each.what) for each in registry.compare("m", before, after)]


def test_each_part_that_changes_is_named_and_no_other(make):
    registry, released = make
    first = released()
    assert _found(registry, first, released()) == []
    assert _found(registry, first, released(text="{ }")) == [("artifact", "content")]
    assert _found(registry, first, released(code="A = 2\n")) == [("code", "bundle")]
    assert _found(registry, first, released(commit=COMMIT)) == [("code", "commit")]
    assert _found(registry, first, released(minimum=0.0)) == [("signature", "feature x")]
    moved = [row | {"x": row["x"] + 1} for row in ROWS]
    assert _found(registry, first, released(rows=moved)) == [("reference", "feature x")]
    narrower = [{"x": row["x"]} for row in ROWS]
    assert _found(registry, first, released(rows=narrower)) == [("signature", "feature carrier")]
    assert _found(registry, first, released(rows=ROWS * 2)) == [
        ("reference", "feature x"),
        ("reference", "feature carrier"),
        ("reference", "rows"),
    ]


def test_the_way_back_is_the_same_with_before_and_after_swapped(make):
    registry, released = make
    first, second = released(), released(text="{ }", rows=ROWS[:10], code="A = 2\n")
    there, back = registry.compare("m", first, second), registry.compare("m", second, first)
    assert there
    assert back == [
        dataclasses.replace(each, before=each.after, after=each.before) for each in there
    ]


def test_another_model_version_is_never_the_same(make, tmp_path):
    """Neither counts nor bins differ here, but how the features go together does."""
    registry, _ = make
    apart = [{"x": float(n), "y": float(n % 5)} for n in range(20)]
    joined = [{"x": float(n), "y": float(n // 4)} for n in range(20)]
    specs = [ColumnSpec(name, "feature", "numeric") for name in ("x", "y")]
    numbers = []
    for rows in (apart, joined):
        artifact = write(tmp_path / "source" / "model.json", "{}")
        version = registry.register_model(
            "m", artifact, reference_of(columns_of(rows, "feature"), specs), actor="a"
        )
        code = registry.register_code("m", commit=COMMIT, actor="a")
        numbers.append(registry.create_release("m", version.id, code.id, actor="a").number)
    found = _found(registry, *numbers)
    assert ("reference", "features' projection") in found
