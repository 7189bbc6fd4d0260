"""What a version holds: points, the texts beside them, the manifest, BM25 weights, and subjects the course is not about."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ingest.course import read_course
from ingest.cut import cut_course
from ingest.edge_store import EdgeStore
from ingest.embedder import Matrix, OnnxEmbedder
from ingest.manifest import version_name
from ingest.outside import not_taught, outside_subjects
from ingest.points import make_points, outside_points
from ingest.progress import silent
from ingest.publish import publish_index
from ingest.sparse import Bm25Encoder, average_tokens, document_frequencies
from ingest.store import LEXICON, MANIFEST, OUTLINE, SOURCES, Where
from tests.conftest import SMALL_COURSE
from tests.fakes import WordEmbedder
from tutor.course_index import CourseIndex

TABLE = "dough/01-flour-and-gluten.md"


def publish(course: Path, folder: Path, words: WordEmbedder) -> CourseIndex:
    store = EdgeStore(folder)
    publish_index(read_course(course), store, words)
    return CourseIndex(store, words)


def write_course(folder: Path, **lessons: str) -> Path:
    folder.mkdir()
    for name, text in lessons.items():
        (folder / f"{name}.md").write_bytes(text.encode("utf-8"))
    return folder


def test_every_chunk_is_the_source_at_its_span(small_index: CourseIndex) -> None:
    chunks = small_index.version.points(Where(), "chunk")
    assert {chunk.payload["path"] for chunk in chunks} == set(small_index.by_path)
    for chunk in (point.payload for point in chunks):
        assert small_index.source(chunk["path"])[chunk["start"] : chunk["end"]] == chunk["text"]


def test_a_table_row_is_stored_with_its_cells_and_the_titles_of_its_columns(small_index: CourseIndex) -> None:
    rows = [unit.payload for unit in small_index.version.points(Where(), "unit") if unit.payload["form"] == "row"]
    row = next(row for row in rows if row["path"] == TABLE and row["cells"][0] == "Bread")
    assert row["header"] == ["Flour", "Protein", "Good for"]
    assert row["cells"] == ["Bread", "12 to 14%", "Hearth loaves, tin loaves, bagels"]
    assert (row["lesson_id"], row["module"], row["section"]) == ("flour-and-gluten", "dough", f"{TABLE}#choosing-flour")


def test_a_question_of_the_authors_is_stored_with_the_section_it_points_to(small_index: CourseIndex) -> None:
    asks = {ask.payload["question"]: ask.payload for ask in small_index.version.points(Where(), "ask")}
    assert len(asks) == sum(len(lesson.asks) for lesson in small_index.lessons) == small_index.manifest.asks
    assert asks["How do I do the windowpane test?"]["section"] == f"{TABLE}#windowpane"


def test_a_question_that_is_written_twice_is_stored_once(small_course: Path, tmp_path: Path, words: WordEmbedder) -> None:
    ask = '  - {q: "What is gluten made of?", section: how-it-works}\n'
    lesson = small_course / TABLE
    lesson.write_text(lesson.read_text("utf-8").replace(ask, ask + ask), "utf-8")
    index = publish(small_course, tmp_path / "other", words)
    questions = [point.payload["question"] for point in index.version.points(Where(), "ask")]
    index.close()
    assert questions.count("What is gluten made of?") == 1


def test_an_excluded_file_and_unsearched_sections_are_in_no_point(small_index: CourseIndex) -> None:
    points = [point.payload for kind in ("chunk", "unit", "ask") for point in small_index.version.points(Where(), kind)]
    assert {point["anchor"] for point in points} & {"further-reading"} == set()
    assert "zanzibar" not in json.dumps(points)


def test_the_same_course_gets_the_same_points_wherever_it_is_indexed(
    small_course: Path, small_index: CourseIndex, tmp_path: Path, words: WordEmbedder
) -> None:
    other = publish(small_course, tmp_path / "elsewhere", words)
    for kind in ("chunk", "unit", "ask"):
        assert other.version.points(Where(), kind) == small_index.version.points(Where(), kind)
    assert other.version.name == small_index.version.name
    other.close()


def test_a_source_is_kept_byte_for_byte(tmp_path: Path, words: WordEmbedder) -> None:
    text = "\ufeff# Käse und 面包 🥖\r\n\r\nErste Zeile\r\nzweite\rdritte\n\n\n"
    course = write_course(tmp_path / "course", bread=text)
    index = publish(course, tmp_path / "store", words)
    kept = index.version.artifact(f"{SOURCES}bread.md").encode("utf-8")
    index.close()
    assert kept == (course / "bread.md").read_bytes()


def test_the_outline_names_lessons_sections_and_what_is_only_planned(small_index: CourseIndex) -> None:
    outline: dict[str, Any] = json.loads(small_index.version.artifact(OUTLINE))
    assert [lesson["number"] for lesson in outline["lessons"]] == [1, 2, 3, 4, 5]
    assert [module["id"] for module in outline["modules"]] == ["dough", "oven"]
    assert [planned["lesson_id"] for planned in outline["planned"] if planned["number"] == 6] == ["wholegrain"]
    first = outline["lessons"][0]
    section = next(section for section in first["sections"] if section["anchor"] == "windowpane")
    assert section["title"] == "The windowpane test"
    text = small_index.source(first["path"])
    assert text[section["start"] : section["end"]].startswith("## The windowpane test {#windowpane}\nPinch off")
    assert text[section["start"] : section["end"]].endswith("15 to 20 minutes of covered rest.")


def test_the_lexicon_counts_in_how_many_sections_a_word_stands(tmp_path: Path, words: WordEmbedder) -> None:
    two_chunks = "\n\n".join(["The oven, and water for steam, and so on. " * 18] * 2)
    lesson = f"# Bread\n\n## Mixing\nFlour and water. Flour again.\n\n## Baking\n{two_chunks}\n"
    index = publish(write_course(tmp_path / "course", bread=lesson), tmp_path / "store", words)
    lexicon: dict[str, Any] = json.loads(index.version.artifact(LEXICON))
    counts = {word: lexicon["frequencies"].get(token_of(word)) for word in ("flour", "water", "oven", "bread", "the", "yeast")}
    chunks = len(index.version.points(Where(), "chunk"))
    index.close()
    assert (lexicon["sections"], chunks) == (2, 3)
    assert counts == {"flour": 1, "water": 2, "oven": 1, "bread": 2, "the": None, "yeast": None}


def token_of(word: str) -> str:
    return str(next(iter(Bm25Encoder().tokens(word)), word))


def test_the_manifest_counts_what_the_version_holds(small_index: CourseIndex) -> None:
    manifest = json.loads(small_index.version.artifact(MANIFEST))
    held = {kind: len(small_index.version.points(Where(), kind)) for kind in ("chunk", "unit", "ask")}
    assert (manifest["chunks"], manifest["units"], manifest["asks"]) == (held["chunk"], held["unit"], held["ask"])
    assert (manifest["version"], manifest["lessons"]) == (small_index.version.name, 5)
    assert (manifest["embedder"], manifest["embedder_fingerprint"], manifest["dimension"]) == ("words", "words-1", 13)


def test_a_version_is_named_after_the_course_and_the_embedder(small_course: Path, words: WordEmbedder) -> None:
    name = version_name(read_course(small_course), words)
    assert version_name(read_course(small_course), WordEmbedder("renamed", "words-1")) == name
    assert version_name(read_course(small_course), WordEmbedder("words", "words-2")) != name
    lesson = small_course / TABLE
    lesson.write_bytes(lesson.read_bytes().replace(b"\n", b"\r\n"))
    assert version_name(read_course(small_course), words) != name


def weight(encoder: Bm25Encoder, text: str, word: str) -> float:
    """Weight of a word in a document."""
    vector = encoder.document(text)
    return dict(zip(vector.indices, vector.values, strict=True))[int(token_of(word))]


def test_a_word_weighs_more_the_oftener_it_stands_and_the_shorter_its_text() -> None:
    encoder = Bm25Encoder(4.0)
    assert weight(encoder, "flour water salt oven", "flour") == pytest.approx(2.2 / (1 + 1.2))
    assert weight(encoder, "flour flour flour oven", "flour") == pytest.approx(3 * 2.2 / (3 + 1.2))
    assert weight(encoder, "flour", "flour") == pytest.approx(2.2 / (1 + 1.2 * (0.25 + 0.75 / 4)))


@pytest.mark.parametrize("other", ["Flour", "flours", "the flour", "flour?!"])
def test_case_plural_stop_words_and_punctuation_do_not_change_a_question(other: str) -> None:
    assert Bm25Encoder().query(other) == Bm25Encoder().query("flour")


def test_a_question_weighs_each_of_its_words_once() -> None:
    assert sorted(Bm25Encoder().query("salt, salt and more salt in dough").values) == [1.0, 1.0]


@pytest.mark.parametrize("text", ["", "the of and", " \n"])
def test_a_text_without_words_that_tell_has_no_weights(text: str) -> None:
    assert Bm25Encoder(3.0).document(text).values == ()
    assert Bm25Encoder(3.0).tokens(text) == frozenset()


def test_a_document_of_average_length_is_neither_favoured_nor_held_back() -> None:
    texts = ["The flour is in the bowl", "The water is in the cup", "The oven is on the left"]
    encoder = Bm25Encoder(average_tokens(texts))
    assert encoder.document(texts[0]).values == pytest.approx([1.0, 1.0], abs=1e-3)


def test_the_frequency_of_a_word_counts_texts_and_not_its_repetitions() -> None:
    encoder = Bm25Encoder()
    counts = document_frequencies(encoder, ["salt salt salt", "salt and oven", "oven", "the"])
    assert counts == {int(token_of("salt")): 2, int(token_of("oven")): 2}


def directions(count: int, seed: int) -> Matrix:
    """Unit vectors that point anywhere but along the first axis."""
    vectors = np.random.default_rng(seed).normal(size=(count, 12)).astype(np.float32)
    vectors[:, 0] = 0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


ALONG = np.eye(1, 12, dtype=np.float32)
SUBJECTS = np.concatenate([directions(300, seed=1), ALONG])
"""Three hundred subjects and, last, one that points along the first axis."""


def taught(sentences: Matrix) -> set[int]:
    """Places of the subjects that count as taught by a course with these sentences."""
    return set(range(301)) - set(not_taught([str(place) for place in range(301)], SUBJECTS, sentences))


def test_a_subject_that_many_sentences_are_near_is_the_courses_own() -> None:
    assert taught(np.concatenate([directions(200, seed=2), np.repeat(ALONG, 20, axis=0)])) == {300}


def test_a_single_sentence_near_a_subject_does_not_make_it_the_courses_own() -> None:
    assert taught(np.concatenate([directions(200, seed=2), ALONG])) == set()


def test_a_course_that_is_near_no_subject_more_than_another_teaches_none() -> None:
    assert taught(directions(200, seed=2)) == set()


def test_a_course_without_sentences_teaches_no_subject() -> None:
    assert taught(np.zeros((0, 12), np.float32)) == set()


def test_a_course_on_bread_teaches_baking_and_not_football(embedder: OnnxEmbedder) -> None:
    cut = cut_course(read_course(SMALL_COURSE), embedder.count_tokens, silent)
    points, _, _ = make_points(cut, embedder, {}, silent)
    outside = {point.payload["subject"] for point in outside_points(embedder, points)}
    assert "recipes, cooking and baking" not in outside
    assert {"football and other sports results", "cars, driving and engines"} <= outside


def test_each_outside_subject_is_listed_once() -> None:
    subjects = outside_subjects()
    assert [subject for subject in set(subjects) if subjects.count(subject) > 1] == []
    assert [subject for subject in subjects if subject.startswith("#") or len(subject.split()) > 15] == []
