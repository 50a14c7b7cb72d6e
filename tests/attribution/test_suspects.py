"""Whom a comparison leaves, against every cause that could have made what is seen."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from kedge.attribution import Fault, Point, ReleaseNotes, attribute
from kedge.attribution.suspects import NEAR, suspects
from kedge.attribution.symptoms import watched

HOUR = 3_600_000_000
SICK, HEALTHY = 0.5, 0.01


@dataclass(frozen=True)
class Seen:
    """Which release was sick or healthy in which window, and what each pairs."""

    pairs: tuple[tuple[str, str], ...]
    sick: dict[tuple[int, int], bool]
    release: int

    @property
    def since(self):
        return min(w for (n, w), sick in self.sick.items() if n == self.release and sick)

    @property
    def fault(self):
        series = {}
        for (number, window), sick in sorted(self.sick.items()):
            value = SICK if sick else HEALTHY
            point = Point(window * HOUR, (window + 1) * HOUR, value, 1000)
            series.setdefault(number, []).append(point)
        now = max(window for _, window in self.sick) + 1
        return Fault(
            self.release,
            "error_rate",
            None,
            "error_rate",
            series,
            lambda value: value > 0.1,
            0.1,
            self.since * HOUR,
            now * HOUR,
        )

    @property
    def releases(self):
        return {n: ReleaseNotes(*pair) for n, pair in enumerate(self.pairs)}


@st.composite
def histories(draw):
    """Releases that follow each other, the last perhaps beside the one before; and one cause."""
    pairs = draw(st.lists(st.tuples(*[st.sampled_from("abc")] * 2), min_size=1, max_size=4))
    served, at = [], 0
    for number in range(len(pairs)):
        length = draw(st.integers(1, 4))
        served += [(number, at + i) for i in range(length)]
        if number and draw(st.booleans()):
            served += [(number - 1, at + i) for i in range(length)]
        at += length
    kind = draw(st.sampled_from(["model", "code", "outside"]))
    which = draw(st.integers(0, at - 1)) if kind == "outside" else draw(st.sampled_from("abc"))
    seen = {key: _is_sick((kind, which), pairs, *key) for key in served}
    newest = [n for n, w in served if w == at - 1 and seen[n, w]]
    if not newest:
        return None
    return Seen(tuple(pairs), seen, draw(st.sampled_from(newest))), (kind, which)


def _is_sick(cause, pairs, number, window):
    kind, which = cause
    if kind == "outside":
        return window >= which
    return pairs[number][kind == "code"] == which


def _possible(seen):
    """Kinds of cause that make exactly what is seen, but for coincidences."""
    arrival = min(window for number, window in seen.sick if number == seen.release)
    # In the window in which a release arrives, another served before it.
    table = {
        (n, w): sick
        for (n, w), sick in seen.sick.items()
        if sick or n == seen.release or w != arrival or seen.since != arrival
    }
    # What was sick until another release was healthy had another fault.
    cured = max((w for (n, w), sick in table.items() if n != seen.release and not sick), default=-1)
    table = {
        (n, w): sick
        for (n, w), sick in table.items()
        if not sick or n == seen.release or w >= min(cured, seen.since)
    }
    last = max((w for n, w in seen.sick if n != seen.release and w <= arrival), default=None)
    alone = not any(sick for (n, w), sick in table.items() if n != seen.release)
    causes = [(k, w) for k in ("model", "code") for w in "abc"]
    causes += [("outside", w) for w in range(max(w for _, w in seen.sick) + 1)]
    found = set()
    for cause in causes:
        kind, which = cause
        if any(_is_sick(cause, seen.pairs, n, w) != sick for (n, w), sick in table.items()):
            continue
        if kind == "outside" and which == arrival and alone and last is not None:
            assert arrival - last <= NEAR
            continue
        found.add(kind)
    return found


@given(histories())
def test_as_many_suspects_are_left_as_there_are_possible_causes(history):
    if history is None:
        return
    seen, _cause = history
    fault = seen.fault
    left = set(suspects(fault, watched(fault), seen.releases).left)
    possible = _possible(seen)
    # Two others of which one is sick and one healthy at a time would clear what is outside too.
    elsewhere = any(sick for (n, _), sick in seen.sick.items() if n != seen.release)
    assert possible <= left <= possible | ({"outside"} if elsewhere else set())
    verdict = attribute(fault, seen.releases)
    if len(left) == 1:
        (only,) = left
        assert verdict.blame == {"outside": "upstream"}.get(only, only)
        assert verdict.came_with_release == (only != "outside")
    else:
        assert verdict.blame == "unclear"
    assert all(sentence.endswith(".") for sentence in verdict.because)
