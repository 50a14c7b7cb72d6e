"""Dead letters: found, explained and replayed. `docs/dead-letters.md` has the rules."""

from kedge.deadletters.contents import described, hex_dump
from kedge.deadletters.letters import Letter, Letters, Place, Selection, place_of
from kedge.deadletters.replay import REPLAY_HEADER, replay

__all__ = [
    "REPLAY_HEADER",
    "Letter",
    "Letters",
    "Place",
    "Selection",
    "described",
    "hex_dump",
    "place_of",
    "replay",
]
