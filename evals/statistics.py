"""Intervals and comparisons: a figure without its uncertainty is not reported.

Cases about one lesson are alike, so intervals resample lessons, not cases (cluster bootstrap). Two runs are compared
case by case with a sign-flip permutation test, and the p values of several metrics are adjusted by Holm's method.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 4_000
SEED = 20_261_123


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95% interval over ``cases`` cases."""

    mean: float
    low: float
    high: float
    cases: int

    def shown(self) -> str:
        """As it is printed: 0.953 [0.910, 0.985]."""
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True, slots=True)
class Comparison:
    """The paired difference of two runs on one metric: positive when the new run is better."""

    metric: str
    difference: float
    wins: int
    losses: int
    ties: int
    p: float


def estimate(values: Sequence[float], clusters: Sequence[str]) -> Estimate:
    """Mean of ``values`` with a percentile bootstrap interval over ``clusters`` (one name a value)."""
    if not values:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    groups: dict[str, list[float]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        groups.setdefault(cluster, []).append(value)
    sums = np.array([sum(group) for group in groups.values()])
    sizes = np.array([len(group) for group in groups.values()])
    picks = np.random.default_rng(SEED).integers(0, len(sums), (RESAMPLES, len(sums)))
    means = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Estimate(float(np.mean(values)), float(low), float(high), len(values))


def compare(metric: str, new: Mapping[str, float], old: Mapping[str, float]) -> Comparison:
    """Paired comparison on the cases both runs have."""
    shared = sorted(new.keys() & old.keys())
    differences = np.array([new[case] - old[case] for case in shared])
    if not len(differences):
        return Comparison(metric, 0.0, 0, 0, 0, 1.0)
    observed = abs(differences.mean())
    signs = np.random.default_rng(SEED).choice([-1.0, 1.0], (RESAMPLES, len(differences)))
    as_extreme = np.abs((signs * differences).mean(axis=1)) >= observed - 1e-12
    return Comparison(
        metric=metric,
        difference=float(differences.mean()),
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
        ties=int((differences == 0).sum()),
        p=float((as_extreme.sum() + 1) / (RESAMPLES + 1)),
    )


def holm(comparisons: Sequence[Comparison]) -> dict[str, float]:
    """Holm's adjusted p value by metric."""
    ordered = sorted(comparisons, key=lambda comparison: comparison.p)
    adjusted: dict[str, float] = {}
    highest = 0.0
    for place, comparison in enumerate(ordered):
        highest = max(highest, min(1.0, comparison.p * (len(ordered) - place)))
        adjusted[comparison.metric] = highest
    return adjusted
