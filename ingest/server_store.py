"""The index on a Qdrant server or cluster, through qdrant-client: the same points, the same results, many machines.

A version is a collection ``<course>--<version>``; the alias ``<course>`` names the published one and is moved in one
request. Artifacts are points without vectors, so a machine that has never seen the course folder can answer from it.
"""

import contextlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx
from qdrant_client import QdrantClient, models
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException

from ingest.errors import StoreError
from ingest.sparse import SparseVector
from ingest.store import DENSE_NAMES, INDEXED_FIELDS, SPARSE_NAMES, Match, Nearest, Point, StoredPoint, Where

KEPT_VERSIONS = 2
BATCH_POINTS = 256
SCROLL_PAGE = 1_000
_ARTIFACT = "artifact"
_NAMESPACE = uuid.UUID("6f1f7c0e-3d6b-4f0a-9d3e-7c0a5f3b2e11")


def connect(url: str, api_key: str | None, timeout_s: int = 30) -> QdrantClient:
    """A client of the server at ``url``. Raises StoreError when it cannot be reached."""
    try:
        client = QdrantClient(url=url, api_key=api_key, timeout=timeout_s, check_compatibility=False)
        client.get_collections()
    except (ApiException, ResponseHandlingException, OSError, ValueError, httpx.InvalidURL) as error:
        raise StoreError(
            f"no Qdrant server answers at {url}: {error}",
            "Start it (docker compose up qdrant), mend TUTOR_QDRANT_URL, or unset it to use the embedded engine.",
        ) from error
    return client


class ServerStore:
    """The versions of one course on a server; ``course`` is its key there."""

    def __init__(self, client: QdrantClient, course: str) -> None:
        self._client = client
        self._alias = f"tutor-{course}"

    def current(self) -> str | None:
        """Name of the published version, or None."""
        with _answering():
            aliases = self._client.get_aliases().aliases
        for alias in aliases:
            if alias.alias_name == self._alias:
                return alias.collection_name.removeprefix(f"{self._alias}--")
        return None

    def build(self, version: str, dimension: int, points: Sequence[Point], artifacts: Mapping[str, str]) -> None:
        """Fill a new collection and check its count. On failure the collection is removed."""
        name = self._collection(version)
        everything = [*(_server_point(point) for point in points), *_artifact_points(artifacts)]
        try:
            with _answering():
                self._client.delete_collection(name)
                self._client.create_collection(name, **_collection_config(dimension))
                for field in INDEXED_FIELDS:
                    self._client.create_payload_index(name, field, models.PayloadSchemaType.KEYWORD, wait=True)
                for first in range(0, len(everything), BATCH_POINTS):
                    self._client.upsert(name, everything[first : first + BATCH_POINTS], wait=True)
                stored = self._client.count(name, exact=True).count
            if stored != len(everything):
                raise StoreError(f"{stored} points stored of {len(everything)}", "Run: tutor ingest --force")
        except StoreError:
            with contextlib.suppress(StoreError), _answering():
                self._client.delete_collection(name)
            raise

    def publish(self, version: str) -> None:
        """Move the alias to ``version`` in one request, then remove collections that are old."""
        create = models.CreateAliasOperation(
            create_alias=models.CreateAlias(collection_name=self._collection(version), alias_name=self._alias)
        )
        previous = self.current()
        drop = models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=self._alias))
        keep = {self._collection(version), self._collection(previous or version)}
        with _answering():
            self._client.update_collection_aliases([drop, create] if previous else [create])
            for collection in self._client.get_collections().collections:
                if collection.name.startswith(f"{self._alias}--") and collection.name not in keep:
                    self._client.delete_collection(collection.name)

    def open(self, version: str) -> "ServerVersion":
        """Open a version. Raises StoreError when the server does not have it."""
        name = self._collection(version)
        with _answering():
            exists = self._client.collection_exists(name)
        if not exists:
            raise StoreError(f"the index version {version} is gone from the server", "Run: tutor ingest --force")
        return ServerVersion(self._client, name, version)

    def _collection(self, version: str) -> str:
        return f"{self._alias}--{version}"


class ServerVersion:
    """One collection, open for reading."""

    def __init__(self, client: QdrantClient, collection: str, version: str) -> None:
        self._client = client
        self._collection = collection
        self._version = version

    @property
    def name(self) -> str:
        """The version's name."""
        return self._version

    def nearest(self, queries: Sequence[Nearest]) -> list[list[Match]]:
        """Answer each query with its matches, best first, in one request."""
        with _answering():
            answers = self._client.query_batch_points(self._collection, [_request(query) for query in queries])
        return [_matches(answer.points) for answer in answers]

    def points(self, where: Where, kind: str, *, with_vectors: bool = False) -> list[StoredPoint]:
        """Every point of a kind that passes the filter, in order of id."""
        found: list[StoredPoint] = []
        offset: Any = None
        while True:
            with _answering():
                records, offset = self._client.scroll(
                    self._collection,
                    scroll_filter=_filter(where, kind),
                    limit=SCROLL_PAGE,
                    offset=offset,
                    with_payload=True,
                    with_vectors=[kind] if with_vectors else False,
                )
            for record in records:
                vectors: Any = record.vector or {}
                found.append(StoredPoint(str(record.id), record.payload or {}, vectors.get(kind, ())))
            if offset is None:
                return sorted(found, key=lambda point: point.point_id)

    def artifact(self, name: str) -> str:
        """The text stored under ``name``."""
        with _answering():
            records = self._client.retrieve(self._collection, [_artifact_id(name)], with_payload=True)
        if not records:
            raise StoreError(f"{name} is missing from the index version {self._version}", "Run: tutor ingest --force")
        return str((records[0].payload or {})["text"])

    def close(self) -> None:
        """Nothing to let go of: the server keeps the last two versions for readers that have not reopened."""


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Turns a server that is gone, or that refuses a request, into a StoreError."""
    try:
        yield
    except (ApiException, ResponseHandlingException, OSError) as error:
        raise StoreError(
            f"the Qdrant server did not answer: {error}", "See that it runs (its log says more), then try again."
        ) from error


def _collection_config(dimension: int) -> dict[str, Any]:
    return {
        "vectors_config": {name: models.VectorParams(size=dimension, distance=models.Distance.COSINE) for name in DENSE_NAMES},
        "sparse_vectors_config": {name: models.SparseVectorParams(modifier=models.Modifier.IDF) for name in SPARSE_NAMES},
    }


def _artifact_id(name: str) -> str:
    return str(uuid.uuid5(_NAMESPACE, name))


def _artifact_points(artifacts: Mapping[str, str]) -> list[models.PointStruct]:
    return [
        models.PointStruct(id=_artifact_id(name), vector={}, payload={"kind": _ARTIFACT, "name": name, "text": text})
        for name, text in artifacts.items()
    ]


def _server_point(point: Point) -> models.PointStruct:
    vectors: dict[str, Any] = {name: list(vector) for name, vector in point.dense.items()}
    for name, sparse in point.sparse.items():
        vectors[name] = models.SparseVector(indices=list(sparse.indices), values=list(sparse.values))
    return models.PointStruct(id=point.point_id, vector=vectors, payload=dict(point.payload))


def _filter(where: Where, kind: str | None = None) -> models.Filter | None:
    fields = where.fields() | ({"kind": (kind,)} if kind else {})
    if not fields:
        return None
    return models.Filter(
        must=[models.FieldCondition(key=name, match=models.MatchAny(any=list(values))) for name, values in fields.items()]
    )


def _request(query: Nearest) -> models.QueryRequest:
    vector: Any = query.vector
    if isinstance(vector, SparseVector):
        vector = models.SparseVector(indices=list(vector.indices), values=list(vector.values))
    else:
        vector = [float(value) for value in vector]
    return models.QueryRequest(
        query=vector, using=query.using, limit=query.limit, filter=_filter(query.where), with_payload=True
    )


def _matches(found: Sequence[models.ScoredPoint]) -> list[Match]:
    matches = [Match(str(point.id), point.score, point.payload or {}) for point in found]
    return sorted(matches, key=lambda match: (-match.score, match.point_id))
