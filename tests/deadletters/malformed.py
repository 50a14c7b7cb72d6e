"""Messages of every kind that a producer can get wrong, and of those that only look wrong."""

import math
import time

import numpy as np

from kedge.contracts import LONGEST_MESSAGE, columns_of, encode
from kedge.contracts.codec import MAGIC
from kedge.contracts.schemas import current
from kedge.profile import reference_of

WINDOW = 60_000_000
START = 1_700_000_040_000_000 // WINDOW * WINDOW
HOUR = 3_600_000_000
TAGS = {
    "model": "flights",
    "model_version": "mv",
    "code_version": "cv",
    "release": 1,
    "environment": "production",
}
WIDTH = 10_000
WIDE = {f"f{i}": float(i) for i in range(WIDTH)}

# Bin 0 is below the numbers 0 to 9, which have a bin each.
REFERENCE = reference_of(
    [
        *columns_of([{"x": i % 10, "c": "B6" if i % 3 else "AA"} for i in range(30)], "feature"),
        *columns_of([{"output": i / 30} for i in range(30)], "output"),
    ]
)
B6, AA = map(REFERENCE.columns[1].bins.categories.index, ("B6", "AA"))


def wide_reference():
    """A reference of all features of `WIDE`; it takes seconds to make."""
    rows = [{name: value + i for name, value in WIDE.items()} for i in range(3)]
    return reference_of(columns_of(rows, "feature"))


def single(**changes):
    record = TAGS | {
        "id": "one",
        "event_time": START,
        "features": {"x": 3, "c": "AA"},
        "outputs": {"output": 0.5},
    }
    return encode("prediction", record | changes)


def numbers(name, values, role="feature", states=None, width=1):
    data = np.array(values, "<f8").tobytes()
    return column(name, "Numbers", {"data": data, "width": width}, role, states)


def texts(name, dictionary, codes, role="feature", states=None):
    packed = {"dictionary": dictionary, "codes": np.array(codes, "<i4").tobytes()}
    return column(name, "Texts", packed, role, states)


def column(name, kind, values, role="feature", states=None):
    states = None if states is None else bytes(states)
    return {"name": name, "role": role, "states": states, "values": (f"io.kedge.{kind}", values)}


def packed_times(times):
    return np.array(times, "<i8").tobytes()


def batch(count=2, **changes):
    """A batch of rows with 3 and "AA", all of it right but for the changes."""
    record = TAGS | {
        "rows": count,
        "ids": [f"id {i}" for i in range(count)],
        "event_times": packed_times([START] * count),
        "columns": [
            numbers("x", [3] * count),
            texts("c", ["AA"], [0] * count),
            numbers("output", [0.5] * count, "output"),
        ],
    }
    return encode("prediction_batch", record | changes)


def varint(number):
    """A number as Avro writes it."""
    zigzag, written = (number << 1) ^ (number >> 63), bytearray()
    while zigzag > 127:
        written.append(zigzag & 127 | 128)
        zigzag >>= 7
    return bytes([*written, zigzag])


def batch_up_to_columns():
    """A batch of no rows, cut before the count of its columns."""
    names = b"".join(varint(len(tag)) + tag for tag in (b"flights", b"mv", b"cv"))
    rest = varint(1) + varint(1) + b"e" + varint(0) + b"\x00\x00" + b"\x00" + b"\x00"
    return MAGIC + current("prediction_batch").fingerprint + names + rest


BLOCK = 1 << 40
EMPTY_COLUMN = b"\x00\x00\x00\x00\x00\x02"


def _with_x(*columns):
    return batch(columns=[*columns, texts("c", ["AA"], [0, 0])])


def malformed():
    """By name: the message, the reason, the predictions that are given up, and what is said."""
    valid, future = batch(), time.time_ns() // 1000 + 2 * HOUR
    bad = {
        "no value": (None, "no value"),
        "empty value": (b"", "no value"),
        "truncated": (valid[:-7], "cut short"),
        "only a header": (valid[:10], "cut short"),
        "trailing bytes": (valid + b"!", "1 bytes more"),
        "JSON": (b'{"id": "one"}', "0x7b22"),
        "Confluent wire format": (b"\x00\x00\x00\x00\x07" + valid[10:], "Confluent"),
        "unknown fingerprint": (MAGIC + bytes(8) + valid[10:], "fingerprint"),
        "another contract": (
            encode("profile", _profile()),
            "is a profile, where prediction or prediction_batch",
        ),
        "invalid UTF-8": (valid.replace(b"flights", b"fl\xffghts"), "UnicodeDecodeError"),
        "longer than its topic's limit": (
            batch(columns=[texts("c", ["A" * LONGEST_MESSAGE], [0, 0])]),
            f"where {LONGEST_MESSAGE} can be",
        ),
        "longer than a letter": (valid + bytes(3 * LONGEST_MESSAGE), f"{LONGEST_MESSAGE} can be"),
        "array of 2^40": (batch_up_to_columns() + varint(BLOCK) + EMPTY_COLUMN, "EOFError"),
        "text of 2^40": (valid[:10] + varint(BLOCK) + b"flights", "EOFError"),
        "text of length -1": (valid[:10] + varint(-1) + b"flights", "cut short"),
        "too many columns": (
            batch_up_to_columns() + varint(100_001) + EMPTY_COLUMN * 100_001 + bytes(3),
            "100001 columns",
        ),
        "negative rows": (batch(0, rows=-1), "has -1 rows"),
        "rows beyond belief": (batch(0, rows=2**31 - 1), "2147483647 rows"),
        "more rows than entries": (batch(0, rows=1000), "where 8000 are due"),
        "column too short": (_with_x(numbers("x", [3])), "8 bytes in feature `x`, where 16"),
        "column too long": (_with_x(numbers("x", [3, 3, 3])), "24 bytes in feature `x`"),
        "states too short": (_with_x(numbers("x", [3, 3], states=[0])), "the states of"),
        "times too short": (batch(event_times=packed_times([START])), "8 bytes in event_times"),
        "ids too few": (batch(ids=["one"]), "1 ids for 2 rows"),
        "packed ids too few": (batch(ids=bytes(16)), "16 bytes of ids, where 32"),
        "unknown state": (_with_x(numbers("x", [3, 3], states=[0, 9])), "a state of 9"),
        "code beyond the dictionary": (batch(columns=[texts("c", ["AA"], [0, 1])]), "a code of 1"),
        "negative code": (batch(columns=[texts("c", ["AA"], [0, -1])]), "a code of -1"),
        "negative width": (_with_x(numbers("x", [3, 3], width=-1)), "vectors of length -1"),
        "a column twice": (
            _with_x(numbers("x", [3, 3]), numbers("x", [4, 4], states=[1, 0])),
            "two entries in row 1 of feature `x`",
        ),
        "two types at once": (
            _with_x(numbers("x", [3, 3]), texts("x", ["three"], [0, 0])),
            "two entries in row 0 of feature `x`",
        ),
        "error of a row beyond": (batch(errors=[{"row": 2, "error": "E"}]), "error of row 2 of 2"),
        "error of row -1": (batch(errors=[{"row": -1, "error": "E"}]), "error of row -1"),
        "empty id": (single(id=""), "an id of 0 characters in row 0"),
        "empty id in a batch": (batch(ids=["one", ""]), "an id of 0 characters in row 1"),
        "endless id": (single(id="i" * 2000), "an id of 2000"),
        "endless model": (single(model="m" * 5_000_000), "5000000 characters of model"),
        "endless environment": (batch(environment="e" * 2000), "2000 characters of environment"),
    }
    rules = {name: (value, "unreadable", 0, says) for name, (value, says) in bad.items()}
    for name, changes, reason in (
        ("unknown model", {"model": "ghost"}, "unknown_release"),
        ("empty model", {"model": ""}, "unknown_release"),
        ("unknown release", {"release": 99}, "unknown_release"),
        ("impossible release", {"release": -(2**63)}, "unknown_release"),
        ("wrong model version", {"model_version": "other"}, "wrong_release"),
        ("wrong code version", {"code_version": "other"}, "wrong_release"),
    ):
        rules[name] = (batch(**changes), reason, 2, "release")
    for name, moment in (
        ("1970", 0),
        ("milliseconds", START // 1000),
        ("far future", future),
        ("nanoseconds", START * 1000),
        ("least int64", -(2**63)),
        ("most int64", 2**63 - 1),
    ):
        times = packed_times([START, moment])
        rules[name] = (batch(event_times=times), "absurd_time", 2, str(moment))
        rules[f"{name}, alone"] = (single(event_time=moment), "absurd_time", 1, str(moment))
    scattered = packed_times([START - i * WINDOW for i in range(1441)])
    rules["scattered"] = (batch(1441, event_times=scattered), "absurd_time", 1441, "1441 windows")
    return rules


def odd():
    """By name: a message that is valid, and for each of its rows where `x` and `c` are counted."""
    nothing, inf = math.nan, math.inf
    million = [f"{i:x}" for i in range(1_000_000)]
    return {
        "plain": (batch(), [(4, AA)] * 2),
        "plain, one event": (single(), [(4, AA)]),
        "NaN and infinities": (
            batch(3, columns=[numbers("x", [nothing, inf, -inf]), texts("c", ["B6"], [0, 0, 0])]),
            [("nan", B6), ("out_of_range", B6), ("out_of_range", B6)],
        ),
        "NaN, one event": (single(features={"x": nothing, "c": nothing}), [("nan", "nan")]),
        "infinity, one event": (single(features={"x": inf}), [("out_of_range", "absent")]),
        "beyond float32": (single(latency_ms=1e300), [(4, AA)]),
        "another type half-way": (
            _with_x(
                numbers("x", [3, 0], states=[0, 1]), texts("x", ["three"], [0, 0], states=[1, 0])
            ),
            [(4, AA), ("wrong_type", AA)],
        ),
        "another type, one event": (single(features={"x": "three"}), [("wrong_type", "absent")]),
        "a vector": (single(features={"x": [1.0, 2.0], "c": True}), [("wrong_type", "unseen")]),
        "vectors of two lengths": (
            _with_x(
                numbers("x", [1, 2, 0, 0], states=[0, 1], width=2),
                numbers("x", [0, 0, 0, 1, 2, 3], states=[1, 0], width=3),
            ),
            [("wrong_type", AA)] * 2,
        ),
        "one name and type in two columns": (
            _with_x(numbers("x", [3, 0], states=[0, 1]), numbers("x", [0, 4], states=[1, 0])),
            [(4, AA), (5, AA)],
        ),
        "names that differ in their role": (
            batch(columns=[numbers("x", [3, 3]), numbers("x", [8, 8], "output")]),
            [(4, "absent")] * 2,
        ),
        "no rows": (batch(0), []),
        "no columns": (batch(columns=[]), [("absent", "absent")] * 2),
        "10,000 features": (single(features=WIDE | {"x": 9}), [(10, "absent")]),
        "10,000 features in a batch": (
            _with_x(numbers("x", [0, 9]), *(numbers(name, [1, 2]) for name in WIDE)),
            [(1, AA), (10, AA)],
        ),
        "a text of a megabyte": (single(features={"c": "A" * 1_000_000}), [("absent", "unseen")]),
        "a dictionary of a million": (
            batch(columns=[texts("c", [*million, "B6"], [7, 1_000_000])]),
            [("absent", "unseen"), ("absent", B6)],
        ),
        "a dictionary with one text twice": (
            batch(columns=[texts("c", ["AA", "AA"], [0, 1])]),
            [("absent", AA)] * 2,
        ),
        "packed ids": (batch(ids=bytes(range(32))), [(4, AA)] * 2),
    }


def wide():
    """Valid messages with a row each of a model that has 10,000 features."""
    rows = [numbers(name, [value]) for name, value in WIDE.items()]
    return [
        single(model="wide", features=WIDE, outputs={}),
        batch(1, model="wide", columns=rows),
    ]


def _profile():
    return TAGS | {
        "window_start": START,
        "window_end": START + WINDOW,
        "rows": 0,
        "errors": 0,
        "columns": [],
        "source": dict.fromkeys(
            ("partition", "first_offset", "last_offset", "max_event_time", "max_arrival"), 0
        ),
    }
