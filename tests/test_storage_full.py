"""A disk that fills: real small file systems in memory. Nothing published is lost, and the message says what to do."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ingest.course import read_course
from ingest.edge_store import EdgeStore, _build_shard
from ingest.errors import StorageFull
from ingest.publish import publish_index
from ingest.store import MANIFEST, Point
from tests.bread_points import point_id
from tests.fakes import WordEmbedder
from tests.reader import ROOT, reading

MakeDisk = Callable[[int], Path]


@pytest.fixture
def make_disk(tmp_path: Path) -> Iterator[MakeDisk]:
    """Mounts file systems of so many bytes."""
    mounted: list[Path] = []

    def make(size: int) -> Path:
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("a small disk cannot be made here: there is no mount command")
        if done.returncode:
            pytest.skip(f"a small disk cannot be made here: {done.stderr.strip()} (run as root, mounting allowed)")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, leave_bytes: int) -> None:
    """Write until only so much is free."""
    file = os.open(disk / "filler", os.O_CREAT | os.O_WRONLY)
    free = shutil.disk_usage(disk).free
    if free > leave_bytes:
        os.posix_fallocate(file, 0, free - leave_bytes)
    os.close(file)
    assert shutil.disk_usage(disk).free <= leave_bytes


def points(count: int, dimension: int) -> list[Point]:
    vectors = np.random.default_rng(1).normal(size=(count, dimension)).tolist()
    return [Point(point_id(number + 1), {"kind": "unit"}, {"unit": vector}) for number, vector in enumerate(vectors)]


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_disk_without_room_is_noticed_before_building(make_disk: MakeDisk, small_course: Path, words: WordEmbedder) -> None:
    disk = make_disk(8_000_000)
    with pytest.raises(StorageFull, match=r"not enough disk space for the index: \d+ MB needed, 8 MB free") as caught:
        publish_index(read_course(small_course), EdgeStore(disk), words)
    assert "--home DIR" in caught.value.hint
    assert list((disk / "index").iterdir()) == []
    assert EdgeStore(disk).current() is None


def test_the_old_version_still_answers_when_there_is_no_room_for_a_new_one(
    make_disk: MakeDisk, small_course: Path, words: WordEmbedder
) -> None:
    disk = make_disk(300_000_000)
    store = EdgeStore(disk / "store")
    old = publish_index(read_course(small_course), store, words).version
    (small_course / "dough" / "07-notes.md").write_text("# Notes\n\nWater is wet.\n", "utf-8")
    with reading(disk / "store") as before:
        fill(disk, 2_000_000)
        with pytest.raises(StorageFull, match="not enough disk space"):
            publish_index(read_course(small_course), store, words)
        assert (store.current(), names(disk / "store" / "index")) == (old, {old})
        with reading(disk / "store") as after:
            assert before.found("salt in dough") == after.found("salt in dough")
            assert "Water is wet." not in "".join(after.found("water is wet"))


def test_the_old_version_can_be_opened_on_a_disk_without_a_free_byte(
    make_disk: MakeDisk, small_course: Path, words: WordEmbedder
) -> None:
    disk = make_disk(300_000_000)
    old = publish_index(read_course(small_course), EdgeStore(disk / "store"), words).version
    with reading(disk / "store") as before:
        expected = before.found("salt in dough")
        fill(disk, 0)
        assert before.found("salt in dough") == expected
        with reading(disk / "store") as after:
            assert (after.version, after.error) == (old, "")
            assert after.found("salt in dough") == expected


def test_a_disk_that_fills_while_the_shard_is_written_kills_only_the_builder(make_disk: MakeDisk) -> None:
    disk = make_disk(2_000_000)
    with pytest.raises(StorageFull) as caught:
        _build_shard(disk / "version" / "shard", 384, points(500, 384))
    assert f"Free some space on the disk of {disk}" in caught.value.hint
    assert "signal -" not in caught.value.message


def test_a_disk_that_is_full_already_is_not_called_a_signal(make_disk: MakeDisk) -> None:
    disk = make_disk(100_000)
    fill(disk, 0)
    with pytest.raises(StorageFull) as caught:
        _build_shard(disk / "version" / "shard", 384, points(1, 384))
    assert "signal -" not in caught.value.message


def test_an_engine_that_wants_more_room_to_optimise_is_a_full_disk(make_disk: MakeDisk) -> None:
    disk = make_disk(150_000_000)
    with pytest.raises(StorageFull) as caught:
        _build_shard(disk / "version" / "shard", 4_096, points(1_200, 4_096))
    assert "Free some space" in caught.value.hint


@pytest.mark.parametrize(("count", "dimension"), [(0, 384), (1_000, 13), (1_200, 4_096)])
def test_the_room_that_is_asked_for_is_enough_to_build_and_to_open(make_disk: MakeDisk, count: int, dimension: int) -> None:
    artifacts = {MANIFEST: "{}", "sources/long.md": "x" * 500_000}
    with pytest.raises(StorageFull) as caught:
        EdgeStore(make_disk(1_000_000)).build("one", dimension, points(count, dimension), artifacts)
    needed = re.search(r"(\d+) MB needed", caught.value.message)
    assert needed is not None
    disk = make_disk((int(needed[1]) + 1) * 1_000_000)
    EdgeStore(disk).build("one", dimension, points(count, dimension), artifacts)
    assert opened_by_another_process(disk, "one") == 0


def opened_by_another_process(folder: Path, version: str) -> int:
    """Exit status of a process that opens the version; a full disk would kill this one."""
    code = "import sys, pathlib, ingest.edge_store as e; e.EdgeStore(pathlib.Path(sys.argv[1])).open(sys.argv[2]).close()"
    return subprocess.run([sys.executable, "-c", code, str(folder), version], check=False, cwd=ROOT).returncode


def test_a_pointer_that_cannot_be_written_leaves_the_old_one(make_disk: MakeDisk) -> None:
    disk = make_disk(300_000_000)
    store = EdgeStore(disk / "store")
    store.build("one", 13, [], {MANIFEST: "{}"})
    store.publish("one")
    store.build("two", 13, [], {MANIFEST: "{}"})
    fill(disk, 0)
    with pytest.raises(StorageFull) as caught:
        store.publish("two")
    assert "Free some space" in caught.value.hint
    assert store.current() == "one"
    assert names(disk / "store") == {"CURRENT", "index"}
