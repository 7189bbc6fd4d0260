"""The one Answer that every face shows: Markdown with marks, citations with exact spans, related lessons.

Without a model an answer is written from quotations alone. Each paragraph is a passage of the course with its mark; a
row of a table is read out under its column titles, the only words besides the quotation. A question that the course
does not cover is declined, without citations, and with the lessons that come nearest.
"""

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ingest.markdown import plain
from ingest.store import Where
from tutor.course_index import CourseIndex
from tutor.coverage import judge_coverage, telling_words
from tutor.passages import Passage, gather_passages
from tutor.question import Turn, kind_of, points_back, with_subject
from tutor.search import QUESTION_LIMIT_CHARS, Findings, check_question, search

ENGINE = "quotes"
RELATED_LESSONS = 3
NOT_COVERED = "not_covered"

_DECLINED = "This course does not answer that question."
_NEAREST = "The nearest lessons are {lessons}."
_HINT = (
    "Ask yourself first: *{question}* Look for it in {lesson}, under **{section}**. "
    "Then write down your own answer in a sentence or two, and ask again to compare."
)
_LOOKS_LIKE_MARK = re.compile(r"\[(\d+)\]")
"""A number in brackets in the course's own text; shown with its brackets escaped, or it would read as a citation."""
_HINT_QUESTION = "what decides this, and what would change my answer?"


@dataclass(frozen=True, slots=True)
class Citation:
    """A mark of the answer: ``quote == source[start:end]`` of the lesson at ``path``, in code points of the whole file."""

    n: int
    lesson: int | None
    lesson_id: str
    title: str
    section: str
    anchor: str
    path: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Related:
    """A lesson to read next, at the section that came nearest."""

    lesson: int | None
    lesson_id: str
    title: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply to a question. ``reason`` says why it was declined; ``confidence`` is the probability of being covered."""

    answer: str
    refused: bool
    reason: str | None
    citations: tuple[Citation, ...]
    related: tuple[Related, ...]
    confidence: float
    engine: str
    unsupported: tuple[str, ...] = ()
    timings_ms: dict[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As the command contract has it."""
        return asdict(self)


def ask(
    index: CourseIndex, question: str, history: Sequence[Turn] = (), where: Where | None = None, mode: str = "answer"
) -> Answer:
    """Answer ``question`` from the course, in ``mode`` "answer" or "hint". Raises QuestionError."""
    started = time.perf_counter()
    text = _in_context(index, check_question(question), history)
    findings = search(index, text, where)
    coverage = judge_coverage(index, findings)
    related_to = _related(index, findings)
    passages = gather_passages(index, findings, kind_of(question)) if coverage.covered else []
    timings = {**findings.ms, "total": (time.perf_counter() - started) * 1000}
    timings["write"] = timings["total"] - timings["embed"] - timings["search"]
    rounded = {name: round(value, 2) for name, value in timings.items()}
    if not passages:
        return _decline(related_to, coverage.probability, rounded)
    citations = tuple(_cite(index, number, passage) for number, passage in enumerate(passages, start=1))
    lead = citations[0]
    hinting = mode == "hint"
    return Answer(
        answer=_hint(findings, lead) if hinting else write_answer(passages),
        refused=False,
        reason=None,
        citations=() if hinting else citations,
        related=_look_here(lead, related_to) if hinting else _read_next(lead, related_to),
        confidence=round(coverage.probability, 3),
        engine=ENGINE,
        timings_ms=rounded,
    )


def _in_context(index: CourseIndex, question: str, history: Sequence[Turn]) -> str:
    """The question with its subject from the turns before, unless it has one of its own.

    It has when it uses a word that the course does not know (a change of subject, to be judged alone), or, with nothing
    that points back, two words that the course knows, or one that it asks the meaning of.
    """
    known, unknown = telling_words(index, question)
    enough = 1 if kind_of(question) == "definition" else 2
    if unknown or (known >= enough and not points_back(question)):
        return question
    return with_subject(question, history)[-QUESTION_LIMIT_CHARS:]


def write_answer(passages: Sequence[Passage]) -> str:
    """Markdown of the passages, each ended by its mark [1], [2]...; items and rows that follow each other make a list."""
    paragraphs: list[str] = []
    before = ""
    for number, passage in enumerate(passages, start=1):
        form = passage.first.form
        text = f"{_shown(passage)} [{number}]"
        if form != "sentence" and form == before:
            paragraphs[-1] += f"\n- {text}"
        else:
            paragraphs.append(text if form == "sentence" or not _followed_by_same(passages, number) else f"- {text}")
        before = form
    return "\n\n".join(paragraphs)


def _followed_by_same(passages: Sequence[Passage], number: int) -> bool:
    """Whether passage ``number`` (from 1) begins a list; one item or row alone reads better as a paragraph."""
    return number < len(passages) and passages[number].first.form == passages[number - 1].first.form


def _shown(passage: Passage) -> str:
    """The passage as it is read: markup stripped; a table row as its first cell, then the others under their titles."""
    unit = passage.first
    if unit.form != "row":
        return _LOOKS_LIKE_MARK.sub(r"\\[\1\\]", " ".join(part.text for part in passage.units))
    pairs = [(title, _as_sentence(cell)) for title, cell in zip(unit.header, unit.cells, strict=False) if cell]
    named = bool(unit.cells and unit.cells[0])
    shown = [f"**{pairs[0][1]}**"] if named else []
    shown += [f"*{title}:* {cell}" if title else cell for title, cell in pairs[named:]]
    return _LOOKS_LIKE_MARK.sub(r"\\[\1\\]", " ".join(shown))


def _as_sentence(cell: str) -> str:
    return cell if re.search(r"[.!?…]['\"”’)]*$", cell) else f"{cell}."


def _cite(index: CourseIndex, number: int, passage: Passage) -> Citation:
    lesson = index.by_path[passage.first.path]
    section = lesson.section(passage.first.anchor)
    source = index.source(passage.first.path)
    return Citation(
        n=number,
        lesson=lesson.number,
        lesson_id=lesson.lesson_id,
        title=lesson.title,
        section=section.title if section else lesson.title,
        anchor=passage.first.anchor,
        path=passage.first.path,
        start=passage.start,
        end=passage.end,
        quote=source[passage.start : passage.end],
    )


def _related(index: CourseIndex, findings: Findings) -> list[Related]:
    """The lessons of the best sections, each once, best first."""
    found: dict[str, Related] = {}
    for key, _ in findings.sections:
        path, _, anchor = key.rpartition("#")
        lesson = index.by_path[path]
        found.setdefault(lesson.lesson_id, Related(lesson.number, lesson.lesson_id, lesson.title, anchor))
        if len(found) > RELATED_LESSONS:
            break
    return list(found.values())


def _decline(related_to: Sequence[Related], probability: float, timings: dict[str, float]) -> Answer:
    nearest = tuple(related_to[:RELATED_LESSONS])
    text = f"{_DECLINED} {_NEAREST.format(lessons=_listed(nearest))}" if nearest else _DECLINED
    return Answer(text, True, NOT_COVERED, (), nearest, round(probability, 3), ENGINE, (), timings)


def _listed(related_to: Iterable[Related]) -> str:
    names = [f"{name_of(entry.lesson, entry.title)}" for entry in related_to]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def name_of(number: int | None, title: str) -> str:
    """How a lesson is called in a sentence."""
    return f"lesson {number}, *{title}*" if number is not None else f"*{title}*"


def _read_next(lead: Citation, related_to: Sequence[Related]) -> tuple[Related, ...]:
    return tuple(entry for entry in related_to if entry.lesson_id != lead.lesson_id)[:RELATED_LESSONS]


def _look_here(lead: Citation, related_to: Sequence[Related]) -> tuple[Related, ...]:
    """For a hint: the place where the answer stands, before the other lessons."""
    return (Related(lead.lesson, lead.lesson_id, lead.title, lead.anchor), *_read_next(lead, related_to))[:RELATED_LESSONS]


def _hint(findings: Findings, lead: Citation) -> str:
    """A guiding question, taken from the authors' own about that lesson where there is one, and where to look."""
    asks = [match.payload["question"] for match in findings.rankings["ask"] if match.payload["path"] == lead.path]
    others = [ask for ask in asks if ask.strip().lower() != findings.question.strip().lower()]
    question = others[0] if others else _HINT_QUESTION
    return _HINT.format(question=plain(question), section=lead.section, lesson=name_of(lead.lesson, lead.title))
