"""How a version was made, and whether it fits the program that opens it."""

import hashlib
import json
from dataclasses import dataclass

from ingest.chunks import CHUNKER_VERSION
from ingest.course import Course
from ingest.embedder import Embedder
from ingest.errors import IndexMismatch, IndexMissing
from ingest.outside import outside_subjects
from ingest.store import MANIFEST, IndexStore, IndexVersion

SCHEMA_VERSION = "2"
"""Raised whenever payloads or artifacts change their form."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """How a version was made. ``average_tokens`` is the mean length of a chunk, which BM25 questions need too."""

    schema: str
    version: str
    course_title: str
    corpus_hash: str
    chunker: str
    embedder: str
    embedder_fingerprint: str
    dimension: int
    lessons: int
    sections: int
    chunks: int
    units: int
    asks: int
    average_tokens: float
    created_at: str


def version_name(course: Course, embedder: Embedder) -> str:
    """A fingerprint of all that shapes a version."""
    parts = (
        SCHEMA_VERSION,
        CHUNKER_VERSION,
        course.corpus_hash,
        embedder.fingerprint,
        str(embedder.dimension),
        *outside_subjects(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def read_manifest(version: IndexVersion) -> Manifest:
    """The manifest of an open version. Raises IndexMismatch when it was written by another release."""
    loaded = json.loads(version.artifact(MANIFEST))
    if loaded.get("schema") != SCHEMA_VERSION:
        raise IndexMismatch("the index was written by another release of the tutor", "Run: tutor ingest")
    return Manifest(**loaded)


def open_current(store: IndexStore, embedder: Embedder) -> tuple[IndexVersion, Manifest]:
    """Open the published version and check that it fits. Raises IndexMissing or IndexMismatch."""
    name = store.current()
    if name is None:
        raise IndexMissing("this course has not been indexed yet", "Run: tutor ingest")
    version = store.open(name)
    try:
        manifest = read_manifest(version)
        if manifest.embedder_fingerprint != embedder.fingerprint:
            raise IndexMismatch(
                f"the index was built with the embedder {manifest.embedder}, not with {embedder.name} as now set",
                f"Run: tutor ingest   (or set TUTOR_EMBEDDER={manifest.embedder})",
            )
        if manifest.chunker != CHUNKER_VERSION:
            raise IndexMismatch("the index was built by another chunker than this release has", "Run: tutor ingest")
    except IndexMismatch:
        version.close()
        raise
    return version, manifest
