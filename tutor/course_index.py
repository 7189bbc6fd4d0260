"""An open version of a course: what search and answers read. Nothing here changes once it is open.

A new version published meanwhile does not disturb an open one; ``is_current`` says when it is time to open the next.
"""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ingest.course import hash_corpus, read_course_file
from ingest.edge_store import EdgeStore
from ingest.embedder import Embedder
from ingest.errors import QuestionError
from ingest.manifest import Manifest, open_current
from ingest.sparse import Bm25Encoder
from ingest.store import LEXICON, OUTLINE, SOURCES, IndexStore, IndexVersion


@dataclass(frozen=True, slots=True)
class SectionEntry:
    """A section in the outline; ``anchors`` are those of the headings it stands under and its own."""

    title: str
    anchor: str
    anchors: tuple[str, ...]
    level: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LessonEntry:
    """A lesson in the outline of a version; ``asks`` are the questions it says it answers."""

    lesson_id: str
    number: int | None
    title: str
    kind: str
    module: str
    path: str
    summary: str
    prerequisites: tuple[str, ...]
    minutes: int | None
    body_start: int
    asks: tuple[str, ...]
    sections: tuple[SectionEntry, ...]

    def section(self, anchor: str) -> SectionEntry | None:
        """The section with that anchor."""
        return next((section for section in self.sections if section.anchor == anchor), None)


@dataclass(frozen=True, slots=True)
class Lexicon:
    """In how many of the course's sections each token occurs."""

    sections: int
    frequencies: dict[int, int]

    def idf(self, token: int) -> float:
        """Inverse document frequency as BM25 has it; a token of no section has the largest."""
        count = self.frequencies.get(token, 0)
        return math.log(1 + (self.sections - count + 0.5) / (count + 0.5))


class CourseIndex:
    """A course open for questions. Threads may share it."""

    def __init__(self, store: IndexStore, embedder: Embedder) -> None:
        """Open the published version. Raises IndexMissing, IndexMismatch or StoreError."""
        self._store = store
        self.embedder = embedder
        self.version: IndexVersion
        self.manifest: Manifest
        self.version, self.manifest = open_current(store, embedder)
        self.bm25 = Bm25Encoder(self.manifest.average_tokens)
        self._sources: dict[str, str] = {}

    @cached_property
    def outline(self) -> dict[str, Any]:
        """Titles, modules, and the lessons that are announced but not written."""
        loaded: dict[str, Any] = json.loads(self.version.artifact(OUTLINE))
        return loaded

    @cached_property
    def lessons(self) -> tuple[LessonEntry, ...]:
        """The lessons in reading order."""
        return tuple(_lesson_entry(entry) for entry in self.outline["lessons"])

    @cached_property
    def by_path(self) -> dict[str, LessonEntry]:
        """The lessons by their path."""
        return {lesson.path: lesson for lesson in self.lessons}

    @cached_property
    def reading_order(self) -> dict[str, int]:
        """Place of each section, by its key, in the course as it is read."""
        keys = (f"{lesson.path}#{section.anchor}" for lesson in self.lessons for section in lesson.sections)
        return {key: place for place, key in enumerate(keys)}

    @cached_property
    def lexicon(self) -> Lexicon:
        """How common each token is in the course."""
        loaded = json.loads(self.version.artifact(LEXICON))
        return Lexicon(loaded["sections"], {int(token): count for token, count in loaded["frequencies"].items()})

    def lesson(self, name: str) -> LessonEntry:
        """The lesson with that number or id. Raises QuestionError naming what there is."""
        wanted = name.strip()
        number = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 10 else None
        for lesson in self.lessons:
            if wanted == lesson.lesson_id or (number is not None and lesson.number == number):
                return lesson
        numbers = sorted(lesson.number for lesson in self.lessons if lesson.number is not None)
        span = f"numbers {numbers[0]} to {numbers[-1]}, or ids such as" if numbers else "ids such as"
        example = self.lessons[0].lesson_id
        raise QuestionError(f"no lesson '{name}' in this course", f"Lessons have {span} '{example}'.")

    def module(self, name: str) -> str:
        """``name`` when it is the id of a module. Raises QuestionError."""
        known = list(dict.fromkeys(lesson.module for lesson in self.lessons if lesson.module))
        if name not in known:
            raise QuestionError(f"no module '{name}' in this course", f"Modules: {', '.join(known) or 'none'}.")
        return name

    def source(self, path: str) -> str:
        """The text of a lesson as it was when this version was made."""
        if path not in self._sources:
            self._sources[path] = self.version.artifact(f"{SOURCES}{path}")
        return self._sources[path]

    def is_current(self) -> bool:
        """Whether this is still the published version."""
        return self._store.current() == self.version.name

    def close(self) -> None:
        """Close the version."""
        self.version.close()


def open_store(course: Path, home: Path, qdrant_url: str, qdrant_api_key: str) -> IndexStore:
    """The store of a course: a folder under ``home``, or a collection on the server. Raises CourseError or StoreError."""
    if qdrant_url:
        from ingest.server_store import ServerStore, connect

        return ServerStore(connect(qdrant_url, qdrant_api_key or None), _server_key(course))
    return edge_store(course, home)


def edge_store(course: Path, home: Path) -> EdgeStore:
    """The embedded store of a course. Two folders with one name are two courses."""
    declared = read_course_file(course)
    return EdgeStore(home / "courses" / f"{_slug(declared.id or course.resolve().name)}-{_path_hash(course)}")


def stale_warning(course: Path, manifest: Manifest) -> str:
    """What to say when the course has been edited since it was indexed; empty when it has not."""
    if hash_corpus(course, read_course_file(course)) == manifest.corpus_hash:
        return ""
    return "the course has been edited since it was indexed; answers quote the indexed text. Run: tutor ingest"


def _server_key(course: Path) -> str:
    """The same on every machine when course.yaml names an id; otherwise tied to the folder."""
    declared = read_course_file(course)
    return _slug(declared.id) if declared.id else f"{_slug(course.resolve().name)}-{_path_hash(course)}"


def _path_hash(course: Path) -> str:
    return hashlib.sha256(str(course.resolve()).encode()).hexdigest()[:8]


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "course"


def _lesson_entry(entry: dict[str, Any]) -> LessonEntry:
    sections: Sequence[dict[str, Any]] = entry["sections"]
    tuples = {"prerequisites": tuple(entry["prerequisites"]), "asks": tuple(entry["asks"])}
    parsed = tuple(SectionEntry(**{**section, "anchors": tuple(section["anchors"])}) for section in sections)
    return LessonEntry(**{**entry, **tuples, "sections": parsed})
