"""Matrix products that wake no other threads."""

from __future__ import annotations

import numpy as np

from kedge.contracts.predictions import Floats

_MULTIPLICATIONS = 1 << 18
"""Up to so many OpenBLAS keeps to the calling thread (interface/gemm.c).

The threads that it wakes for more spin while they wait, on processors that other work needs, and
for matrices as narrow as these they win nothing. Pieces of this size stay in the cache.
"""


def product(matrix: Floats, columns: Floats) -> Floats:
    """`matrix @ columns`, `[m, k] @ [k, n]`, where n is large."""
    rows, inner = matrix.shape
    width = max(_MULTIPLICATIONS // max(rows * inner, 1), 1)
    out = np.empty((rows, columns.shape[1]))
    for start in range(0, columns.shape[1], width):
        piece = slice(start, start + width)
        out[:, piece] = matrix @ columns[:, piece]
    return out
