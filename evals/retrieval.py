"""The retrieval suite: does search find the sections that answer a question?

Judged by lesson (is a lesson that answers among the first five?) and by section, with the graded relevance of the cases.
The metrics are those of ir-measures; beside the tutor's own search stand BM25 alone and the dense vectors of chunks alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import ir_measures
from ir_measures import RR, R, Success, nDCG

from evals.cases import Case
from ingest.errors import CaseError
from tutor.course_index import CourseIndex
from tutor.search import BM25_ONLY, DENSE_ONLY, HYBRID, Findings, Fusion, search

SYSTEMS: Mapping[str, Fusion] = {"hybrid": HYBRID, "bm25": BM25_ONLY, "dense": DENSE_ONLY}
MEASURES = {"success@5": Success @ 5, "ndcg@10": nDCG @ 10, "rr@5": RR @ 5, "recall@10": R @ 10}
DEPTH = 10


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What one system found for one case; ``scores`` by name, such as "lesson success@5"."""

    case_id: str
    system: str
    scores: Mapping[str, float]
    lessons: tuple[str, ...]
    sections: tuple[str, ...]
    search_ms: float


def run_retrieval(index: CourseIndex, cases: Sequence[Case], tick: Callable[[], None]) -> list[CaseResult]:
    """Results of every system on every answerable case. Raises CaseError when a case names a section that is not there."""
    answerable = [case for case in cases if case.answerable]
    keys = {case.id: relevant_grades(index, case) for case in answerable}
    results = []
    for case in answerable:
        for system, fusion in SYSTEMS.items():
            results.append(_judge(case, system, search(index, case.question, fusion=fusion), keys[case.id]))
        tick()
    return results


def relevant_grades(index: CourseIndex, case: Case) -> dict[str, int]:
    """Section key -> grade. Raises CaseError when the case names a section that is not there."""
    by_id = {lesson.lesson_id: lesson for lesson in index.lessons}
    grades = {}
    for entry in case.relevant:
        lesson = by_id.get(entry.lesson)
        if not lesson or not lesson.section(entry.section):
            raise CaseError(
                f"case '{case.id}' names {entry.lesson}#{entry.section}, which this course does not have",
                "Mend the case, or name the cases of this course with --cases DIR.",
            )
        grades[f"{lesson.path}#{entry.section}"] = int(entry.grade)
    return grades


def _judge(case: Case, system: str, findings: Findings, relevant: Mapping[str, int]) -> CaseResult:
    sections = list(dict.fromkeys(key for key, _ in findings.sections))
    lessons = list(dict.fromkeys(key.rpartition("#")[0] for key in sections))
    by_lesson: dict[str, int] = {}
    for key, grade in relevant.items():
        path = key.rpartition("#")[0]
        by_lesson[path] = max(by_lesson.get(path, 0), grade)
    scores = {f"lesson {name}": value for name, value in _measure(lessons, by_lesson).items()}
    scores |= {f"section {name}": value for name, value in _measure(sections, relevant).items()}
    return CaseResult(case.id, system, scores, tuple(lessons[:DEPTH]), tuple(sections[:DEPTH]), sum(findings.ms.values()))


def _measure(ranked: Sequence[str], relevant: Mapping[str, int]) -> dict[str, float]:
    qrels = [ir_measures.Qrel("q", document, grade) for document, grade in relevant.items()]
    run = [ir_measures.ScoredDoc("q", document, float(-place)) for place, document in enumerate(ranked[:100])]
    found = {metric.measure: float(metric.value) for metric in ir_measures.iter_calc(MEASURES.values(), qrels, run)}
    return {name: found.get(measure, 0.0) for name, measure in MEASURES.items()}
