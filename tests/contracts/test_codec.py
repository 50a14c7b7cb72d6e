import json
import struct

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.contracts import UnreadableMessageError, decode, encode
from kedge.contracts.schemas import NAMES, crc_64_avro, current, directory
from strategies import avro_values


@pytest.mark.parametrize(
    ("schema", "published"),
    # Apache Avro, share/test/data/schema-tests.txt
    [
        ('"null"', 7195948357588979594),
        ('"boolean"', -6970731678124411036),
        ('"int"', 8247732601305521295),
    ],
)
def test_fingerprint_is_the_one_that_avro_publishes(schema, published):
    assert struct.unpack("<q", crc_64_avro(schema.encode()).to_bytes(8, "little")) == (published,)


@pytest.mark.parametrize("name", NAMES)
def test_fingerprint_agrees_with_fastavro(name):
    canonical = fastavro.schema.to_parsing_canonical_form(
        json.loads((directory() / f"{name}.avsc").read_text())
    )
    # fastavro prints the bytes in little-endian order, as they stand in a message.
    assert fastavro.schema.fingerprint(canonical, "CRC-64-AVRO") == current(name).fingerprint.hex()


def _plain(value):
    """Union branches without their names, as fastavro reads them back."""
    if isinstance(value, tuple):
        return _plain(value[1])
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
def test_what_is_written_is_read(name, data):
    schema = json.loads((directory() / f"{name}.avsc").read_text())
    record = data.draw(avro_values(schema))
    assert decode(encode(name, record)) == (name, _plain(record))


def _valid_outcome():
    return encode(
        "outcome",
        {
            "prediction_id": "p",
            "model": "flights",
            "environment": "test",
            "known_at": 5,
            "truth": [0.5, 1.5],
            "producer": {"id": "x", "sequence": 3, "dropped": 0},
        },
    )


@given(st.data())
def test_cut_or_changed_bytes_are_refused_or_read_but_never_crash(data):
    message = bytearray(_valid_outcome())
    for position in data.draw(st.lists(st.integers(0, len(message) - 1), max_size=4)):
        message[position] = data.draw(st.integers(0, 255))
    cut = bytes(message[: data.draw(st.integers(0, len(message)))])
    try:
        name, record = decode(cut)
    except UnreadableMessageError:
        return
    assert name == "outcome"
    assert set(record) == {
        "prediction_id",
        "model",
        "environment",
        "known_at",
        "truth",
        "producer",
    }


@given(st.integers(0, len(_valid_outcome()) - 1))
def test_every_truncation_is_refused(length):
    with pytest.raises(UnreadableMessageError):
        decode(_valid_outcome()[:length])


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (None, "no value"),
        (b"", "no value"),
        (b"\x00\x00\x00\x00\x07abc", "Confluent wire format"),
        (b'{"id": 1}', "0x7b22"),
        (b"\xc3\x01" + bytes(8), "fingerprint 0x0000000000000000"),
        (_valid_outcome() + b"!", "1 bytes more"),
        (_valid_outcome()[:-3], "cut short"),
    ],
)
def test_a_refusal_says_what_is_wrong(message, says):
    with pytest.raises(UnreadableMessageError, match=says):
        decode(message)


def test_another_contract_than_expected_is_refused():
    with pytest.raises(
        UnreadableMessageError, match="is a outcome, where prediction or prediction_batch"
    ):
        decode(_valid_outcome(), "prediction", "prediction_batch")


def test_a_record_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="not a outcome"):
        encode("outcome", {"prediction_id": 7})
