"""One contract for every store: the embedded engine, qdrant-client's local mode, and a real server where there is one."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from qdrant_client import QdrantClient

from ingest.course import read_course
from ingest.edge_store import EdgeStore
from ingest.errors import StoreError
from ingest.publish import publish_index
from ingest.server_store import ServerStore, connect
from ingest.sparse import Bm25Encoder, SparseVector
from ingest.store import MANIFEST, SOURCES, IndexStore, IndexVersion, Match, Nearest, Point, Where
from tests.bread_points import (
    DIMENSION,
    TEXTS,
    Scores,
    bm25,
    bread_points,
    build_and_publish,
    cosines,
    passing,
    point_id,
    unit_vector,
)
from tests.fakes import WordEmbedder

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect in the local Qdrant")

SERVER_VARIABLE = "TUTOR_TEST_QDRANT_URL"
MakeStore = Callable[[str], IndexStore]


@pytest.fixture(scope="module", params=["edge", "local", "server"])
def make_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeStore]:
    """Makes the store of a course by its key; all of them on one backend."""
    if request.param == "edge":
        folder = tmp_path_factory.mktemp("stores")
        yield lambda course: EdgeStore(folder / course)
        return
    url = os.environ.get(SERVER_VARIABLE, "")
    if request.param == "server" and not url:
        pytest.skip(f"no Qdrant server to test against: set {SERVER_VARIABLE} to the address of one")
    client = connect(url, None) if request.param == "server" else QdrantClient(":memory:")
    run = uuid4().hex[:8]
    yield lambda course: ServerStore(client, f"{run}-{course}")
    for collection in client.get_collections().collections:
        if collection.name.startswith(f"tutor-{run}-"):
            client.delete_collection(collection.name)
    client.close()


@pytest.fixture
def store(make_store: MakeStore) -> IndexStore:
    """An empty store."""
    return make_store(f"bread-{uuid4().hex[:8]}")


ARTIFACTS = {
    f"{SOURCES}oven/04-käse.md": "\ufeffKäse – naïve 面包 🥖\r\nzweite Zeile\rdritte\n\n",
    f"{SOURCES}dough/empty.md": "",
}


@pytest.fixture(scope="module")
def version(make_store: MakeStore) -> Iterator[IndexVersion]:
    """The points of ``bread_points`` and ARTIFACTS, published and open."""
    store = make_store("read-only")
    build_and_publish(store, "one", ARTIFACTS)
    opened = store.open("one")
    yield opened
    opened.close()


def assert_found(matches: Sequence[Match], expected: Scores) -> None:
    assert [match.point_id for match in matches] == [name for name, _ in expected]
    assert [match.score for match in matches] == pytest.approx([score for _, score in expected], abs=1e-4)


@pytest.mark.parametrize("seed", [1007, 1008, 1009])
def test_dense_scores_are_cosines_best_first(version: IndexVersion, seed: int) -> None:
    query = unit_vector(seed)
    assert_found(version.nearest([Nearest("chunk", query, 5)])[0], cosines(query)[:5])


def test_a_dense_query_need_not_have_length_one(version: IndexVersion) -> None:
    query = unit_vector(1010)
    assert_found(version.nearest([Nearest("chunk", [3 * value for value in query], 8)])[0], cosines(query))


@pytest.mark.parametrize("words", ["flour", "oven crust", "salt steam starter", "acid proof water flour"])
def test_sparse_scores_are_bm25_best_first(version: IndexVersion, words: str) -> None:
    found = version.nearest([Nearest("chunk_bm25", Bm25Encoder().query(words), 10)])[0]
    assert_found(found, bm25(words.split()))


def test_each_query_of_a_request_has_its_own_answer_in_order(version: IndexVersion) -> None:
    first, second = unit_vector(1020), unit_vector(1021)
    sparse = Bm25Encoder().query("crust")
    found = version.nearest([Nearest("chunk", first, 3), Nearest("chunk_bm25", sparse, 3), Nearest("chunk", second, 2)])
    for matches, expected in zip(found, [cosines(first)[:3], bm25(["crust"])[:3], cosines(second)[:2]], strict=True):
        assert_found(matches, expected)


def test_no_query_has_no_answer(version: IndexVersion) -> None:
    assert version.nearest([]) == []


def test_chunks_units_and_questions_are_searched_apart(version: IndexVersion) -> None:
    query = unit_vector(1030)
    asks, units, outside = version.nearest([Nearest(name, query, 50) for name in ("ask", "unit", "outside")])
    assert [match.point_id for match in asks] == [point_id(201)]
    assert {match.point_id for match in units} == {point_id(number + 101) for number in range(len(TEXTS))}
    assert outside == []


def test_words_that_no_text_has_find_nothing(version: IndexVersion) -> None:
    unknown = Bm25Encoder().query("zeppelin")
    assert version.nearest([Nearest("chunk_bm25", unknown, 5), Nearest("chunk_bm25", SparseVector((), ()), 5)]) == [[], []]


def test_equal_scores_stand_in_order_of_their_ids(store: IndexStore) -> None:
    numbers = [5, 3, 9, 1, 7]
    store.build("one", 2, [Point(point_id(n), {"kind": "chunk"}, {"chunk": [0.6, 0.8]}) for n in numbers], {MANIFEST: "{}"})
    opened = store.open("one")
    found = opened.nearest([Nearest("chunk", [1.0, 0.0], 5)])[0]
    opened.close()
    assert [match.point_id for match in found] == [point_id(number) for number in sorted(numbers)]


FILTERS = [
    Where(lesson_ids=("lesson-1",)),
    Where(lesson_ids=("lesson-1", "lesson-2")),
    Where(modules=("module-1",)),
    Where(sections=("0.md#0", "3.md#7")),
    Where(lesson_ids=("lesson-1", "lesson-2"), modules=("module-0",)),
    Where(lesson_ids=("lesson-1",), modules=("module-0",)),
    Where(lesson_ids=("lesson-77",)),
]


@pytest.mark.parametrize("where", FILTERS, ids=lambda where: ",".join(where.fields()))
def test_a_filter_keeps_what_has_one_of_the_values_in_every_field(version: IndexVersion, where: Where) -> None:
    query, words, kept = unit_vector(1040), "flour oven salt", passing(where)
    dense = Nearest("chunk", query, 50, where)
    sparse = Nearest("chunk_bm25", Bm25Encoder().query(words), 50, where)
    by_meaning, by_words = version.nearest([dense, sparse])
    assert_found(by_meaning, [pair for pair in cosines(query) if pair[0] in kept])
    assert_found(by_words, [pair for pair in bm25(words.split()) if pair[0] in kept])
    chunks = sorted(name for name, _ in cosines(query) if name in kept)
    assert [point.point_id for point in version.points(where, "chunk")] == chunks


def test_a_match_carries_the_payload_as_it_was_stored(version: IndexVersion) -> None:
    stored = {point.point_id: point.payload for point in bread_points() if "chunk" in point.dense}
    matches = version.nearest([Nearest("chunk", unit_vector(1050), 50)])[0]
    assert {match.point_id: match.payload for match in matches} == stored


def test_points_returns_vectors_and_payloads_in_order_of_id(version: IndexVersion) -> None:
    expected = sorted((point for point in bread_points() if "unit" in point.dense), key=lambda point: point.point_id)
    stored = version.points(Where(), "unit", with_vectors=True)
    assert [(point.point_id, point.payload) for point in stored] == [(point.point_id, point.payload) for point in expected]
    for point, original in zip(stored, expected, strict=True):
        assert list(point.vector) == pytest.approx(original.dense["unit"], abs=1e-6)


def test_points_leaves_vectors_out_unless_they_are_asked_for(version: IndexVersion) -> None:
    assert [tuple(point.vector) for point in version.points(Where(), "chunk")] == [()] * len(TEXTS)


def test_points_returns_each_point_once_however_many_there_are(store: IndexStore) -> None:
    names = [point_id(number) for number in range(1, 2_101)]
    store.build("one", 2, [Point(name, {"kind": "unit"}, {"unit": [1.0, 0.0]}) for name in names], {MANIFEST: "{}"})
    opened = store.open("one")
    found = [point.point_id for point in opened.points(Where(), "unit")]
    opened.close()
    assert found == names


@pytest.mark.parametrize("name", ARTIFACTS)
def test_an_artifact_is_kept_character_for_character(version: IndexVersion, name: str) -> None:
    assert version.artifact(name) == ARTIFACTS[name]


def test_a_missing_artifact_is_an_error_with_a_cure(version: IndexVersion) -> None:
    with pytest.raises(StoreError, match=r"lost\.json") as caught:
        version.artifact("lost.json")
    assert "tutor ingest" in caught.value.hint


def test_a_missing_version_is_an_error_with_a_cure(store: IndexStore) -> None:
    with pytest.raises(StoreError, match="nowhere") as caught:
        store.open("nowhere")
    assert "tutor ingest" in caught.value.hint


def test_a_build_is_not_current_until_it_is_published(store: IndexStore) -> None:
    seen = [store.current()]
    for name in ("one", "two"):
        store.build(name, DIMENSION, bread_points(), {MANIFEST: "{}"})
        seen.append(store.current())
        store.publish(name)
        seen.append(store.current())
    assert seen == [None, None, "one", "one", "two"]


def test_a_build_that_was_never_published_can_be_built_again(store: IndexStore) -> None:
    build_and_publish(store, "one")
    store.build("two", DIMENSION, bread_points()[:4], {MANIFEST: "{}"})
    build_and_publish(store, "two")
    opened = store.open("two")
    chunks = len(opened.points(Where(), "chunk"))
    opened.close()
    assert chunks == len(TEXTS)


def test_the_last_two_versions_are_kept_and_older_ones_removed(store: IndexStore) -> None:
    for name in ("one", "two", "three", "four"):
        build_and_publish(store, name)
    for name in ("three", "four"):
        store.open(name).close()
    for name in ("one", "two"):
        with pytest.raises(StoreError):
            store.open(name)


def test_a_build_that_loses_points_fails_and_leaves_nothing_behind(store: IndexStore) -> None:
    build_and_publish(store, "one")
    with pytest.raises(StoreError, match="points stored of"):
        store.build("two", DIMENSION, bread_points()[:1] * 2, {MANIFEST: "{}"})
    assert store.current() == "one"
    with pytest.raises(StoreError, match="two"):
        store.open("two")


def test_courses_whose_keys_begin_alike_do_not_touch_each_other(make_store: MakeStore) -> None:
    first, second = make_store("alike"), make_store("alike-2")
    for store, name in ((first, "one"), (second, "one"), (second, "two"), (first, "two")):
        build_and_publish(store, name)
    assert (first.current(), second.current()) == ("two", "two")
    for store in (first, second):
        store.open("one").close()


def test_a_course_is_scored_as_by_the_embedded_engine(
    store: IndexStore, small_store: EdgeStore, small_course: Path, words: WordEmbedder
) -> None:
    queries = []
    for question in ("how much salt goes into the dough", "steam in the oven for a good crust", "the starter smells acid"):
        dense, sparse = words.embed([question], "query")[0].tolist(), Bm25Encoder().query(question)
        queries += [Nearest(name, dense, 1_000) for name in ("chunk", "unit", "ask")]
        queries += [Nearest(name, sparse, 1_000) for name in ("chunk_bm25", "ask_bm25")]
    answers = []
    for each in (small_store, store):
        opened = each.open(publish_index(read_course(small_course), each, words).version)
        answers.append([{match.point_id: match.score for match in found} for found in opened.nearest(queries)])
        opened.close()
    for here, there in zip(*answers, strict=True):
        assert there == pytest.approx(here, abs=1e-4)
