"""One evaluation, from cases to a saved run: ``runs/<id>/{run.json, results.csv, report.html}`` and a verdict.

A run passes when every gate of GATES holds and, with a baseline, no metric has fallen significantly (Holm-adjusted
p < 0.05). ``metrics`` has the figures, ``saved_runs`` the files.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.cases import SHIPPED_CASES, Case, Half, read_cases
from evals.metrics import Metric, answer_metrics, retrieval_metrics
from evals.refusals import AnswerResult, run_answers
from evals.retrieval import CaseResult, run_retrieval
from evals.saved_runs import Baseline, read_baseline, save
from evals.statistics import Comparison, Estimate, compare, holm
from ingest.errors import CaseError
from ingest.progress import Progress
from tutor.course_index import CourseIndex

SUITES = ("retrieval", "refusals")
SIGNIFICANT = 0.05

GATES: Mapping[str, tuple[str, float]] = {
    "lesson success@5": (">=", 0.95),
    "false refusals": ("<=", 0.05),
    "near-domain declined": (">=", 0.85),
    "far questions answered": ("<=", 1),
    "quotes verbatim": (">=", 1.0),
    "citations under a refusal": ("<=", 0),
}
"""Metric -> (comparison, bound). A metric that the run did not measure is not judged."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What ``tutor eval`` prints and exits with."""

    run_id: str
    folder: Path
    passed: bool
    text: str
    metrics: tuple[Metric, ...]

    def to_json(self) -> dict[str, Any]:
        """The verdict as one JSON object."""
        return {
            "run": self.run_id,
            "folder": str(self.folder),
            "passed": self.passed,
            "metrics": [
                {"name": m.name, "system": m.system, **{k: _number(v) for k, v in asdict(m.value).items()}}
                for m in self.metrics
            ],
        }


def run_suites(
    index: CourseIndex,
    *,
    cases_folder: str | None,
    suites: Sequence[str],
    half: Half,
    runs_folder: Path,
    baseline: str | None,
    progress: Progress,
) -> Outcome:
    """Run the suites on one half of the cases and save the run. Raises CaseError."""
    chosen = list(suites) or list(SUITES)
    unknown = [name for name in chosen if name not in SUITES]
    if unknown:
        raise CaseError(f"no suite '{unknown[0]}'", f"Suites: {', '.join(SUITES)}.")
    old = read_baseline(runs_folder, baseline) if baseline else None
    folder = Path(cases_folder) if cases_folder else SHIPPED_CASES
    cases = _cases_of(folder, half)
    retrieval = _ticking("retrieval", progress, cases, run_retrieval, index) if "retrieval" in chosen else []
    answers = _ticking("refusals", progress, cases, run_answers, index) if "refusals" in chosen else []
    metrics = [*retrieval_metrics(cases, retrieval), *answer_metrics(cases, answers)]
    gates = _judge_gates(metrics)
    comparisons = _compare(metrics, old) if old else []
    fallen = _fallen(comparisons)
    record = _record(index, half, cases, metrics, gates, comparisons, retrieval, answers, old.run_id if old else None)
    passed = bool(metrics) and all(gate["passed"] for gate in gates) and not fallen
    record["passed"] = passed
    target = save(runs_folder, record)
    text = _text(record, target)
    return Outcome(record["id"], target, passed, text, tuple(metrics))


def _cases_of(folder: Path, half: Half) -> list[Case]:
    cases = [case for case in read_cases(folder) if case.half == half]
    if not cases:
        raise CaseError(f"no case in {folder} is of the {half} half", "Add cases, or choose the other half.")
    return cases


def _ticking(
    stage: str, progress: Progress, cases: Sequence[Case], run: Callable[..., list[Any]], index: CourseIndex
) -> list[Any]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(stage, done, len(cases))

    return run(index, cases, tick)


_LOWER_IS_BETTER = frozenset({"false refusals"})
_NOT_COMPARED = frozenset({"words in an answer"})


def _judge_gates(metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    judged = []
    measured = {metric.name: metric for metric in metrics if metric.system in {"hybrid", "tutor"}}
    for name, (sign, bound) in GATES.items():
        if name in measured and measured[name].value.cases:
            value = measured[name].value.mean
            passed = value >= bound if sign == ">=" else value <= bound
            judged.append({"metric": name, "value": value, "bound": f"{sign} {bound:g}", "passed": passed})
    return judged


def _compare(metrics: Sequence[Metric], old: Baseline) -> list[dict[str, Any]]:
    found: list[Comparison] = []
    for metric in metrics:
        earlier = old.per_case.get((metric.name, metric.system))
        if metric.system in {"hybrid", "tutor"} and metric.per_case and earlier and metric.name not in _NOT_COMPARED:
            sign = -1.0 if metric.name in _LOWER_IS_BETTER else 1.0
            new_values = {key: sign * value for key, value in metric.per_case.items()}
            found.append(compare(metric.name, new_values, {key: sign * value for key, value in earlier.items()}))
    adjusted = holm(found)
    return [{**asdict(comparison), "p_adjusted": adjusted[comparison.metric]} for comparison in found]


def _fallen(comparisons: Sequence[Mapping[str, Any]]) -> list[str]:
    return [c["metric"] for c in comparisons if c["difference"] < 0 and c["p_adjusted"] < SIGNIFICANT]


def _record(
    index: CourseIndex,
    half: Half,
    cases: Sequence[Case],
    metrics: Sequence[Metric],
    gates: list[dict[str, Any]],
    comparisons: list[dict[str, Any]],
    retrieval: Sequence[CaseResult],
    answers: Sequence[AnswerResult],
    baseline: str | None,
) -> dict[str, Any]:
    made = datetime.now(UTC)
    by_path = {lesson.path: lesson for lesson in index.lessons}
    digest = hashlib.sha256(json.dumps([case.model_dump() for case in cases]).encode()).hexdigest()
    return {
        "id": f"{made:%Y%m%d-%H%M%S}-{digest[:6]}",
        "made_at": made.isoformat(timespec="seconds"),
        "course": index.manifest.course_title,
        "index": asdict(index.manifest),
        "half": half,
        "cases_hash": digest,
        "baseline": baseline,
        "machine": {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()},
        "gates": gates,
        "comparisons": comparisons,
        "metrics": [{"name": m.name, "system": m.system, **asdict(m.value), "per_case": dict(m.per_case)} for m in metrics],
        "lessons": {
            path: {"id": entry.lesson_id, "number": entry.number, "title": entry.title, "module": entry.module}
            for path, entry in by_path.items()
        },
        "cases": [case.model_dump() for case in cases],
        "retrieval": [asdict(result) for result in retrieval],
        "answers": [asdict(result) for result in answers],
    }


def _text(record: Mapping[str, Any], folder: Path) -> str:
    """The verdict for a terminal."""
    lines = [
        f"{record['course']}, {record['half']} half of the cases: {'PASSED' if record['passed'] else 'FAILED'}",
        "",
    ]
    for entry in record["metrics"]:
        if entry["system"] in {"hybrid", "tutor"}:
            value = Estimate(entry["mean"], entry["low"], entry["high"], entry["cases"])
            shown = value.shown() if entry["per_case"] else f"{value.mean:.3g}"
            lines.append(f"  {entry['name']:28} {shown}   ({value.cases} cases)")
    others = [entry for entry in record["metrics"] if entry["system"] not in {"hybrid", "tutor"}]
    lines += ["", "  for comparison:"] if others else []
    lines += [
        f"  {e['system']:6} {e['name']:21} {e['mean']:.3f}" for e in others if e["name"].endswith(("success@5", "ndcg@10"))
    ]
    lines += [
        "",
        *(f"  {'ok  ' if g['passed'] else 'FAIL'} {g['metric']} {g['value']:.3f} ({g['bound']})" for g in record["gates"]),
    ]
    for c in record["comparisons"]:
        lines.append(f"  {c['metric']}: {c['difference']:+.3f} against the baseline (p {c['p_adjusted']:.3f})")
    return "\n".join([*lines, "", f"report: {folder / 'report.html'}"])


def _number(value: float) -> float | None:
    return None if value != value else round(value, 4)  # NaN is the one value that differs from itself.
