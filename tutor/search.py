"""Hybrid retrieval: which sections of the course are about a question, and which chunk speaks for each.

Five rankings are asked for at once: chunks and units by meaning (dense), the authors' own questions by meaning, and
chunks and those questions by words (BM25). Each ranking is scaled to 0..1 over the sections it returned, and the weighted
sum orders the sections, so that a paragraph found by its meaning and a table found by its words support each other when
they stand under one heading. Ties fall to the section that stands first in the course, so every store gives the same
order. Reciprocal rank fusion, and fusing chunks instead of sections, were measured and are worse; see evals/LOG.md.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import Any

from ingest.embedder import Matrix
from ingest.errors import QuestionError
from ingest.sparse import SparseVector
from ingest.store import Match, Nearest, Payload, Where
from tutor.course_index import CourseIndex
from tutor.question import kind_of, role_preference

QUESTION_LIMIT_CHARS = 4_000
MAX_HITS = 100


@dataclass(frozen=True, slots=True)
class Fusion:
    """The weight of each ranking (0 leaves it out), and of how well a section's role fits the kind of question."""

    chunk: float
    unit: float
    ask: float
    chunk_bm25: float
    ask_bm25: float
    role: float

    def weights(self) -> dict[str, float]:
        """Weight by the name of the vectors that are searched."""
        return {name: float(weight) for name, weight in asdict(self).items() if weight and name != "role"}


HYBRID = Fusion(chunk=1.0, unit=1.0, ask=1.0, chunk_bm25=1.0, ask_bm25=0.3, role=0.15)
"""Chosen on the tuning half of the cases; see evals/LOG.md."""
DENSE_ONLY = Fusion(chunk=1.0, unit=0.0, ask=0.0, chunk_bm25=0.0, ask_bm25=0.0, role=0.0)
BM25_ONLY = Fusion(chunk=0.0, unit=0.0, ask=0.0, chunk_bm25=1.0, ask_bm25=0.0, role=0.0)

_LIMITS: Mapping[str, int] = {"chunk": 60, "unit": 120, "ask": 20, "chunk_bm25": 60, "ask_bm25": 20, "outside": 1}


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that was found; ``text == source[start:end]`` of the lesson at ``path``."""

    rank: int
    score: float
    lesson: int | None
    lesson_id: str
    title: str
    section: str
    anchor: str
    path: str
    start: int
    end: int
    text: str

    def to_json(self) -> dict[str, Any]:
        """As the command contract has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one search saw.

    ``sections`` are (section key, fused score from 0 to 1), best first; ``chunks`` the fused scores of single chunks;
    ``rankings`` the raw matches by ranking; ``question_vector`` and ``question_tokens`` what the question became.
    """

    question: str
    question_vector: Sequence[float]
    question_tokens: frozenset[int]
    rankings: Mapping[str, Sequence[Match]]
    sections: Sequence[tuple[str, float]]
    chunks: Mapping[str, float]
    ms: Mapping[str, float] = field(default_factory=dict)


def check_question(question: str) -> str:
    """The question without blanks around it. Raises QuestionError when it is empty or too long."""
    text = question.replace("\0", " ").encode("utf-8", "replace").decode("utf-8").strip()
    if not text:
        raise QuestionError("the question is empty", "Type a question about the course.")
    if len(text) > QUESTION_LIMIT_CHARS:
        raise QuestionError(
            f"the question has {len(text):,} characters; at most {QUESTION_LIMIT_CHARS:,} are read",
            "Shorten it to what you want to know; leave out logs and code.",
        )
    return text


def search(
    index: CourseIndex, question: str, where: Where | None = None, fusion: Fusion = HYBRID, vector: Matrix | None = None
) -> Findings:
    """Search the course for ``question``. Raises QuestionError.

    ``vector`` spares the embedding when the caller has it already, shape [1, dimension].
    """
    text = check_question(question)
    where = where or Where()
    started = time.perf_counter()
    embedded = index.embedder.embed([text], "query") if vector is None else vector
    dense = [float(value) for value in embedded[0]]
    sparse = index.bm25.query(text)
    embedded_at = time.perf_counter()
    names = list(_LIMITS)
    queries = [_query(name, dense, sparse, Where() if name == "outside" else where) for name in names]
    rankings = dict(zip(names, index.version.nearest(queries), strict=True))
    sections = _in_order(index, _prefer_roles(_fuse(rankings, fusion, "section"), text, fusion))
    chunks = _fuse({name: found for name, found in rankings.items() if "ask" not in name}, fusion, "chunk")
    finished = time.perf_counter()
    return Findings(
        question=text,
        question_vector=dense,
        question_tokens=frozenset(sparse.indices),
        rankings=rankings,
        sections=sections,
        chunks=chunks,
        ms={"embed": (embedded_at - started) * 1000, "search": (finished - embedded_at) * 1000},
    )


def hits(index: CourseIndex, findings: Findings, k: int) -> list[Hit]:
    """The ``k`` best chunks: the best of each section in the order of the sections, then the second best of each, ...

    Raises QuestionError when ``k`` is not between 1 and 100.
    """
    if not 1 <= k <= MAX_HITS:
        raise QuestionError(f"-k is {k}", f"Ask for 1 to {MAX_HITS} hits.")
    sections = dict(findings.sections[:k])
    by_section: dict[str, list[Payload]] = {key: [] for key in sections}
    for point in index.version.points(Where(sections=tuple(sections)), "chunk") if sections else ():
        by_section[point.payload["section"]].append(point.payload)
    for chunks in by_section.values():
        chunks.sort(key=lambda chunk: (-findings.chunks.get(chunk["chunk"], 0.0), chunk["start"]))
    rounds = zip_longest(*(by_section[key] for key in sections))
    payloads = [payload for in_turn in rounds for payload in in_turn if payload]
    return [_hit(index, rank, payload, sections[payload["section"]]) for rank, payload in enumerate(payloads[:k], start=1)]


def _hit(index: CourseIndex, rank: int, chunk: Payload, score: float) -> Hit:
    lesson = index.by_path[chunk["path"]]
    section = lesson.section(chunk["anchor"])
    return Hit(
        rank=rank,
        score=round(score, 4),
        lesson=lesson.number,
        lesson_id=lesson.lesson_id,
        title=lesson.title,
        section=section.title if section else lesson.title,
        anchor=chunk["anchor"],
        path=chunk["path"],
        start=chunk["start"],
        end=chunk["end"],
        text=chunk["text"],
    )


def _query(name: str, dense: Sequence[float], sparse: SparseVector, where: Where) -> Nearest:
    return Nearest(name, sparse if name.endswith("bm25") else dense, _LIMITS[name], where)


def _fuse(rankings: Mapping[str, Sequence[Match]], fusion: Fusion, key: str) -> dict[str, float]:
    """The fused score, 0 to 1, of whatever the matches name under ``key``."""
    weights = {name: weight for name, weight in fusion.weights().items() if name in rankings}
    scores: dict[str, float] = {}
    for name, weight in weights.items():
        for place, value in _scaled(rankings[name], key).items():
            scores[place] = scores.get(place, 0.0) + weight * value
    total = sum(weights.values()) or 1.0
    return {place: score / total for place, score in scores.items()}


def _prefer_roles(sections: Mapping[str, float], question: str, fusion: Fusion) -> dict[str, float]:
    """The scores moved a little: a section whose role (its anchor) fits the kind of question gains, an unfit one loses."""
    kind = kind_of(question)
    gain = fusion.role / (sum(fusion.weights().values()) or 1.0)
    moved = {key: score + gain * role_preference(kind, key.rpartition("#")[2]) for key, score in sections.items()}
    return {key: min(max(score / (1 + gain), 0.0), 1.0) for key, score in moved.items()}


def _in_order(index: CourseIndex, sections: Mapping[str, float]) -> list[tuple[str, float]]:
    """Best first; of equals, the one that stands first in the course."""
    last = len(index.reading_order)
    return sorted(sections.items(), key=lambda pair: (-pair[1], index.reading_order.get(pair[0], last), pair[0]))


def _scaled(matches: Sequence[Match], key: str) -> dict[str, float]:
    """The best score by what ``key`` names, scaled so that the best is 1 and the last one returned is 0."""
    best: dict[str, float] = {}
    for match in matches:
        place = match.payload[key]
        best[place] = max(best.get(place, match.score), match.score)
    if not best:
        return {}
    low, high = min(best.values()), max(best.values())
    return {place: (score - low) / (high - low) if high > low else 1.0 for place, score in best.items()}
