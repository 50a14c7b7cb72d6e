"""A slice of the archive as messages once more, under another prefix."""

from kedge.replay.publish import Replayed, replay
from kedge.replay.slices import EVER, Slice

__all__ = ["EVER", "Replayed", "Slice", "replay"]
