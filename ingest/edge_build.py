"""The child process that writes a shard: ``python -m ingest.edge_build FOLDER``, points pickled on standard input.

It is a process of its own because the engine maps its files into memory: on a full disk the write is answered with a
signal that kills the process, which must not be the one that serves students.
"""

import pickle
import sys
from pathlib import Path

import qdrant_edge as qe

from ingest.edge_store import edge_config
from ingest.store import INDEXED_FIELDS, Point

BATCH_POINTS = 512


def build(folder: Path, dimension: int, points: list[Point]) -> None:
    """Write ``points`` into a new shard at ``folder``, optimise it, and check that all of them are there."""
    folder.mkdir(parents=True)
    shard = qe.EdgeShard.create(str(folder), edge_config(dimension))
    for field in INDEXED_FIELDS:
        shard.update(qe.UpdateOperation.create_field_index(field, qe.PayloadSchemaType.Keyword))
    for first in range(0, len(points), BATCH_POINTS):
        batch = [_edge_point(point) for point in points[first : first + BATCH_POINTS]]
        shard.update(qe.UpdateOperation.upsert_points(batch))
    shard.flush()
    shard.optimize()
    shard.flush()
    stored = shard.count(qe.CountRequest(exact=True))
    shard.close()
    if stored != len(points):
        raise SystemExit(f"{stored} points stored of {len(points)}")


def _edge_point(point: Point) -> qe.Point:
    vectors: dict[str, object] = {name: list(vector) for name, vector in point.dense.items()}
    for name, sparse in point.sparse.items():
        vectors[name] = qe.SparseVector(list(sparse.indices), list(sparse.values))
    return qe.Point(point.point_id, vectors, dict(point.payload))  # type: ignore[arg-type]


if __name__ == "__main__":
    build(Path(sys.argv[1]), *pickle.load(sys.stdin.buffer))
