"""A canary's share of the routing keys."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kedge.sdk import LiveRelease, NoReleaseError, Split
from kedge.sdk.split import in_share

keys = st.text(max_size=20)
shares = st.floats(0, 1)


class Followed:
    """An alias of model `m` that points at a release, or at none."""

    model = "m"

    def __init__(self, alias, number=None, share=None):
        self.alias = alias
        self.known = number and LiveRelease("m", number, "v", "c", alias, 1, share)

    @property
    def live(self):
        if not self.known:
            raise NoReleaseError("none")
        return self.known


@given(keys, shares, shares)
def test_a_share_that_grows_only_adds_keys(key, one, other):
    low, high = sorted((one, other))
    assert in_share("m", "canary", key, low) <= in_share("m", "canary", key, high)
    assert not in_share("m", "canary", key, 0.0)
    assert in_share("m", "canary", key, 1.0)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_is_the_one_that_was_asked_for(share):
    n = 40_000
    hits = sum(in_share("m", "canary", f"customer {i}", share) for i in range(n))
    # Five standard deviations of a binomial count.
    assert abs(hits - n * share) < 5 * (n * share * (1 - share)) ** 0.5


def test_models_and_aliases_are_split_apart():
    sides = [
        [in_share(model, alias, str(i), 0.5) for i in range(4000)]
        for model, alias in (("m", "canary"), ("n", "canary"), ("m", "beta"))
    ]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        same = sum(a == b for a, b in zip(sides[one], sides[other], strict=True))
        assert abs(same - 2000) < 5 * 1000**0.5


def test_another_program_splits_as_the_contract_says():
    """`sha256sum` and sixteen hexadecimal digits, which no code of ours has touched."""
    for key in ("ann", "bob", "Zoë"):
        done = subprocess.run(
            ["sha256sum"], input=f"m/canary/{key}".encode(), capture_output=True, check=True
        )
        where = int(done.stdout[:16], 16) / 2**64
        assert in_share("m", "canary", key, where + 1e-9)
        assert not in_share("m", "canary", key, where - 1e-9)


@given(keys, shares)
def test_each_key_goes_to_one_of_the_two(key, share):
    split = Split(Followed("production", 1), Followed("canary", 2, share))
    assert split.route(key).number == (2 if in_share("m", "canary", key, share) else 1)
    assert (split.model, split.live.number) == ("m", 1)


@pytest.mark.parametrize("canary", [Followed("canary"), Followed("canary", 2)])
def test_without_a_canary_or_a_share_all_goes_to_production(canary):
    split = Split(Followed("production", 1), canary)
    assert {split.route(str(i)).number for i in range(100)} == {1}
