"""From a course folder to a published index version: the whole of ``tutor ingest``.

The version's name is a fingerprint of everything that shapes it (the course's bytes, the chunker, the embedder), so
ingesting an unchanged course does nothing, and vectors of chunks whose text has not changed are taken from the version
before. BM25 weights depend on the average length of all chunks and are made anew.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from ingest.artifacts import describe, make_artifacts
from ingest.course import Course
from ingest.cut import cut_course
from ingest.embedder import Embedder
from ingest.manifest import read_manifest, version_name
from ingest.points import make_points, outside_points
from ingest.progress import Progress, silent
from ingest.store import MANIFEST, IndexStore, Where


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What an ingest did. ``embedded`` and ``reused`` count vectors; both are 0 when nothing had changed."""

    version: str
    lessons: int
    chunks: int
    embedded: int
    reused: int
    seconds: float


def publish_index(
    course: Course, store: IndexStore, embedder: Embedder, *, force: bool = False, progress: Progress = silent
) -> IngestReport:
    """Build and publish a version of ``course``, unless it is published already.

    ``force`` builds it anew, vectors included. Raises CourseError when a question points to a section that does not
    exist, and the errors of the store; until the last step readers keep the version before.
    """
    started = time.perf_counter()
    version = version_name(course, embedder)
    current = store.current()
    if current and not force and current.split(".")[0] == version:
        return _unchanged(store, current, time.perf_counter() - started)
    name = _free_name(version, current)
    cut = cut_course(course, embedder.count_tokens, progress)
    known = {} if force or not current else _known_vectors(store, current, embedder)
    points, embedded, average = make_points(cut, embedder, known, progress)
    points += outside_points(embedder, points)
    manifest = describe(course, embedder, cut, points, name, average)
    progress("writing", 0, len(points))
    store.build(name, embedder.dimension, points, make_artifacts(course, cut, manifest))
    store.publish(name)
    progress("writing", len(points), len(points))
    dense = sum("outside" not in point.dense for point in points)
    return IngestReport(name, len(course.lessons), len(cut.chunks), embedded, dense - embedded, time.perf_counter() - started)


def _unchanged(store: IndexStore, current: str, seconds: float) -> IngestReport:
    version = store.open(current)
    try:
        manifest = read_manifest(version)
    finally:
        version.close()
    return IngestReport(current, manifest.lessons, manifest.chunks, 0, 0, seconds)


def _free_name(version: str, current: str | None) -> str:
    """``version``, or ``version.N`` where a forced rebuild has the name in use."""
    if not current or current.split(".")[0] != version:
        return version
    count = int(current.split(".")[1]) if "." in current else 0
    return f"{version}.{count + 1}"


def _known_vectors(store: IndexStore, current: str, embedder: Embedder) -> dict[str, Sequence[float]]:
    """Vectors of the version before, by the key of their text; none if another embedder made them."""
    version = store.open(current)
    try:
        if json.loads(version.artifact(MANIFEST)).get("embedder_fingerprint") != embedder.fingerprint:
            return {}
        return {
            point.payload["vector_key"]: point.vector
            for kind in ("chunk", "ask", "unit")
            for point in version.points(Where(), kind, with_vectors=True)
            if "vector_key" in point.payload
        }
    finally:
        version.close()
