"""What ``publish_index`` does to a store, in one process: what is made anew, what is reused, what readers see."""

import json
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from qdrant_client import QdrantClient

from ingest.course import read_course
from ingest.edge_store import EdgeStore
from ingest.errors import IndexMismatch, IndexMissing, StoreError
from ingest.manifest import open_current, version_name
from ingest.publish import IngestReport, publish_index
from ingest.server_store import ServerStore
from ingest.sparse import Bm25Encoder
from ingest.store import MANIFEST, SOURCES, IndexStore, IndexVersion, Nearest, Point, Where
from tests.bread_points import point_id
from tests.fakes import WordEmbedder
from tutor.course_index import CourseIndex

KINDS = ("chunk", "unit", "ask", "outside")
FIRST = "dough/01-flour-and-gluten.md"
LAST = "oven/05-troubleshooting.md"


def ingest(course: Path, store: IndexStore, embedder: WordEmbedder, *, force: bool = False) -> IngestReport:
    return publish_index(read_course(course), store, embedder, force=force)


def edit(course: Path, path: str, old: str, new: str) -> None:
    text = (course / path).read_text("utf-8")
    assert text.count(old) == 1
    (course / path).write_text(text.replace(old, new), "utf-8")


def vary(course: Path, number: int) -> None:
    """Make the course another one."""
    (course / "dough" / "07-notes.md").write_text(f"# Notes\n\nWater weighs {number} grams.\n", "utf-8")


def texts(version: IndexVersion) -> set[str]:
    return {str(point.payload.get("text", "")) for kind in KINDS for point in version.points(Where(), kind)}


def versions(store_folder: Path) -> set[str]:
    return {path.name for path in (store_folder / "index").iterdir()}


def test_an_unchanged_course_is_left_alone_at_once(
    small_course: Path, small_store: EdgeStore, words: WordEmbedder, tmp_path: Path
) -> None:
    first = ingest(small_course, small_store, words)
    words.embedded.clear()
    folder = tmp_path / "store" / "index"
    written = {path: path.stat().st_mtime_ns for path in (folder, folder / first.version, tmp_path / "store" / "CURRENT")}
    started = time.perf_counter()
    second = ingest(small_course, small_store, words)
    assert time.perf_counter() - started < 2
    assert (second.version, second.lessons, second.chunks) == (first.version, first.lessons, first.chunks)
    assert (second.embedded, second.reused, words.embedded) == (0, 0, [])
    assert {path: path.stat().st_mtime_ns for path in written} == written


def test_a_first_ingest_counts_what_it_embedded(small_course: Path, small_store: EdgeStore, words: WordEmbedder) -> None:
    report = ingest(small_course, small_store, words)
    version = small_store.open(report.version)
    counts = {kind: len(version.points(Where(), kind)) for kind in KINDS}
    version.close()
    assert report.lessons == 5
    assert report.chunks == counts["chunk"]
    assert (report.embedded, report.reused) == (counts["chunk"] + counts["unit"] + counts["ask"], 0)


def test_a_changed_sentence_is_embedded_alone_and_with_its_chunk(
    small_course: Path, small_store: EdgeStore, words: WordEmbedder
) -> None:
    before = ingest(small_course, small_store, words)
    words.embedded.clear()
    edit(small_course, FIRST, "By hand you will tire first.", "By hand your arms give up first.")
    after = ingest(small_course, small_store, words)
    chunk, sentence = sorted(words.embedded, key=len, reverse=True)
    assert sentence == "By hand your arms give up first."
    assert chunk.startswith("Flour and gluten > Four ways to build strength\n")
    assert sentence in chunk
    assert after.version != before.version
    assert (after.embedded, after.reused) == (2, before.embedded - 2)


def test_a_removed_lesson_leaves_nothing_behind(small_course: Path, small_store: EdgeStore, words: WordEmbedder) -> None:
    ingest(small_course, small_store, words)
    (small_course / LAST).unlink()
    version = small_store.open(ingest(small_course, small_store, words).version)
    paths = {point.payload["path"] for kind in KINDS[:3] for point in version.points(Where(), kind)}
    with pytest.raises(StoreError):
        version.artifact(f"{SOURCES}{LAST}")
    version.close()
    assert paths == {path.relative_to(small_course).as_posix() for path in small_course.glob("*/*.md")}


def test_a_shortened_lesson_leaves_no_tail(small_course: Path, small_store: EdgeStore, words: WordEmbedder) -> None:
    ingest(small_course, small_store, words)
    edit(small_course, FIRST, " By hand you will tire first.", "")
    version = small_store.open(ingest(small_course, small_store, words).version)
    stale = [text for text in texts(version) if "tire first" in text]
    version.close()
    assert stale == []


def test_force_embeds_everything_again_under_a_new_name(
    small_course: Path, small_store: EdgeStore, words: WordEmbedder
) -> None:
    first = ingest(small_course, small_store, words)
    everything = list(words.embedded)
    for count in (1, 2):
        words.embedded.clear()
        forced = ingest(small_course, small_store, words, force=True)
        assert forced.version == f"{first.version}.{count}"
        assert (forced.embedded, forced.reused) == (first.embedded, 0)
        assert words.embedded == everything
        assert small_store.current() == forced.version


def test_an_unchanged_course_is_left_alone_after_a_forced_rebuild(
    small_course: Path, small_store: EdgeStore, words: WordEmbedder
) -> None:
    ingest(small_course, small_store, words)
    forced = ingest(small_course, small_store, words, force=True)
    assert ingest(small_course, small_store, words).version == forced.version


@pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")
@pytest.mark.parametrize("kind", ["edge", "local"])
def test_an_edit_that_is_taken_back_can_be_ingested(small_course: Path, words: WordEmbedder, tmp_path: Path, kind: str) -> None:
    client = QdrantClient(":memory:")
    store: IndexStore = EdgeStore(tmp_path / "store") if kind == "edge" else ServerStore(client, "bread")
    original = ingest(small_course, store, words)
    edit(small_course, FIRST, "you will tire first", "you will rest first")
    ingest(small_course, store, words)
    edit(small_course, FIRST, "you will rest first", "you will tire first")
    report = ingest(small_course, store, words)
    version = store.open(report.version)
    assert store.current() == report.version
    assert report.chunks == original.chunks == len(version.points(Where(), "chunk"))
    assert any("tire first" in text for text in texts(version))
    version.close()
    client.close()


def test_an_ingest_killed_between_building_and_publishing_can_be_repeated(
    small_course: Path, small_store: EdgeStore, words: WordEmbedder
) -> None:
    ingest(small_course, small_store, words)
    vary(small_course, 1)
    left = version_name(read_course(small_course), words)
    small_store.build(left, words.dimension, [], {MANIFEST: "{}"})
    report = ingest(small_course, small_store, words)
    version = small_store.open(report.version)
    assert any("Water weighs 1 grams" in text for text in texts(version))
    version.close()


def test_a_version_whose_folder_was_deleted_is_made_anew_by_the_command_in_the_hint(
    small_course: Path, small_store: EdgeStore, words: WordEmbedder, tmp_path: Path
) -> None:
    name = ingest(small_course, small_store, words).version
    shutil.rmtree(tmp_path / "store" / "index" / name)
    with pytest.raises(StoreError) as caught:
        open_current(small_store, words)
    assert caught.value.hint == "Run: tutor ingest --force"
    ingest(small_course, small_store, words, force=True)
    open_current(small_store, words)[0].close()


def test_a_course_that_was_never_ingested_is_missing(small_store: EdgeStore, words: WordEmbedder) -> None:
    with pytest.raises(IndexMissing) as caught:
        open_current(small_store, words)
    assert caught.value.hint == "Run: tutor ingest"


def test_another_embedder_is_refused_until_the_course_is_ingested_with_it(
    small_course: Path, small_store: EdgeStore, words: WordEmbedder
) -> None:
    ingest(small_course, small_store, words)
    other = WordEmbedder("other-words", "words-2")
    with pytest.raises(IndexMismatch, match="embedder words, not with other-words") as caught:
        open_current(small_store, other)
    assert "tutor ingest" in caught.value.hint
    assert "TUTOR_EMBEDDER=words" in caught.value.hint
    report = ingest(small_course, small_store, other)
    assert (report.reused, report.embedded) == (0, len(other.embedded))
    open_current(small_store, other)[0].close()


def publish_as(store: EdgeStore, changes: dict[str, str], points: list[Point]) -> None:
    """Publish a copy of the current version's texts with a changed manifest and these points."""
    version = store.open(store.current() or "")
    manifest: dict[str, Any] = json.loads(version.artifact(MANIFEST))
    version.close()
    store.build("of-another-release", 13, points, {MANIFEST: json.dumps(manifest | changes)})
    store.publish("of-another-release")


@pytest.mark.parametrize("changes", [{"schema": "0"}, {"schema": "0", "invented": "yes"}, {"chunker": "0"}], ids=str)
def test_an_index_of_another_release_is_refused_until_the_course_is_ingested(
    small_course: Path, small_store: EdgeStore, words: WordEmbedder, changes: dict[str, str]
) -> None:
    first = ingest(small_course, small_store, words)
    publish_as(small_store, changes, [])
    vary(small_course, 1)
    with pytest.raises(IndexMismatch) as caught:
        open_current(small_store, words)
    assert caught.value.hint == "Run: tutor ingest"
    ingest(small_course, small_store, words)
    version, manifest = open_current(small_store, words)
    version.close()
    assert manifest.chunks == first.chunks + 1


def test_points_of_another_release_need_not_have_the_payload_of_this_one(
    small_course: Path, small_store: EdgeStore, words: WordEmbedder
) -> None:
    first = ingest(small_course, small_store, words)
    vector = words.embed(["flour"], "query")[0].tolist()
    publish_as(small_store, {"schema": "0"}, [Point(point_id(1), {"kind": "chunk"}, {"chunk": vector})])
    vary(small_course, 1)
    assert ingest(small_course, small_store, words).chunks == first.chunks + 1


def test_an_open_reader_answers_from_its_version_while_others_are_published(
    small_course: Path, small_store: EdgeStore, small_index: CourseIndex, words: WordEmbedder, tmp_path: Path
) -> None:
    opened = small_index.version.name
    before = texts(small_index.version)
    assert small_index.is_current()
    names = []
    for number in range(1, 5):
        vary(small_course, number)
        names.append(ingest(small_course, small_store, words).version)
        assert not small_index.is_current()
        assert texts(small_index.version) == before
        assert "Water weighs" not in "".join(small_index.source(lesson.path) for lesson in small_index.lessons)
    assert versions(tmp_path / "store") == {opened, *names[-2:]}


def test_a_version_is_removed_once_its_last_reader_has_closed_it(
    small_course: Path, small_store: EdgeStore, words: WordEmbedder, tmp_path: Path
) -> None:
    first = small_store.open(ingest(small_course, small_store, words).version)
    second_reader = small_store.open(first.name)
    kept = []
    for number, close in enumerate((lambda: None, lambda: None, first.close, second_reader.close)):
        close()
        vary(small_course, number)
        ingest(small_course, small_store, words)
        kept.append(first.name in versions(tmp_path / "store"))
    assert kept == [True, True, True, False]


def test_threads_may_share_an_open_version(small_index: CourseIndex, words: WordEmbedder) -> None:
    questions = ["salt in the dough", "steam and oven", "starter acid", "flour gluten water", "knead", "crust"] * 20
    rows = words.embed(questions, "query").tolist()
    sparse = [Bm25Encoder().query(question) for question in questions]

    def answer(number: int) -> list[list[tuple[str, float]]]:
        queries = [Nearest("unit", rows[number], 10), Nearest("chunk_bm25", sparse[number], 10)]
        found = small_index.version.nearest(queries)
        return [[(match.point_id, match.score) for match in matches] for matches in found]

    alone = [answer(number) for number in range(len(questions))]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(answer, range(len(questions)))) == alone
