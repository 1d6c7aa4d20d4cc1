"""Error rates and curves of scores, with the terms of ISO/IEC 19795-1."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32]


def thresholds(impostor: Scores, rates: Sequence[float]) -> list[float]:
    """Return, for each false match rate, the lowest score that at most this share of impostor scores exceeds."""
    ascending = np.sort(impostor)
    return [float(ascending[len(ascending) - 1 - int(rate * len(ascending))]) for rate in rates]


def true_accept_rates(genuine: Scores, impostor: Scores, rates: Sequence[float]) -> list[float]:
    """Return the share of genuine comparisons above the threshold of each false match rate."""
    return [float((genuine > threshold).mean()) for threshold in thresholds(impostor, rates)]


def area_under_curve(positive: Scores, negative: Scores) -> float:
    """Return the probability that a positive scores higher than a negative; a tie counts half."""
    ascending = np.sort(negative)
    below = np.searchsorted(ascending, positive, "left").astype(np.float64)
    upto = np.searchsorted(ascending, positive, "right")
    return float((below + upto).mean() / 2 / len(ascending))


def equal_error_rate(positive: Scores, negative: Scores) -> float:
    """Return the error rate at the threshold where the false reject and false accept rates are equal."""
    high, low = np.sort(positive), np.sort(negative)
    candidates = np.unique(np.concatenate((high, low)))
    refused = np.searchsorted(high, candidates) / len(high)
    passed = 1 - np.searchsorted(low, candidates) / len(low)
    nearest = np.abs(refused - passed).argmin()
    return float((refused[nearest] + passed[nearest]) / 2)


def interval(count: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927)."""
    z, n = 1.96, max(1, of)
    share = count / n
    middle, half = share + z**2 / (2 * n), z * (share * (1 - share) / n + z**2 / (4 * n**2)) ** 0.5
    return max(0.0, (middle - half) / (1 + z**2 / n)), min(1.0, (middle + half) / (1 + z**2 / n))
