"""The sketch of distinct categories, against sets of the raw values."""

import math
from hashlib import blake2b

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from counting import profile_of
from kedge.contracts import columns_of
from kedge.profile import Profile, reference_of
from kedge.profile.distinct import REGISTERS, STANDARD_ERROR, estimate, registers_of

CUSTOMERS = reference_of(columns_of([{"customer": f"c{i}"} for i in range(500)], "feature"))


def _registers(texts):
    columns = columns_of([{"customer": text} for text in texts], "feature")
    return registers_of([columns], np.zeros(len(texts), np.int64), 1)[0, 0]


def _by_the_book(texts):
    """Flajolet et al. 2007, figure 3: the position of the leftmost 1 behind the index."""
    registers = [0] * REGISTERS
    for text in texts:
        bits = f"{int.from_bytes(blake2b(text.encode(), digest_size=8).digest()):064b}"
        rank = (bits[10:63] + "1").index("1") + 1
        registers[int(bits[:10], 2)] = max(registers[int(bits[:10], 2)], rank)
    return registers


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), max_size=50))
def test_registers_are_those_of_the_paper(texts):
    assert _registers([*texts, ""]).tolist() == _by_the_book(texts)


@given(st.lists(st.integers(0, 10**6), min_size=1), st.integers(1, 5), st.randoms())
def test_any_cut_and_order_gives_the_same_sketch(numbers, parts, random):
    rows = [{"customer": f"c{number}"} for number in numbers]
    whole = profile_of(rows, CUSTOMERS)
    random.shuffle(rows)
    cut = [profile_of(rows[at::parts], CUSTOMERS) for at in range(min(parts, len(rows)))]
    # What comes twice changes no register.
    added = sum(cut, Profile.empty(CUSTOMERS))
    assert Profile.of_all([*cut, Profile.empty(CUSTOMERS)]) == added == whole
    assert np.array_equal((added + cut[0]).registers, whole.registers)


def test_the_error_is_the_published_one_over_the_whole_range():
    """Over random hashes, as Flajolet et al. analyse it; 1.04/√1024 is 3.25 %."""
    rng = np.random.default_rng(1)
    for number in (10, 100, 1000, 2500, 4000, 10_000, 100_000, 1_000_000):
        found = np.array([estimate(_of_random_hashes(rng, number)) for _ in range(200)])
        errors = found / number - 1
        # Few values are nearly counted; from a few thousand on it is the paper's.
        assert np.std(errors) < 1.15 * STANDARD_ERROR
        if number >= 10_000:
            assert np.std(errors) > 0.85 * STANDARD_ERROR
        assert abs(np.mean(errors)) < 4 * STANDARD_ERROR / math.sqrt(len(errors))


def _of_random_hashes(rng, number):
    """Registers that so many distinct values make: the greatest of geometric ranks in each."""
    each = rng.multinomial(number, np.full(REGISTERS, 1 / REGISTERS))
    # The distribution function of a maximum is that of one, to the power of how many.
    uniform = rng.random(REGISTERS)
    with np.errstate(divide="ignore"):
        least = -np.log2(-np.expm1(np.log(uniform) / each))
    ranks = np.where(each > 0, np.clip(np.ceil(least), 1, 54), 0)
    return ranks.astype(np.uint8)


def test_real_texts_are_as_random_hashes():
    errors = [
        estimate(_registers([f"{prefix}{i}" for i in range(20_000)])) / 20_000 - 1
        for prefix in ("customer-", "10.0.", "9f", "é", " ", "a" * 50)
    ]
    assert np.sqrt(np.mean(np.square(errors))) < 2 * STANDARD_ERROR


def test_an_empty_sketch_is_none_and_one_is_one():
    assert estimate(_registers([""])) == 0
    assert round(estimate(_registers(["a", "a"])), 2) == 1.0
