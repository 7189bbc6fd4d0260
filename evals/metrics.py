"""The figures of a run, from the results of its suites."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evals.cases import Case
from evals.refusals import AnswerResult
from evals.retrieval import CaseResult
from evals.statistics import Estimate, estimate


@dataclass(frozen=True, slots=True)
class Metric:
    """A figure of the report; ``per_case`` feeds the comparison with another run (higher is better, always)."""

    name: str
    system: str
    value: Estimate
    per_case: Mapping[str, float]


def _cluster(case: Case) -> str:
    return case.relevant[0].lesson if case.relevant else case.id


def retrieval_metrics(cases: Sequence[Case], results: Sequence[CaseResult]) -> list[Metric]:
    """Every score of every system."""
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


def answer_metrics(cases: Sequence[Case], results: Sequence[AnswerResult]) -> list[Metric]:
    """What the answers were like. A metric that has no case is left out, because nothing was measured."""
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
    balanced = (answered.value.mean + refused.value.mean) / 2
    found = [
        metric("false refusals", answerable, lambda r: float(r.refused)),
        answered,
        metric("near-domain declined", near, lambda r: float(r.refused)),
        metric("far declined", far, lambda r: float(r.refused)),
        refused,
        _constant("balanced accuracy", balanced, len(results) if answerable and declined else 0),
        _constant("far questions answered", sum(not r.refused for r in far), len(far)),
        metric("quotes verbatim", cited, lambda r: r.verbatim / r.citations),
        _constant("citations under a refusal", sum(r.citations for r in results if r.refused), len(results)),
        metric("first passage relevant", led, lambda r: float(bool(r.lead_relevant))),
        metric("words in an answer", [r for r in results if not r.refused], lambda r: float(r.words)),
        _constant("answer p50 ms", _percentile([r.total_ms for r in results], 0.50), len(results)),
        _constant("answer p95 ms", _percentile([r.total_ms for r in results], 0.95), len(results)),
    ]
    return [measured for measured in found if measured.value.cases]


def _constant(name: str, value: float, cases: int) -> Metric:
    return Metric(name, "tutor", Estimate(float(value), float(value), float(value), cases), {})


def _percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else float("nan")
