"""The texts a version keeps beside its points: manifest, outline, lexicon, and a copy of every source."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ingest.chunks import CHUNKER_VERSION
from ingest.course import Course
from ingest.cut import CutCourse
from ingest.embedder import Embedder
from ingest.manifest import SCHEMA_VERSION, Manifest
from ingest.sections import Section
from ingest.sparse import Bm25Encoder, document_frequencies
from ingest.store import LEXICON, MANIFEST, OUTLINE, SOURCES, Point


def describe(
    course: Course, embedder: Embedder, cut: CutCourse, points: Sequence[Point], version: str, average: float
) -> Manifest:
    """The manifest of a version that is about to be built."""
    return Manifest(
        schema=SCHEMA_VERSION,
        version=version,
        course_title=course.title,
        corpus_hash=course.corpus_hash,
        chunker=CHUNKER_VERSION,
        embedder=embedder.name,
        embedder_fingerprint=embedder.fingerprint,
        dimension=embedder.dimension,
        lessons=len(course.lessons),
        sections=sum(len(sections) for sections in cut.sections.values()),
        chunks=len(cut.chunks),
        units=sum("unit" in point.dense for point in points),
        asks=sum("ask" in point.dense for point in points),
        average_tokens=round(average, 3),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def make_artifacts(course: Course, cut: CutCourse, manifest: Manifest) -> dict[str, str]:
    """The texts a version keeps: manifest, outline, lexicon, and a copy of every source."""
    texts = {f"{SOURCES}{lesson.path}": lesson.source for lesson in course.lessons}
    texts[OUTLINE] = json.dumps(_outline(course, cut), ensure_ascii=False)
    texts[LEXICON] = json.dumps(_lexicon(cut, manifest))
    texts[MANIFEST] = json.dumps(asdict(manifest), indent=1)
    return texts


def _outline(course: Course, cut: CutCourse) -> dict[str, Any]:
    """Contents of the course: modules, lessons in reading order, their sections and how these relate."""
    return {
        "title": course.title,
        "scope": course.scope,
        "modules": [{"id": module.id, "title": module.title} for module in course.modules],
        "planned": [
            {"number": planned.number, "lesson_id": planned.id, "title": planned.title, "module": module.id}
            for module in course.modules
            for planned in module.lessons
        ],
        "lessons": [
            {
                "lesson_id": lesson.lesson_id,
                "number": lesson.number,
                "title": lesson.title,
                "kind": lesson.kind,
                "module": lesson.module,
                "path": lesson.path,
                "summary": lesson.summary,
                "prerequisites": list(lesson.prerequisites),
                "minutes": lesson.minutes,
                "body_start": lesson.body_start,
                "asks": [ask.q for ask in lesson.asks],
                "sections": [_outline_section(section) for section in cut.sections[lesson.path]],
            }
            for lesson in course.lessons
        ],
    }


def _outline_section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "anchor": section.anchor,
        "anchors": list(section.anchors),
        "level": section.level,
        "start": section.start,
        "end": section.end,
    }


def _lexicon(cut: CutCourse, manifest: Manifest) -> dict[str, Any]:
    """In how many sections each token occurs; the answer's sense of which words of a question are telling."""
    encoder = Bm25Encoder(manifest.average_tokens)
    texts: dict[str, list[str]] = {}
    for _, chunk in cut.chunks:
        texts.setdefault(chunk.section.key, []).append(chunk.embedded)
    counts = document_frequencies(encoder, (" ".join(parts) for parts in texts.values()))
    return {"sections": len(texts), "frequencies": {str(token): count for token, count in sorted(counts.items())}}
