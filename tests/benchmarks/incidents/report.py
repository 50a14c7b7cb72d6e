"""Tables of what was measured, and the goals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from benchmarks.incidents.judge import Judged

KINDS = ("code", "model", "upstream", "world", "unidentified", "clean")
VERDICTS = ("code", "model", "upstream", "world", "unclear", "none")
_UNCLEAR_ALLOWED = 0.03


def confusion(stories: Sequence[Judged]) -> Iterator[tuple[str, ...]]:
    """A row for each kind of story, the header first."""
    yield ("whose fault", "stories", *VERDICTS, "right")
    for kind in KINDS:
        mine = [each for each in stories if each.kind == kind]
        if mine:
            counts = Counter(each.verdict for each in mine)
            right = _share(each.is_right for each in mine)
            yield (kind, f"{len(mine)}", *(f"{counts[v]}" for v in VERDICTS), _percent(right))


def by_fault(stories: Sequence[Judged]) -> Iterator[tuple[str, ...]]:
    yield ("whose fault", "what", "stories", "right", "rolled back in time", "bad rollbacks")
    for kind in KINDS:
        for fault in sorted({each.fault for each in stories if each.kind == kind}):
            mine = [each for each in stories if (each.kind, each.fault) == (kind, fault)]
            due = [each.prompt for each in mine if each.prompt is not None]
            yield (
                kind,
                fault,
                f"{len(mine)}",
                _percent(_share(each.is_right for each in mine)),
                _percent(_share(due)) if due else "–",
                f"{sum(each.bad_rollbacks for each in mine)}",
            )


def goals(stories: Sequence[Judged]) -> Iterator[tuple[str, str, str, bool]]:
    """What is promised, what was measured, and whether it is met."""
    faulty = [each for each in stories if each.kind != "clean"]
    fired = [each for each in faulty if each.verdict != "none"]
    unclear = [each for each in fired if each.verdict == "unclear"]
    # More of these than allowed are wrong; fewer count as neither.
    excused = min(len(unclear), int(_UNCLEAR_ALLOWED * len(fired)))
    right = [each for each in fired if each.verdict == each.kind]
    share = len(right) / max(len(fired) - excused, 1)
    yield "right verdicts, of stories that fired", "≥ 95 %", _percent(share), share >= 0.95
    part = len(unclear) / max(len(fired), 1)
    yield "unclear ones", "≤ 3 %", _percent(part), part <= _UNCLEAR_ALLOWED
    bad = sum(each.bad_rollbacks for each in faulty) / max(len(faulty), 1)
    yield "harmful or useless rollbacks a story", "≤ 0.5 %", _percent(bad), bad <= 0.005
    clean = [each for each in stories if each.kind == "clean"]
    moved = sum(each.bad_rollbacks for each in clean)
    yield f"rollbacks in {len(clean)} clean stories", "0", f"{moved}", moved == 0
    due = [each.prompt for each in stories if each.prompt is not None]
    prompt = _share(due)
    yield "bad releases rolled back within 3 windows", "≥ 98 %", _percent(prompt), prompt >= 0.98


def markdown(rows: Iterable[tuple[str, ...]]) -> str:
    header, *rest = rows
    lines = [header, ("---",) * len(header), *rest]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _share(flags: Iterable[bool]) -> float:
    known = list(flags)
    return sum(known) / len(known) if known else 1.0


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
