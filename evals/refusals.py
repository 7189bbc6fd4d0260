"""The answers suite: what is answered, what is declined, and whether every quotation is true to its source."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evals.cases import Case
from evals.retrieval import relevant_grades
from tutor.answer import Answer, ask
from tutor.course_index import CourseIndex


@dataclass(frozen=True, slots=True)
class AnswerResult:
    """What came of one case. ``right`` is whether it was answered or declined as it should be; ``verbatim`` the number of
    citations whose quote is the source at its span; ``lead_relevant`` whether the first passage stands in a section that
    the case calls relevant (None for declined cases and refusals)."""

    case_id: str
    kind: str
    answerable: bool
    refused: bool
    right: bool
    confidence: float
    citations: int
    verbatim: int
    lead_relevant: bool | None
    words: int
    total_ms: float
    answer: str


def run_answers(index: CourseIndex, cases: Sequence[Case], tick: Callable[[], None]) -> list[AnswerResult]:
    """Ask every case's question and judge the answer. Raises CaseError when a case names a section that is not there."""
    for case in cases:
        relevant_grades(index, case)
    results = []
    for case in cases:
        answer = ask(index, case.question)
        results.append(_judge(index, case, answer))
        tick()
    return results


def _judge(index: CourseIndex, case: Case, answer: Answer) -> AnswerResult:
    relevant = {(entry.lesson, entry.section) for entry in case.relevant}
    first = answer.citations[0] if answer.citations else None
    return AnswerResult(
        case_id=case.id,
        kind=case.kind,
        answerable=case.answerable,
        refused=answer.refused,
        right=answer.refused != case.answerable,
        confidence=answer.confidence,
        citations=len(answer.citations),
        verbatim=sum(index.source(c.path)[c.start : c.end] == c.quote for c in answer.citations),
        lead_relevant=(first.lesson_id, first.anchor) in relevant if first and case.answerable else None,
        words=len(answer.answer.split()),
        total_ms=answer.timings_ms["total"],
        answer=answer.answer,
    )
