"""Several processes on one index: readers and ingests at once, an ingest killed, a reader that may not write."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ingest.course import read_course
from ingest.edge_store import EdgeStore
from ingest.embedder import OnnxEmbedder
from ingest.publish import publish_index
from ingest.store import Where
from tests.conftest import SMALL_COURSE, Tutor
from tests.fakes import WordEmbedder
from tests.reader import ROOT, chunks_found, reading
from tutor.course_index import CourseIndex, edge_store

QUESTIONS = ("how much salt goes into the dough", "steam in the oven for the crust")
NOBODY = 65_534


def add_lesson(course: Path, number: int) -> None:
    (course / "dough" / "07-notes.md").write_text(f"# Notes\n\nWater weighs {number} grams.\n", "utf-8")


def test_processes_may_read_one_version_at_once_while_others_are_published(
    small_course: Path, small_store: EdgeStore, small_index: CourseIndex, words: WordEmbedder, tmp_path: Path
) -> None:
    expected = [chunks_found(small_index, question) for question in QUESTIONS]
    with ExitStack() as stack:
        readers = [stack.enter_context(reading(tmp_path / "store")) for _ in range(3)]
        for number in range(3):
            add_lesson(small_course, number)
            publish_index(read_course(small_course), small_store, words)
        for reader in readers:
            assert reader.version == small_index.version.name != small_store.current()
            assert [reader.found(question) for question in QUESTIONS] == expected
        with reading(tmp_path / "store") as late:
            assert late.version == small_store.current()
            assert late.found("Water weighs grams")[0].endswith("Water weighs 2 grams.")


def start_ingest(course: Path, home: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ui.cli", "ingest", "--json", "--course", str(course), "--home", str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, "the ingest ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.002)


def long_lesson(course: Path) -> None:
    """A lesson of many points and few distinct texts: slow to write, quick to embed."""
    rows = "\n".join(["- Weigh the salt on a spring scale."] * 1_500)
    (course / "dough" / "07-scales.md").write_text(f"# Scales\n\nA spring scale drifts.\n\n{rows}\n", "utf-8")


def test_an_ingest_killed_midway_leaves_the_old_version_answering_and_can_be_repeated(
    small_course: Path, tmp_path: Path, embedder: OnnxEmbedder, tutor: Tutor
) -> None:
    home = tmp_path / "home"
    store = edge_store(small_course, home)
    first = publish_index(read_course(small_course), store, embedder).version
    (index_folder,) = home.glob("courses/*/index")
    long_lesson(small_course)
    with start_ingest(small_course, home) as process:
        wait_for(lambda: any(index_folder.glob(".building-*/shard")), process)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    index = CourseIndex(store, embedder)
    assert index.version.name == first
    assert "**Stretch and fold** suits wet dough" in "".join(chunks_found(index, "how often to stretch and fold a wet dough"))
    index.close()
    repeated = tutor("ingest", "--json", "--course", str(small_course), home=home)
    assert repeated.returncode == 0, repeated.stderr
    assert {path.name for path in index_folder.iterdir()} == {first, json.loads(repeated.stdout)["version"]}
    version = store.open(store.current() or "")
    units = version.points(Where(lesson_ids=("scales",)), "unit")
    version.close()
    assert len(units) == 1_501


def test_two_ingests_at_once_both_succeed_and_the_second_finds_the_work_done(small_course: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with start_ingest(small_course, home) as one, start_ingest(small_course, home) as two:
        said = [process.communicate(timeout=180) for process in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), said
    reports = sorted((json.loads(out) for out, _ in said), key=lambda report: int(report["embedded"]))
    assert reports[0]["embedded"] == 0 < reports[1]["embedded"]
    assert reports[0]["version"] == reports[1]["version"] == edge_store(small_course, home).current()


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that any user may enter; pytest's own are for their owner alone."""
    folder = Path(tempfile.mkdtemp(prefix="tutor-test-"))
    folder.chmod(0o755)
    yield folder
    for path in folder.rglob("*"):
        path.chmod(0o755)
    shutil.rmtree(folder)


@pytest.fixture(params=["owner", "rights"])
def read_only(request: pytest.FixtureRequest, shared_folder: Path, words: WordEmbedder) -> Path:
    """The small course in a store that its reader may not write: it belongs to another, or all its files are read-only."""
    store = shared_folder / "store"
    publish_index(read_course(SMALL_COURSE), EdgeStore(store), words)
    if request.param == "owner" and os.geteuid() != 0:
        pytest.skip("only root can hand a folder to one user and read it as another: run as root to test this")
    for path in [store, *store.rglob("*")] if request.param == "rights" else []:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return store


def other_user() -> int | None:
    """Root may write everything, so it reads as nobody; any other user is bound by the rights as it is."""
    return NOBODY if os.geteuid() == 0 else None


def room_for_copies(folder: Path) -> Path:
    room = folder / "tmp"
    room.mkdir()
    room.chmod(0o777)
    return room


def written(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*"))


def test_a_reader_without_the_right_to_write_answers_and_changes_nothing(shared_folder: Path, read_only: Path) -> None:
    room, before = room_for_copies(shared_folder), written(read_only)
    with reading(read_only, other_user(), TMPDIR=str(room)) as reader:
        assert reader.version == EdgeStore(read_only).current()
        assert "Salt, at about 2% of the flour" in "".join(reader.found(QUESTIONS[0]))
    assert written(read_only) == before
    assert list(room.iterdir()) == []


def test_the_private_copy_of_such_a_reader_takes_no_more_room_than_the_version(shared_folder: Path, read_only: Path) -> None:
    room = room_for_copies(shared_folder)
    with reading(read_only, other_user(), TMPDIR=str(room)) as reader:
        reader.found(QUESTIONS[0])
        assert 0 < disk_bytes(room) < 2 * disk_bytes(read_only)
