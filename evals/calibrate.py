"""Fit the weights by which questions are declined: ``python -m evals.calibrate [--home DIR]`` writes tutor/coverage.json.

It reads calibration.yaml and the tuning half of the other cases; the reporting half is never looked at. Each case is
used twice, as it is and as if the course had no authors' questions, because other courses have none. Cases are weighted
so that at every length of question as much weight is on covered as on uncovered ones: otherwise the model would learn
how long our own questions happen to be. With equal weights the threshold is one half; what it declines, and what others
would, is printed from cross-validation (five times ten folds). Most of these cases were made hard on purpose.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import astuple, fields
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold

from evals.cases import CALIBRATION_FILE, SHIPPED_CASES, Case, read_case_file, read_cases
from ingest.edge_store import EdgeStore
from ingest.embedder import load_embedder
from tutor.course_index import CourseIndex, edge_store
from tutor.coverage import WEIGHTS_FILE, Signals, measure
from tutor.search import search
from tutor.settings import read_settings

REGULARISATION = 0.1
THRESHOLD = 0.5
LENGTH_BINS = (6, 10, 16, 25)
FOLDS, REPEATS = 10, 5

Array = NDArray[np.float64]


def main(argv: Sequence[str] | None = None) -> int:
    """Fit, print what cross-validation says, write the weights."""
    parser = argparse.ArgumentParser(description="Fit the weights by which questions are declined.")
    parser.add_argument("--home", help="home that holds the index of the shipped course")
    settings = read_settings(os.environ, home=parser.parse_args(argv).home)
    store: EdgeStore = edge_store(settings.course, settings.home)
    index = CourseIndex(store, load_embedder(settings.embedder, settings.cache))
    cases = read_case_file(SHIPPED_CASES / CALIBRATION_FILE)
    cases += [case for case in read_cases(SHIPPED_CASES) if case.half == "tuning"]
    signals = np.array([astuple(measure(index, search(index, case.question))) for case in cases])
    covered = np.array([case.answerable for case in cases])
    weights = _length_balanced(cases, covered)
    probability = _cross_validated(signals, covered, weights)
    _print(cases, covered, probability)
    model = _fit(signals, covered, weights)
    record = {"signals": [field.name for field in fields(Signals)], **model, "threshold": THRESHOLD}
    WEIGHTS_FILE.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    print(f"written to {WEIGHTS_FILE.name}")
    return 0


def _length_balanced(cases: Sequence[Case], covered: NDArray[np.bool_]) -> Array:
    bins = np.digitize([len(case.question.split()) for case in cases], LENGTH_BINS)
    weights = np.zeros(len(cases))
    for place in set(bins.tolist()):
        for answer in (True, False):
            members = (bins == place) & (covered == answer)
            weights[members] = 1 / max(int(members.sum()), 3)
    return np.asarray(weights * len(cases) / weights.sum(), np.float64)


def _without_asks(signals: Array) -> Array:
    changed = signals.copy()
    changed[:, [field.name for field in fields(Signals)].index("asked")] = 0.0
    return changed


def _products(scaled: Array) -> Array:
    pairs = combinations_with_replacement(range(scaled.shape[1]), 2)
    return np.hstack([scaled, np.column_stack([scaled[:, row] * scaled[:, column] for row, column in pairs])])


def _fit(signals: Array, covered: NDArray[np.bool_], weights: Array) -> dict[str, list[float] | float]:
    doubled = np.vstack([signals, _without_asks(signals)])
    centre, scale = doubled.mean(axis=0), doubled.std(axis=0)
    model = LogisticRegression(C=REGULARISATION, max_iter=5_000)
    model.fit(_products((doubled - centre) / scale), np.tile(covered, 2), sample_weight=np.tile(weights, 2) / 2)
    count = signals.shape[1]
    rounded = [round(float(value), 5) for value in model.coef_[0]]
    return {
        "centre": [round(float(value), 5) for value in centre],
        "scale": [round(float(value), 5) for value in scale],
        "linear": rounded[:count],
        "products": rounded[count:],
        "bias": round(float(model.intercept_[0]), 5),
    }


def _probability(model: dict[str, list[float] | float], signals: Array) -> Array:
    terms = _products((signals - np.array(model["centre"])) / np.array(model["scale"]))
    linear, products = model["linear"], model["products"]
    assert isinstance(linear, list)
    assert isinstance(products, list)
    return np.asarray(1 / (1 + np.exp(-(terms @ np.array(linear + products) + model["bias"]))), np.float64)


def _cross_validated(signals: Array, covered: NDArray[np.bool_], weights: Array) -> Array:
    total = np.zeros(len(covered))
    groups = np.arange(len(covered))
    for repeat in range(REPEATS):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=repeat)
        for train, test in folds.split(signals, covered, groups):
            total[test] += _probability(_fit(signals[train], covered[train], weights[train]), signals[test])
    return total / REPEATS


def _print(cases: Sequence[Case], covered: NDArray[np.bool_], probability: Array) -> None:
    kinds = np.array(["answerable" if case.answerable else case.kind for case in cases])
    area = roc_auc_score(covered, probability)
    print(f"{len(cases)} cases, {int(covered.sum())} covered; area under the curve {area:.3f}")
    for threshold in (0.3, 0.4, THRESHOLD, 0.6, 0.7):
        wrong = float((probability[covered] < threshold).mean())
        near = float((probability[kinds == "near"] < threshold).mean())
        far = float((probability[kinds == "far"] < threshold).mean())
        print(f"  threshold {threshold}: false refusals {wrong:.3f}, near declined {near:.3f}, far declined {far:.3f}")


if __name__ == "__main__":
    sys.exit(main())
