"""Is a question the course's to answer? Several signals, one calibrated probability.

No single score separates questions from the neighbourhood of the subject (a front-end framework, say) from real ones:
they share words with the course and lie near it in meaning. The signals are combined by a logistic regression with
products of signals, because they lean on each other: a short question is near many things, a long one shares few of its
words with anything. The weights (coverage.json) come from ``python -m evals.calibrate``, which fits them to questions
that no report is made on; each signal is scaled to mean the same in a course of six lessons as in one of eighty.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from functools import cache
from pathlib import Path

from ingest.sparse import Bm25Encoder
from ingest.store import Match, Where
from tutor.course_index import CourseIndex
from tutor.particulars import count_particulars
from tutor.search import Findings

WEIGHTS_FILE = Path(__file__).parent / "coverage.json"
TOP_SECTIONS = 5
TOP_UNITS = 5
UNLIKE = 0.2
"""Cosine that two questions have which share nothing but being questions."""
TELLS_LITTLE = 0.15
"""Weight of a common word of questions against that of another word as rare in the course."""

QUESTION_WORDS_FILE = Path(__file__).parent / "question_words.txt"
"""Words that questions are made of; rare in lessons, so their rarity says nothing about the subject."""


@dataclass(frozen=True, slots=True)
class Signals:
    """What speaks for and against a question being covered.

    ``nearest``: cosine of the nearest sentence, item or row; ``depth``: mean cosine of the five nearest;
    ``known``: share of the question's words, weighted by how telling they are, that the course uses anywhere;
    ``held``: share, so weighted, that the five best sections hold together; ``words``: logarithm of one more than the
    number of distinct words that are no stop words; ``outside``: cosine of the nearest subject that the course is not
    about; ``asked``: how far the nearest of the authors' own questions is above the cosine of unlike texts, scaled to 0..1;
    ``chunk``: cosine of the nearest chunk; ``particulars``: number of signs that a particular is asked for.
    """

    nearest: float
    depth: float
    known: float
    held: float
    words: float
    outside: float
    asked: float
    chunk: float
    particulars: float


@dataclass(frozen=True, slots=True)
class Weights:
    """A fitted model: signals are centred and scaled, then their linear terms and pairwise products are weighed.

    ``products`` is the upper triangle of the matrix of products, row by row, squares included.
    """

    centre: tuple[float, ...]
    scale: tuple[float, ...]
    linear: tuple[float, ...]
    products: tuple[float, ...]
    bias: float
    threshold: float

    def probability(self, signals: Signals) -> float:
        """Probability that the course answers a question with these signals."""
        values = [
            (value - centre) / scale for value, centre, scale in zip(astuple(signals), self.centre, self.scale, strict=True)
        ]
        pairs = (values[row] * values[column] for row in range(len(values)) for column in range(row, len(values)))
        total = self.bias
        total += sum(weight * value for weight, value in zip(self.linear, values, strict=True))
        total += sum(weight * value for weight, value in zip(self.products, pairs, strict=True))
        return 1.0 / (1.0 + math.exp(-max(min(total, 30.0), -30.0)))


@dataclass(frozen=True, slots=True)
class Coverage:
    """The verdict on a question, and what it rests on."""

    probability: float
    covered: bool
    signals: Signals


def judge_coverage(index: CourseIndex, findings: Findings) -> Coverage:
    """Weigh the signals of a search."""
    signals = measure(index, findings)
    weights = read_weights()
    probability = weights.probability(signals)
    return Coverage(probability, bool(findings.question_tokens) and probability >= weights.threshold, signals)


@cache
def read_weights() -> Weights:
    """The fitted weights that are shipped."""
    loaded = json.loads(WEIGHTS_FILE.read_text("utf-8"))
    if loaded["signals"] != [field.name for field in fields(Signals)]:
        raise ValueError(f"{WEIGHTS_FILE} was fitted to other signals; run: python -m evals.calibrate")
    centre, scale, linear, products = (tuple(loaded[name]) for name in ("centre", "scale", "linear", "products"))
    return Weights(centre, scale, linear, products, loaded["bias"], loaded["threshold"])


def measure(index: CourseIndex, findings: Findings) -> Signals:
    """The signals of a search."""
    units = [max(match.score, 0.0) for match in findings.rankings["unit"][:TOP_UNITS]]
    tokens = findings.question_tokens
    weights = {token: weight_of(index, token) for token in tokens}
    return Signals(
        nearest=units[0] if units else 0.0,
        depth=sum(units) / len(units) if units else 0.0,
        known=_share(weights, {token for token in tokens if token in index.lexicon.frequencies}),
        held=_share(weights, _tokens_of_best_sections(index, findings)),
        words=math.log1p(len(tokens)),
        outside=_best(findings.rankings["outside"]),
        asked=max(0.0, _best(findings.rankings["ask"]) - UNLIKE) / (1 - UNLIKE),
        chunk=_best(findings.rankings["chunk"]),
        particulars=float(count_particulars(findings.question, lambda word: _is_known(index, word))),
    )


def weight_of(index: CourseIndex, token: int) -> float:
    """How telling a word of a question is: its inverse document frequency, little for common words of questions."""
    return index.lexicon.idf(token) * (TELLS_LITTLE if token in _common_tokens() else 1.0)


def telling_words(index: CourseIndex, question: str) -> tuple[int, int]:
    """How many words of ``question`` the course knows and does not know, common words of questions left out."""
    telling = index.bm25.tokens(question) - _common_tokens()
    known = sum(token in index.lexicon.frequencies for token in telling)
    return known, len(telling) - known


def word_overlap(index: CourseIndex, tokens: frozenset[int], text: str) -> float:
    """Share of ``tokens``, weighted by how telling they are, that ``text`` holds."""
    return _share({token: weight_of(index, token) for token in tokens}, index.bm25.tokens(text))


@cache
def _common_tokens() -> frozenset[int]:
    return Bm25Encoder().tokens(QUESTION_WORDS_FILE.read_text("utf-8"))


def _tokens_of_best_sections(index: CourseIndex, findings: Findings) -> frozenset[int]:
    keys = tuple(key for key, _ in findings.sections[:TOP_SECTIONS])
    points = index.version.points(Where(sections=keys), "chunk") if keys else []
    return index.bm25.tokens(" ".join(point.payload["text"] for point in points))


def _is_known(index: CourseIndex, word: str) -> bool:
    """Whether the course uses a word; what is no word at all (stop words, signs) counts as known."""
    return all(token in index.lexicon.frequencies for token in index.bm25.tokens(word))


def _share(weights: dict[int, float], held: frozenset[int] | set[int]) -> float:
    total = sum(weights.values())
    return sum(weight for token, weight in weights.items() if token in held) / total if total else 0.0


def _best(matches: Sequence[Match]) -> float:
    return max(matches[0].score, 0.0) if matches else 0.0
