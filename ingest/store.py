"""What both index stores can do, and the values that pass through them.

A store keeps the published versions of one course. A version is immutable: it is built aside, published in one atomic
step, and removed when it is old. It holds points (chunks, questions that point to sections, units, and subjects that the
course is not about) with named dense and sparse vectors, and artifacts: texts with a name (the sources the version was
made from, the outline, the manifest).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ingest.sparse import SparseVector

Payload = Mapping[str, Any]

DENSE_NAMES = ("chunk", "ask", "unit", "outside")
"""Named dense vectors. A point has one of them, so a query by name needs no filter on the kind of point."""

SPARSE_NAMES = ("chunk_bm25", "ask_bm25")
"""Named sparse vectors; apart, so that the inverse document frequency counts chunks among chunks only."""

MANIFEST = "manifest.json"
OUTLINE = "outline.json"
LEXICON = "lexicon.json"
SOURCES = "sources/"
"""Names of artifacts; the source of a lesson is SOURCES + its path."""


INDEXED_FIELDS = ("kind", "lesson_id", "module", "section")
"""Payload fields that filters name; a store keeps an index of each, or every filter would read all points."""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that can be found: its vectors by name and what is known of it. ``point_id`` is a UUID."""

    point_id: str
    payload: Payload
    dense: Mapping[str, Sequence[float]] = field(default_factory=dict)
    sparse: Mapping[str, SparseVector] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Where:
    """A filter: a point passes when each named field has one of its values. Empty tuples do not filter."""

    lesson_ids: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()

    def fields(self) -> dict[str, tuple[str, ...]]:
        """Payload field -> the values it may have, of the filters that are set."""
        named = {"lesson_id": self.lesson_ids, "module": self.modules, "section": self.sections}
        return {name: values for name, values in named.items() if values}


@dataclass(frozen=True, slots=True)
class Nearest:
    """A query: the ``limit`` points nearest to ``vector`` among those that have a vector called ``using``."""

    using: str
    vector: Sequence[float] | SparseVector
    limit: int
    where: Where = field(default_factory=Where)


@dataclass(frozen=True, slots=True)
class Match:
    """A point found: ``score`` is a cosine for dense vectors and a BM25 sum for sparse ones."""

    point_id: str
    score: float
    payload: Payload


@dataclass(frozen=True, slots=True)
class StoredPoint:
    """A point as it was stored. ``vector`` is its dense vector, empty when it was not asked for."""

    point_id: str
    payload: Payload
    vector: Sequence[float]


class IndexVersion(Protocol):
    """A published version, open for reading."""

    @property
    def name(self) -> str:
        """The version's name."""

    def nearest(self, queries: Sequence[Nearest]) -> list[list[Match]]:
        """Answer each query with its matches, best first, equal scores in order of point id."""

    def points(self, where: Where, kind: str, *, with_vectors: bool = False) -> list[StoredPoint]:
        """Every point of a kind (one of DENSE_NAMES) that passes the filter, in order of id."""

    def artifact(self, name: str) -> str:
        """The text stored under ``name``. Raises StoreError when there is none."""

    def close(self) -> None:
        """Let go of the version, so that it may be removed."""


class IndexStore(Protocol):
    """The versions of one course."""

    def current(self) -> str | None:
        """Name of the published version, or None when nothing is published."""

    def build(self, version: str, dimension: int, points: Sequence[Point], artifacts: Mapping[str, str]) -> None:
        """Build a version aside; readers do not see it. Raises StoreError or StorageFull and leaves nothing behind."""

    def publish(self, version: str) -> None:
        """Make a built version the current one, in one atomic step, and remove versions that are old and unused."""

    def open(self, version: str) -> IndexVersion:
        """Open a version for reading. Raises StoreError."""
