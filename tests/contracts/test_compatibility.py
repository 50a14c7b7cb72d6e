"""Every released version of a schema and the current one read each other's data."""

import copy
import io
import json

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts.schemas import NAMES, by_fingerprint, current, directory, load
from strategies import avro_values


def _versions(name):
    released = sorted((directory() / "released" / name).glob("*.avsc"), key=lambda p: int(p.stem))
    return [json.loads(path.read_text()) for path in released]


def _read(writer, reader, record):
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(copy.deepcopy(writer)), record)
    buffer.seek(0)
    return fastavro.schemaless_reader(
        buffer,
        fastavro.parse_schema(copy.deepcopy(writer)),
        fastavro.parse_schema(copy.deepcopy(reader)),
    )


def _field_names(schema):
    return {field["name"] for field in schema["fields"]}


@pytest.mark.parametrize("name", NAMES)
def test_the_current_schema_is_released(name):
    newest = max((directory() / "released" / name).glob("*.avsc"), key=lambda p: int(p.stem))
    assert load(newest, name).fingerprint == current(name).fingerprint, (
        f"schemas/{name}.avsc has changed: keep a copy as released/{name}/{int(newest.stem) + 1}"
        ".avsc, so that messages written with either can be read for ever"
    )


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_versions_read_each_other(name, data):
    versions = _versions(name)
    for writer in versions:
        record = data.draw(avro_values(writer))
        for reader in versions:
            assert set(_read(writer, reader, record)) == _field_names(reader)


def test_the_check_sees_an_incompatible_change():
    before = _versions("outcome")[-1]
    after = copy.deepcopy(before)
    after["fields"].append({"name": "certainty", "type": "double"})
    record = {
        "prediction_id": "p",
        "model": "m",
        "environment": "e",
        "known_at": 0,
        "truth": None,
        "producer": None,
    }
    with pytest.raises(fastavro.read.SchemaResolutionError):
        _read(before, after, record)


def test_every_version_has_its_own_fingerprint():
    distinct = {(c.name, c.fingerprint) for c in by_fingerprint().values()}
    assert len(distinct) == len(by_fingerprint())
    assert {c.name for c in by_fingerprint().values()} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_documented(name):
    def undocumented(node, path):
        if isinstance(node, list):
            for item in node:
                yield from undocumented(item, path)
        elif isinstance(node, dict):
            for field in node.get("fields", ()):
                here = f"{path}.{field['name']}"
                if not field.get("doc"):
                    yield here
                yield from undocumented(field["type"], here)
            for key in ("type", "items", "values"):
                yield from undocumented(node.get(key), path)

    assert list(undocumented(json.loads((directory() / f"{name}.avsc").read_text()), name)) == []
