"""Artifacts of models: which format they have, whether loading them is safe, saving and loading."""

from kedge.artifacts.formats import Format, Recognised, recognise

__all__ = ["Format", "Recognised", "recognise"]
