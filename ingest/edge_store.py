"""The index in a folder of this machine, on Qdrant Edge: the Qdrant engine in this process, no server.

Layout: ``<folder>/index/<version>/{shard/, manifest.json, outline.json, lexicon.json, sources/...}`` and the pointer
``<folder>/CURRENT``, one line, replaced by an atomic rename. Shards are built and read without a write-ahead log: with
one, only a single process may open a shard; without, any number may, and a finished shard needs none.

Three habits of the engine shape this file. Opening a shard rewrites its small configuration files, so where a version is
not writable a private copy is opened. A full disk kills the process with SIGBUS, so free space is checked first and the
shard is built by a child process (``ingest.edge_build``). A removed shard must not be in use, so a reader holds a shared
lock on its version.
"""

import contextlib
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import portalocker
import qdrant_edge as qe

from ingest.errors import StorageFull, StoreError
from ingest.sparse import SparseVector
from ingest.store import DENSE_NAMES, MANIFEST, SPARSE_NAMES, Match, Nearest, Point, StoredPoint, Where

KEPT_VERSIONS = 2
FIXED_BYTES = 230_000_000
"""What building takes whatever a shard holds: files are mapped in large pages, optimising reserves room. Measured."""
VECTOR_COPIES = 3
OPEN_BYTES = 160_000_000
"""What the first opening of a shard may add to its disk, measured on a file system in memory; 155 MB were the most."""
POINT_OVERHEAD_BYTES = 2_000
SCROLL_PAGE = 1_000
PAGE_BYTES = 4_096
_LOCK_FILE = ".readers"
_STAGING = ".building-"
_FULL_DISK = ("No space left", "Not enough space", "os error 28", "Disk quota exceeded")


def edge_config(dimension: int) -> qe.EdgeConfig:
    """Configuration of every shard; loading one with another is an error of the engine."""
    return qe.EdgeConfig(
        vectors={name: qe.EdgeVectorParams(size=dimension, distance=qe.Distance.Cosine) for name in DENSE_NAMES},
        sparse_vectors={name: qe.EdgeSparseVectorParams(modifier=qe.Modifier.Idf) for name in SPARSE_NAMES},
        wal_enabled=False,
    )


class EdgeStore:
    """The versions of one course under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = folder / "index"
        self._pointer = folder / "CURRENT"

    def current(self) -> str | None:
        """Name of the published version, or None."""
        try:
            return self._pointer.read_text("utf-8").strip() or None
        except FileNotFoundError:
            return None

    def build(self, version: str, dimension: int, points: Sequence[Point], artifacts: Mapping[str, str]) -> None:
        """Build a version aside. Raises StorageFull or StoreError; what was begun is removed."""
        try:
            self._versions.mkdir(parents=True, exist_ok=True)
            self._remove_leftovers()
            _check_space(self._versions, dimension, points, artifacts)
            staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self._versions))
        except OSError as error:
            raise _storage_error(self._versions, error) from error
        try:
            _write_artifacts(staging, artifacts)
            _build_shard(staging / "shard", dimension, points)
            (staging / _LOCK_FILE).touch()
            staging.chmod(0o755)
            self._put(staging, self._versions / version)
        except OSError as error:
            raise _storage_error(self._versions, error) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def publish(self, version: str) -> None:
        """Point CURRENT at ``version`` and remove old versions that nobody reads."""
        part = self._folder / f".CURRENT-{os.getpid()}"
        try:
            with part.open("w", encoding="utf-8") as file:
                file.write(f"{version}\n")
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._pointer)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise _storage_error(self._folder, error) from error
        self._prune(keep=version)

    def open(self, version: str) -> "EdgeVersion":
        """Open a version. Raises StoreError."""
        return EdgeVersion(self._versions / version)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the course's ingest lock; a second ingest waits. The lock dies with its process."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with portalocker.Lock(self._folder / ".ingest-lock", timeout=600, check_interval=0.2):
                yield
        except portalocker.exceptions.LockException as error:
            raise StoreError("another ingest of this course has been running for ten minutes", "Wait for it.") from error
        except OSError as error:
            raise _storage_error(self._folder, error) from error

    def _remove_leftovers(self) -> None:
        """Remove what killed ingests left. Only called under the ingest lock, so none of it is in use."""
        for left in self._versions.glob(f"{_STAGING}*"):
            shutil.rmtree(left, ignore_errors=True)

    @staticmethod
    def _put(staging: Path, target: Path) -> None:
        """Move what was built to its place. A version left there is replaced, unless readers hold it: then it is whole."""
        if target.exists() and not _unused(target):
            return
        if target.exists():
            shutil.rmtree(target)
        staging.replace(target)

    def _prune(self, keep: str) -> None:
        versions = [path for path in self._versions.iterdir() if path.is_dir() and not path.name.startswith(".")]
        newest_first = sorted(versions, key=lambda path: path.stat().st_mtime_ns, reverse=True)
        kept = [path for path in newest_first if path.name != keep][: KEPT_VERSIONS - 1]
        for path in newest_first:
            if path.name != keep and path not in kept and _unused(path):
                shutil.rmtree(path, ignore_errors=True)


class EdgeVersion:
    """One shard, open for reading. Queries may come from any thread."""

    def __init__(self, folder: Path) -> None:
        if not (folder / MANIFEST).is_file():
            raise StoreError(f"the index version {folder.name} is incomplete", "Run: tutor ingest --force")
        self._folder = folder
        self._private: tempfile.TemporaryDirectory[str] | None = None
        self._lock = _share(folder)
        try:
            self._shard = qe.EdgeShard.load(str(self._writable_shard()))
        except OSError as error:
            self._release()
            raise _storage_error(Path(tempfile.gettempdir()), error) from error
        except Exception as error:
            self._release()
            raise StoreError(f"the index in {folder} cannot be opened: {error}", "Run: tutor ingest --force") from error

    @property
    def name(self) -> str:
        """The version's name."""
        return self._folder.name

    def nearest(self, queries: Sequence[Nearest]) -> list[list[Match]]:
        """Answer each query with its matches, best first."""
        return [_matches(self._shard.query(_request(query))) for query in queries]

    def points(self, where: Where, kind: str, *, with_vectors: bool = False) -> list[StoredPoint]:
        """Every point of a kind that passes the filter, in order of id."""
        found: list[StoredPoint] = []
        offset = None
        while True:
            records, offset = self._shard.scroll(
                qe.ScrollRequest(
                    limit=SCROLL_PAGE,
                    offset=offset,
                    filter=_filter(where, kind),
                    with_payload=True,
                    with_vector=[kind] if with_vectors else False,
                )
            )
            for record in records:
                vectors: Any = record.vector or {}
                found.append(StoredPoint(str(record.id), record.payload or {}, vectors.get(kind, ())))
            if offset is None:
                return sorted(found, key=lambda point: point.point_id)

    def artifact(self, name: str) -> str:
        """The text stored under ``name``."""
        try:
            return (self._folder / name).read_bytes().decode("utf-8")
        except OSError as error:
            raise StoreError(f"{name} is missing from the index version {self.name}", "Run: tutor ingest --force") from error

    def close(self) -> None:
        """Close the shard and let the version be removed."""
        self._shard.close()
        self._release()

    def _release(self) -> None:
        self._lock.close()
        if self._private:
            self._private.cleanup()

    def _writable_shard(self) -> Path:
        shard = self._folder / "shard"
        may_write = os.access(shard, os.W_OK) and os.access(self._folder, os.W_OK)
        if may_write and shutil.disk_usage(shard).free >= OPEN_BYTES:
            return shard
        self._private = tempfile.TemporaryDirectory(prefix="tutor-index-")
        return _copy_with_holes(shard, Path(self._private.name) / "shard")


def _copy_with_holes(source: Path, target: Path) -> Path:
    """Copy a folder, writable whatever the original's rights; pages of zeros, most of a small shard, take no room."""
    target.mkdir()
    for path in source.iterdir():
        if path.is_dir():
            _copy_with_holes(path, target / path.name)
            continue
        with path.open("rb") as original, (target / path.name).open("wb") as copy:
            while page := original.read(PAGE_BYTES):
                if page.count(0) == len(page):
                    copy.seek(len(page), os.SEEK_CUR)
                else:
                    copy.write(page)
            copy.truncate()
    return target


def _share(folder: Path) -> IO[bytes]:
    """An open file that holds a shared lock on the version for as long as it is open."""
    lock = (folder / _LOCK_FILE).open("rb")
    with contextlib.suppress(portalocker.exceptions.LockException):
        portalocker.lock(lock, portalocker.LockFlags.SHARED | portalocker.LockFlags.NON_BLOCKING)
    return lock


def _unused(folder: Path) -> bool:
    try:
        with (folder / _LOCK_FILE).open("rb") as lock:
            portalocker.lock(lock, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
    except FileNotFoundError:
        return True
    except (portalocker.exceptions.LockException, OSError):
        return False
    return True


def _filter(where: Where, kind: str | None = None) -> qe.Filter | None:
    fields = where.fields() | ({"kind": (kind,)} if kind else {})
    if not fields:
        return None
    return qe.Filter(must=[qe.FieldCondition(key=name, match=qe.MatchAny(any=list(values))) for name, values in fields.items()])


def _request(query: Nearest) -> qe.QueryRequest:
    vector = query.vector
    values = qe.SparseVector(list(vector.indices), list(vector.values)) if isinstance(vector, SparseVector) else list(vector)
    return qe.QueryRequest(
        limit=query.limit,
        query=qe.Query.Nearest(values, using=query.using),
        filter=_filter(query.where),
        with_payload=True,
    )


def _matches(found: Sequence[qe.ScoredPoint]) -> list[Match]:
    matches = [Match(str(point.id), point.score, point.payload or {}) for point in found]
    return sorted(matches, key=lambda match: (-match.score, match.point_id))


def _write_artifacts(folder: Path, artifacts: Mapping[str, str]) -> None:
    for name, text in artifacts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))


def _build_shard(folder: Path, dimension: int, points: Sequence[Point]) -> None:
    """Build the shard in a child process, which alone dies if the disk fills."""
    child = subprocess.run(
        [sys.executable, "-m", "ingest.edge_build", str(folder)],
        input=pickle.dumps((dimension, list(points))),
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    if child.returncode == 0:
        return
    said = child.stderr.decode("utf-8", "replace")
    last_words = said.strip().splitlines()[-1:] or ["it said nothing"]
    if child.returncode < 0 or any(sign in said for sign in _FULL_DISK):
        stopped = f"stopped by signal {-child.returncode} (a full disk does that)"
        raise StorageFull(
            f"the index could not be written: {f'the builder was {stopped}' if child.returncode < 0 else last_words[0]}",
            f"Free some space on the disk of {folder.parent.parent}, then run: tutor ingest",
        )
    raise StoreError(f"the index could not be built: {last_words[0]}", "Run: tutor ingest --force")


def _check_space(folder: Path, dimension: int, points: Sequence[Point], artifacts: Mapping[str, str]) -> None:
    texts = sum(len(text.encode("utf-8")) for text in artifacts.values())
    needed = FIXED_BYTES + 2 * texts + len(points) * (VECTOR_COPIES * 4 * dimension + POINT_OVERHEAD_BYTES)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StorageFull(
            f"not enough disk space for the index: {needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free at {folder}",
            "Free some space, or put the index elsewhere with --home DIR or TUTOR_HOME. The old index still answers.",
        )


def _storage_error(folder: Path, error: OSError) -> StoreError:
    if error.errno in {28, 122}:  # ENOSPC, EDQUOT
        return StorageFull(f"the disk of {folder} is full", "Free some space, then run: tutor ingest")
    return StoreError(f"{folder} cannot be written: {error.strerror}", "Check its owner and rights, or use --home DIR.")
