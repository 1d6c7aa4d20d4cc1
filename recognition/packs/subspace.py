"""The directions in which a linear layer's outputs vary, with equal bytes on every machine.

LAPACK's results differ in their last bits between processors, and the manifest holds digests. Here numbers are only
multiplied and added one by one, in a fixed order, in float64: NumPy's element-wise operations round alike everywhere.
"""

import math

import numpy as np

from recognition.calibration.tail import Doubles

_ROUNDS = 8  # more change no cosine by more than 1e-7


def basis(weights: Doubles, rank: int) -> Doubles:
    """Return (m, rank), whose orthonormal columns span nearly all outputs of a layer with these weights (m, n).

    Orthogonal iteration on the product of the weights with their transpose: it converges to the directions with the
    largest singular values.
    """
    gram = times(weights, weights.T)
    found = _orthonormal(gram[:, :rank])
    for _ in range(_ROUNDS):
        found = _orthonormal(times(gram, found))
    return found


def times(left: Doubles, right: Doubles) -> Doubles:
    """Return the matrix product."""
    product = np.zeros((len(left), right.shape[1]))
    for column, row in zip(left.T, right, strict=True):
        product += column[:, None] * row
    return product


def _orthonormal(columns: Doubles) -> Doubles:
    """Return the columns made orthonormal, one after another; twice, for those that nearly depend on others."""
    made = np.zeros_like(columns)
    for number, column in enumerate(columns.T):
        before, rest = made[:, :number], column
        for _ in range(2):
            along = (before * rest[:, None]).sum(axis=0)
            rest = rest - (before.T * along[:, None]).sum(axis=0)
        made[:, number] = rest / math.sqrt(math.fsum(rest**2))
    return made
