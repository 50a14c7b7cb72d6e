"""Arrays as text, bit for bit."""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from kedge.contracts.predictions import Floats

Number = Literal["<f8", "<i8"]


def packed(arrays: Mapping[str, Floats], of: Number = "<f8") -> dict[str, str]:
    """Each array's numbers, little-endian, deflated, in base 64."""
    return {
        name: b64encode(zlib.compress(array.astype(of).tobytes(), 1)).decode()
        for name, array in arrays.items()
    }


def unpack(state: Mapping[str, Any], arrays: Mapping[str, Floats], of: Number = "<f8") -> None:
    """Fill the arrays with what `packed` made of others of these shapes.

    Raises:
        ValueError: an array is of another shape, or is not there.
    """
    for name, array in arrays.items():
        values = np.frombuffer(
            zlib.decompress(b64decode(state[name])) if name in state else b"", of
        )
        if values.size != array.size:
            raise ValueError(
                f"`{name}` of the state has {values.size} numbers and should have {array.size}: "
                "it is of another reference or of other options, or of another version of Kedge"
            )
        array[...] = values.reshape(array.shape)
