"""Points about bread for the stores, and what a search of them must find.

Expected scores are computed from the vectors and the words, by the definitions of the cosine and of BM25 (Robertson and
Zaragoza 2009: k1 = 1.2, b = 0.75), so a store that agrees with them agrees with every other store.
"""

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from ingest.sparse import Bm25Encoder
from ingest.store import MANIFEST, IndexStore, Point, Where

DIMENSION = 6
AVERAGE = 3.0
TEXTS = (
    "flour water",
    "flour salt salt oven",
    "oven steam crust crust crust",
    "dough proof",
    "salt",
    "starter flour water starter acid",
    "steam oven oven",
    "crust flour crust",
)
"""Texts without stop words, whose words are their own stems, so that a test can count them."""

Scores = list[tuple[str, float]]


def point_id(number: int) -> str:
    return str(UUID(int=number))


def unit_vector(seed: int) -> list[float]:
    """A direction that no other seed has."""
    numbers = random.Random(seed)
    values = [numbers.uniform(-1, 1) for _ in range(DIMENSION)]
    length = math.hypot(*values)
    return [value / length for value in values]


def bread_points() -> list[Point]:
    """A chunk and a unit a text, and one question by the authors; lessons take turns, each in one of two modules."""
    encoder = Bm25Encoder(AVERAGE)
    points = []
    for number, text in enumerate(TEXTS):
        lesson = number % 4
        where = {"lesson_id": f"lesson-{lesson}", "module": f"module-{lesson % 2}", "section": f"{lesson}.md#{number}"}
        chunk = {**where, "kind": "chunk", "text": text, "start": number, "cells": ["Käse", text], "number": None}
        points += [
            Point(point_id(number + 1), chunk, {"chunk": unit_vector(number)}, {"chunk_bm25": encoder.document(text)}),
            Point(point_id(number + 101), {**where, "kind": "unit"}, {"unit": unit_vector(number + 50)}),
        ]
    ask = {"kind": "ask", "lesson_id": "lesson-0", "module": "module-0", "section": "0.md#0"}
    sparse = {"ask_bm25": encoder.document("flour salt")}
    return [*points, Point(point_id(201), ask, {"ask": unit_vector(99)}, sparse)]


def build_and_publish(store: IndexStore, name: str, artifacts: Mapping[str, str] | None = None) -> None:
    store.build(name, DIMENSION, bread_points(), {MANIFEST: "{}", **(artifacts or {})})
    store.publish(name)


def passing(where: Where) -> set[str]:
    """Ids of the points that have one of the wanted values in every field of the filter."""
    wanted = [("lesson_id", where.lesson_ids), ("module", where.modules), ("section", where.sections)]
    return {
        point.point_id
        for point in bread_points()
        if all(not values or point.payload[name] in values for name, values in wanted)
    }


def cosines(query: Sequence[float]) -> Scores:
    """(id, cosine) of every chunk, best first."""
    chunks = [point for point in bread_points() if "chunk" in point.dense]
    return _best_first(
        (point.point_id, sum(a * b for a, b in zip(query, point.dense["chunk"], strict=True))) for point in chunks
    )


def bm25(words: Sequence[str]) -> Scores:
    """(id, BM25) of every chunk that has one of the words, best first."""
    scores = []
    for number, text in enumerate(TEXTS):
        counts = Counter(text.split())
        slowed = 1.2 * (1 - 0.75 + 0.75 * len(text.split()) / AVERAGE)
        score = sum(_idf(word) * counts[word] * 2.2 / (counts[word] + slowed) for word in words)
        scores.append((point_id(number + 1), score))
    return _best_first(pair for pair in scores if pair[1] > 0)


def _idf(word: str) -> float:
    having = sum(word in text.split() for text in TEXTS)
    return math.log(1 + (len(TEXTS) - having + 0.5) / (having + 0.5))


def _best_first(scores: Iterable[tuple[str, float]]) -> Scores:
    return sorted(scores, key=lambda pair: -pair[1])
