"""What a version holds as points: every chunk, unit and authors' question with its vectors and what is known of it."""

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ingest.chunks import Chunk, Unit
from ingest.course import Lesson
from ingest.cut import CutCourse
from ingest.embedder import Embedder
from ingest.outside import not_taught, outside_subjects
from ingest.progress import Progress
from ingest.sections import Section
from ingest.sparse import Bm25Encoder, average_tokens
from ingest.store import Point

_NAMESPACE = uuid.UUID("0b0c4d3e-5a9f-4c55-8f3e-2a9c1f6f7d10")


def make_points(
    cut: CutCourse, embedder: Embedder, known: Mapping[str, Sequence[float]], progress: Progress
) -> tuple[list[Point], int, float]:
    """All points with their vectors, how many vectors were computed, and the average length of a chunk."""
    drafts = list(_drafts(cut))
    keys = [hashlib.sha256(text.encode()).hexdigest() for _, text, _ in drafts]
    vectors = dict(known)
    missing = {key: text for key, (_, text, _) in zip(keys, drafts, strict=True) if key not in vectors}
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        progress("embedding", done, len(missing))

    if missing:
        computed = embedder.embed(list(missing.values()), "document", count)
        vectors.update(zip(missing, computed.tolist(), strict=True))
    average = average_tokens([text for kind, text, _ in drafts if kind == "chunk"])
    encoder = Bm25Encoder(average)
    points: dict[str, Point] = {}
    for (kind, text, payload), key in zip(drafts, keys, strict=True):
        sparse = {f"{kind}_bm25": encoder.document(text)} if kind in {"chunk", "ask"} else {}
        identity = f"{kind}\0{payload['section']}\0{payload.get('start', '')}\0{key}"
        point_id = str(uuid.uuid5(_NAMESPACE, identity))
        points[point_id] = Point(  # A question written twice in one section is one point.
            point_id=point_id,
            payload={**payload, "kind": kind, "vector_key": key},
            dense={kind: vectors[key]},
            sparse=sparse,
        )
    embedded = sum(point.payload["vector_key"] in missing for point in points.values())
    return list(points.values()), embedded, average


def outside_points(embedder: Embedder, points: Sequence[Point]) -> list[Point]:
    """The subjects that this course does not teach."""
    subjects = outside_subjects()
    vectors = embedder.embed(subjects, "query")
    sentences = np.asarray([point.dense["unit"] for point in points if "unit" in point.dense], np.float32)
    return [
        Point(
            point_id=str(uuid.uuid5(_NAMESPACE, f"outside\0{subjects[place]}")),
            payload={"kind": "outside", "subject": subjects[place]},
            dense={"outside": vectors[place].tolist()},
        )
        for place in not_taught(subjects, vectors, sentences)
    ]


def _drafts(cut: CutCourse) -> Iterable[tuple[str, str, dict[str, Any]]]:
    """(kind, text to embed, payload) of every point."""
    for lesson, chunk in cut.chunks:
        where = _where(lesson, chunk.section)
        yield "chunk", chunk.embedded, {**where, **_span(chunk), "chunk": chunk.chunk_id, "text": chunk.text}
        for unit in chunk.units:
            yield "unit", unit.spoken, {**where, **_span(unit), "chunk": chunk.chunk_id, **_unit_fields(unit)}
    for lesson, question, section in cut.asks:
        yield "ask", question, {**_where(lesson, section), "question": question}


def _where(lesson: Lesson, section: Section) -> dict[str, Any]:
    return {
        "section": section.key,
        "anchor": section.anchor,
        "lesson_id": lesson.lesson_id,
        "module": lesson.module,
        "path": lesson.path,
    }


def _span(piece: Chunk | Unit) -> dict[str, int]:
    return {"start": piece.start, "end": piece.end}


def _unit_fields(unit: Unit) -> dict[str, Any]:
    fields: dict[str, Any] = {"form": unit.form, "text": unit.text, "paragraph": unit.paragraph}
    if unit.form == "row":
        fields |= {"cells": list(unit.cells), "header": list(unit.header)}
    return fields
