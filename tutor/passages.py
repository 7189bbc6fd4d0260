"""Which words of the course to quote: a few short passages, each a run of neighbouring sentences, an item or a row.

Units (sentences, list items, table rows) of the best sections are scored by likeness in meaning to the question, by the
telling words they share with it, and by the score of their section. The best unit grows into a passage that can stand
alone: a sentence that leans on the one before takes it along. Further passages are added while they are good enough and
say something new (maximal marginal relevance; Carbonell and Goldstein, 1998).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ingest.store import StoredPoint, Where
from tutor.course_index import CourseIndex
from tutor.coverage import word_overlap
from tutor.search import Findings

SECTIONS_READ = 8
MAX_PASSAGES = 4
MAX_PASSAGE_WORDS = 85
BUDGET_WORDS = 165

MEANING_WEIGHT = 1.0
WORDS_WEIGHT = 0.35
SECTION_WEIGHT = 1.0
NOVELTY_WEIGHT = 0.5
SECTION_USED = 0.2
DEFINES_WEIGHT = 0.3
WORTH_ADDING = 0.75
"""A further passage must score at least this share of the first one's score..."""
WORTH_ADDING_SHORT = 0.55
ENOUGH_WORDS = 60
"""...or this smaller share, as long as the answer has fewer words than these."""
WORTH_FOLLOWING = 0.5
"""A neighbouring sentence is quoted too when it scores at least this share of the one that was chosen."""

_ANAPHOR = re.compile(
    r"^[\"'“(*]*(?:this|that|these|those|it|its|they|them|their|he|she|his|her|such|both|neither|either|the (?:first|second|"
    r"third|former|latter|other|others|same|result|answer|rest)|so|then|thus|hence|therefore|but|and|or|yet|also|instead|"
    r"otherwise|however|still|here|there|only now|not by itself|again|another|each of|one of|in that|from then|after that|"
    r"until then|no|yes|of these|for that)\b"
    r"|^(?:\S+\s){1,5}(?:therefore|thus|however|too|hence)\b",
    re.IGNORECASE,
)
_DEFINES = re.compile(r"^\W*((?:[\w'’/-]+\W+){1,9}?)(?:(?:is|are|means)\b|:\s)", re.IGNORECASE)
"""The beginning of a sentence or key term that says what something is; the group holds what is defined."""
_INTRODUCES = re.compile(
    r"^(?:the )?(?:two|three|four|five|six|seven|eight|these|some|a few) (?:[\w-]+ )?(?:beliefs|claims|readings|misreadings|"
    r"mistakes|sentences|statements|questions)\b|^questions (?:on|about)\b|\bnumber in brackets\b|\b(?:this|the) table\b|"
    r"\bdiagram in words\b",
    re.IGNORECASE,
)
"""A sentence that only announces a list, a table or a diagram; without them it says nothing."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A quotable unit with its score for this question. ``cells`` and ``header`` are those of a table row."""

    section: str
    path: str
    anchor: str
    start: int
    end: int
    form: str
    paragraph: int
    text: str
    cells: tuple[str, ...]
    header: tuple[str, ...]
    score: float
    vector: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Passage:
    """Neighbouring units of one paragraph, to be quoted as one: ``source[start:end]``."""

    units: tuple[Unit, ...]
    score: float

    @property
    def first(self) -> Unit:
        """The unit it begins with; its section and path are the passage's."""
        return self.units[0]

    @property
    def start(self) -> int:
        """Offset of its first character in the lesson's source."""
        return self.units[0].start

    @property
    def end(self) -> int:
        """Offset after its last character."""
        return self.units[-1].end

    @property
    def words(self) -> int:
        """Its length in words."""
        return sum(len(unit.text.split()) for unit in self.units)


def gather_passages(index: CourseIndex, findings: Findings, kind: str) -> list[Passage]:
    """The passages to quote for a question of ``kind``, the most direct first; empty when nothing can be quoted."""
    units = _score_units(index, findings, kind)
    by_paragraph: dict[tuple[str, int], list[Unit]] = {}
    for unit in sorted(units, key=lambda unit: (unit.path, unit.start)):
        by_paragraph.setdefault((unit.section, unit.paragraph), []).append(unit)
    ranked = sorted(filter(_quotable, units), key=lambda unit: (-unit.score, unit.path, unit.start))
    chosen: list[Passage] = []
    while ranked and len(chosen) < MAX_PASSAGES:
        unit = max(ranked, key=lambda unit: unit.score - _penalty(unit, chosen))
        ranked.remove(unit)
        if chosen and unit.score - _penalty(unit, chosen) < chosen[0].score * _worth_adding(chosen):
            break
        if any(_same_place(unit, passage) for passage in chosen):
            continue
        passage = _grow(unit, by_paragraph[unit.section, unit.paragraph])
        if not passage or any(_overlap(passage, other) for other in chosen):
            continue
        if not chosen or sum(p.words for p in chosen) + passage.words <= BUDGET_WORDS:
            chosen.append(passage)
    return [*chosen[:1], *sorted(chosen[1:], key=lambda p: _order(p, chosen[0]))]


def _worth_adding(chosen: Sequence[Passage]) -> float:
    return WORTH_ADDING if sum(passage.words for passage in chosen) >= ENOUGH_WORDS else WORTH_ADDING_SHORT


def _order(passage: Passage, lead: Passage) -> tuple[bool, bool, str, int]:
    """After the lead: its own section, then its own lesson, then others, each in the order of the text."""
    same_section = passage.first.section == lead.first.section
    return not same_section, passage.first.path != lead.first.path, passage.first.path, passage.start


def _score_units(index: CourseIndex, findings: Findings, kind: str) -> list[Unit]:
    standing = {key: SECTION_WEIGHT * score for key, score in findings.sections[:SECTIONS_READ]}
    points = index.version.points(Where(sections=tuple(standing)), "unit", with_vectors=True)
    question = np.asarray(findings.question_vector, np.float32)
    scored = [_scored(index, findings, point, question, standing) for point in points]
    if kind != "definition":
        return scored
    return [replace(unit, score=unit.score + DEFINES_WEIGHT * _defines(index, findings, unit.text)) for unit in scored]


def _defines(index: CourseIndex, findings: Findings, text: str) -> float:
    """How much of what is asked for the text sets out to define, 0 to 1."""
    found = _DEFINES.match(text)
    known = frozenset(token for token in findings.question_tokens if token in index.lexicon.frequencies)
    return word_overlap(index, known, found.group(1)) if found else 0.0


def _quotable(unit: Unit) -> bool:
    """Whether a passage may begin from the unit; others are quoted only between those that may."""
    return len(unit.text.split()) >= 4 and not unit.text.endswith(":") and not _INTRODUCES.search(unit.text)


def _scored(
    index: CourseIndex,
    findings: Findings,
    point: StoredPoint,
    question: NDArray[np.float32],
    standing: Mapping[str, float],
) -> Unit:
    payload = point.payload
    vector = np.asarray(point.vector, np.float32)
    meaning = float(vector @ question)
    words = word_overlap(index, findings.question_tokens, payload["text"])
    return Unit(
        section=payload["section"],
        path=payload["path"],
        anchor=payload["anchor"],
        start=payload["start"],
        end=payload["end"],
        form=payload["form"],
        paragraph=payload["paragraph"],
        text=payload["text"],
        cells=tuple(payload.get("cells", ())),
        header=tuple(payload.get("header", ())),
        score=MEANING_WEIGHT * meaning + WORDS_WEIGHT * words + standing[payload["section"]],
        vector=vector,
    )


def _same_place(unit: Unit, passage: Passage) -> bool:
    return unit.path == passage.first.path and passage.start <= unit.start < passage.end


def _overlap(one: Passage, other: Passage) -> bool:
    return one.first.path == other.first.path and one.start < other.end and other.start < one.end


def _penalty(unit: Unit, chosen: Sequence[Passage]) -> float:
    """What the unit is worth less after what is said already: it repeats it, or its section has been heard."""
    likeness = max((float(unit.vector @ said.vector) for passage in chosen for said in passage.units), default=0.0)
    heard = sum(unit.section == passage.first.section for passage in chosen)
    return NOVELTY_WEIGHT * max(0.0, likeness - 0.5) + SECTION_USED * heard


def _grow(unit: Unit, paragraph: Sequence[Unit]) -> Passage | None:
    """The unit with the neighbours it needs or deserves; None when it cannot stand alone within the length allowed.

    First back to a sentence that leans on none before it, then on while what follows leans on this or is nearly as good,
    then back while what precedes is.
    """
    first = last = paragraph.index(unit)
    if unit.form == "sentence":
        while first > 0 and _leans(paragraph[first]):
            first -= 1
        while last + 1 < len(paragraph) and _wanted(paragraph[last + 1], unit, paragraph[first : last + 2]):
            last += 1
        while first > 0 and _wanted(paragraph[first - 1], unit, paragraph[first - 1 : last + 1]):
            first -= 1
            while first > 0 and _leans(paragraph[first]):
                first -= 1
    passage = Passage(tuple(paragraph[first : last + 1]), unit.score)
    if passage.words > MAX_PASSAGE_WORDS and first != last:
        return None
    return None if _leans(paragraph[first]) else passage


def _leans(unit: Unit) -> bool:
    """Whether a sentence begins with a word that points back at the one before it."""
    return unit.form == "sentence" and bool(_ANAPHOR.match(unit.text))


def _wanted(neighbour: Unit, seed: Unit, together: Sequence[Unit]) -> bool:
    """Whether to quote a neighbouring sentence too: it leans on this one or is nearly as good, and there is room."""
    words = sum(len(unit.text.split()) for unit in together)
    return words <= MAX_PASSAGE_WORDS and (_leans(neighbour) or neighbour.score >= WORTH_FOLLOWING * seed.score)
