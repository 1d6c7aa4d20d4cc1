"""Error rates and curves of scores, with the terms of ISO/IEC 19795-1."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float32]
_NORMAL = 1.96  # standard deviations of a normal distribution that hold 95 %


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


def share_interval(count: int, of: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, "Probable inference", 1927); of nothing: 0 to 1."""
    if not of:
        return 0.0, 1.0
    share, spread = count / of, _NORMAL**2 / of
    centre = (share + spread / 2) / (1 + spread)
    half = _NORMAL * np.sqrt(share * (1 - share) / of + spread / (4 * of)) / (1 + spread)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def share_shown(count: int, of: int) -> str:
    """Return a share with its 95 % interval, as reports print it; of nothing it is 0."""
    low, high = share_interval(count, of)
    return f"{count / max(1, of):.4f} [{low:.4f}, {high:.4f}]"
