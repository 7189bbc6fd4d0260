"""One evaluation, from cases to a saved run: ``runs/<id>/{run.json, results.csv, report.html}`` and a verdict.

A run passes when every gate of GATES holds and, with a baseline, no metric has fallen significantly (Holm-adjusted
p < 0.05). Files are written to a folder aside and moved in place whole, so a run is complete or not there.
"""

import csv
import hashlib
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evals.cases import SHIPPED_CASES, Case, Half, read_cases
from evals.refusals import AnswerResult, run_answers
from evals.report import render
from evals.retrieval import CaseResult, run_retrieval
from evals.statistics import Comparison, Estimate, compare, estimate, holm
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
class Metric:
    """A figure of the report; ``per_case`` feeds the comparison with another run (higher is better, always)."""

    name: str
    system: str
    value: Estimate
    per_case: Mapping[str, float]


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
    old = _read_baseline(runs_folder, baseline) if baseline else None
    folder = Path(cases_folder) if cases_folder else SHIPPED_CASES
    cases = [case for case in read_cases(folder) if case.half == half]
    retrieval = _ticking("retrieval", progress, cases, run_retrieval, index) if "retrieval" in chosen else []
    answers = _ticking("refusals", progress, cases, run_answers, index) if "refusals" in chosen else []
    metrics = [*_retrieval_metrics(cases, retrieval), *_answer_metrics(cases, answers)]
    gates = _judge_gates(metrics)
    comparisons = _compare(metrics, old) if old else []
    fallen = _fallen(comparisons)
    record = _record(index, half, cases, metrics, gates, comparisons, retrieval, answers, baseline)
    passed = all(gate["passed"] for gate in gates) and not fallen
    record["passed"] = passed
    target = _save(runs_folder, record)
    text = _text(record, target)
    return Outcome(record["id"], target, passed, text, tuple(metrics))


def _ticking(
    stage: str, progress: Progress, cases: Sequence[Case], run: Callable[..., list[Any]], index: CourseIndex
) -> list[Any]:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(stage, done, len(cases))

    return run(index, cases, tick)


def _cluster(case: Case) -> str:
    return case.relevant[0].lesson if case.relevant else case.id


def _retrieval_metrics(cases: Sequence[Case], results: Sequence[CaseResult]) -> list[Metric]:
    by_id = {case.id: case for case in cases}
    metrics = []
    names = list(results[0].scores) if results else []
    for system in dict.fromkeys(result.system for result in results):
        mine = [result for result in results if result.system == system]
        clusters = [_cluster(by_id[result.case_id]) for result in mine]
        for name in names:
            values = [result.scores[name] for result in mine]
            per_case = {result.case_id: result.scores[name] for result in mine}
            metrics.append(Metric(name, system, estimate(values, clusters), per_case))
    return metrics


def _answer_metrics(cases: Sequence[Case], results: Sequence[AnswerResult]) -> list[Metric]:
    if not results:
        return []
    by_id = {case.id: case for case in cases}
    near = [r for r in results if r.kind == "near" and not r.answerable]
    far = [r for r in results if r.kind == "far" and not r.answerable]
    answerable = [r for r in results if r.answerable]
    declined = [r for r in results if not r.answerable]
    cited = [r for r in results if r.citations]
    led = [r for r in answerable if r.lead_relevant is not None]

    def metric(name: str, members: Sequence[AnswerResult], value: Callable[[AnswerResult], float]) -> Metric:
        values = {r.case_id: value(r) for r in members}
        return Metric(name, "tutor", estimate(list(values.values()), [_cluster(by_id[key]) for key in values]), values)

    answered = metric("answered when answerable", answerable, lambda r: float(not r.refused))
    refused = metric("declined when it should be", declined, lambda r: float(r.refused))
    return [
        metric("false refusals", answerable, lambda r: float(r.refused)),
        answered,
        metric("near-domain declined", near, lambda r: float(r.refused)),
        metric("far declined", far, lambda r: float(r.refused)),
        refused,
        _constant("balanced accuracy", (answered.value.mean + refused.value.mean) / 2, len(results)),
        _constant("far questions answered", sum(not r.refused for r in far), len(far)),
        metric("quotes verbatim", cited, lambda r: r.verbatim / r.citations),
        _constant("citations under a refusal", sum(r.citations for r in results if r.refused), len(results)),
        metric("first passage relevant", led, lambda r: float(bool(r.lead_relevant))),
        metric("words in an answer", [r for r in results if not r.refused], lambda r: float(r.words)),
        _constant("answer p50 ms", _percentile([r.total_ms for r in results], 0.50), len(results)),
        _constant("answer p95 ms", _percentile([r.total_ms for r in results], 0.95), len(results)),
    ]


_LOWER_IS_BETTER = frozenset({"false refusals"})
_NOT_COMPARED = frozenset({"words in an answer"})


def _constant(name: str, value: float, cases: int) -> Metric:
    return Metric(name, "tutor", Estimate(float(value), float(value), float(value), cases), {})


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")


def _judge_gates(metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    judged = []
    measured = {metric.name: metric for metric in metrics if metric.system in {"hybrid", "tutor"}}
    for name, (sign, bound) in GATES.items():
        if name in measured and measured[name].value.cases:
            value = measured[name].value.mean
            passed = value >= bound if sign == ">=" else value <= bound
            judged.append({"metric": name, "value": value, "bound": f"{sign} {bound:g}", "passed": passed})
    return judged


def _compare(metrics: Sequence[Metric], old: Mapping[str, Any]) -> list[dict[str, Any]]:
    before = {(entry["name"], entry["system"]): entry["per_case"] for entry in old["metrics"]}
    found: list[Comparison] = []
    for metric in metrics:
        earlier = before.get((metric.name, metric.system))
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
            path: {"number": entry.number, "title": entry.title, "module": entry.module} for path, entry in by_path.items()
        },
        "cases": [case.model_dump() for case in cases],
        "retrieval": [asdict(result) for result in retrieval],
        "answers": [asdict(result) for result in answers],
    }


def _save(runs_folder: Path, record: dict[str, Any]) -> Path:
    runs_folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".run-", dir=runs_folder))
    try:
        (staging / "run.json").write_text(json.dumps(record, ensure_ascii=False, indent=1), "utf-8")
        (staging / "report.html").write_text(render(record), "utf-8")
        with (staging / "results.csv").open("w", encoding="utf-8", newline="") as file:
            _write_csv(file, record)
        staging.chmod(0o755)
        target = runs_folder / str(record["id"])
        if target.exists():
            target = runs_folder / f"{record['id']}-{os.getpid()}"
            record["id"] = target.name
        staging.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _write_csv(file: Any, record: Mapping[str, Any]) -> None:
    questions = {case["id"]: case for case in record["cases"]}
    writer = csv.writer(file)
    writer.writerow(["case", "kind", "question", "system", "metric", "value"])
    for result in record["retrieval"]:
        case = questions[result["case_id"]]
        for name, value in result["scores"].items():
            writer.writerow([case["id"], case["kind"], case["question"], result["system"], name, f"{value:.4f}"])
    for result in record["answers"]:
        case = questions[result["case_id"]]
        for name in ("refused", "right", "confidence", "citations", "verbatim", "lead_relevant", "words", "total_ms"):
            writer.writerow([case["id"], case["kind"], case["question"], "tutor", name, result[name]])


def _read_baseline(runs_folder: Path, name: str) -> dict[str, Any]:
    path = runs_folder / name / "run.json"
    try:
        loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        known = sorted(entry.name for entry in runs_folder.glob("[0-9]*")) if runs_folder.is_dir() else []
        raise CaseError(f"no run '{name}' in {runs_folder}", f"Runs: {', '.join(known[-5:]) or 'none yet'}.") from error
    except ValueError as error:
        raise CaseError(f"{path} is damaged: {error}", "Choose another run, or run: tutor eval") from error
    if not isinstance(loaded, dict) or "metrics" not in loaded:
        raise CaseError(f"{path} is no saved run", "Choose another run, or run: tutor eval")
    return loaded


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
