"""Hybrid search: the fusion reckoned by hand, filters, limits, spans true to the file, questions of every sort."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest

from ingest.course import read_course
from ingest.edge_store import EdgeStore
from ingest.errors import QuestionError
from ingest.publish import publish_index
from ingest.store import Where
from tests.conftest import SMALL_COURSE
from tests.fakes import WordEmbedder
from tutor.course_index import CourseIndex
from tutor.search import BM25_ONLY, DENSE_ONLY, HYBRID, Fusion, Hit, hits, search
from tutor.settings import SHIPPED_CORPUS

Opener = Callable[..., CourseIndex]

TINY = """# Bread

## Shine
Steam makes a crust.

## Bowl
Water and flour make a dough.

## Taste
Salt tastes.
"""
QUESTIONS = ("How much steam does a crust need?", "salt", "What does a starter in the fridge look like?", "the of", "zebra")


@pytest.fixture(scope="module")
def bread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CourseIndex]:
    """The small course with the computable embedder, built once, because no test here changes it."""
    store, words = EdgeStore(tmp_path_factory.mktemp("bread")), WordEmbedder()
    publish_index(read_course(SMALL_COURSE), store, words)
    with contextlib.closing(CourseIndex(store, words)) as index:
        yield index


@pytest.fixture
def opened(tmp_path: Path, words: WordEmbedder) -> Iterator[Opener]:
    """Index lessons given as text, with the computable embedder."""
    indexes: list[CourseIndex] = []

    def open_course(**lessons: str) -> CourseIndex:
        folder = tmp_path / f"course-{len(indexes)}"
        folder.mkdir()
        for name, text in lessons.items():
            (folder / f"{name}.md").write_text(text, "utf-8")
        store = EdgeStore(tmp_path / f"index-{len(indexes)}")
        publish_index(read_course(folder), store, words)
        indexes.append(CourseIndex(store, words))
        return indexes[-1]

    yield open_course
    for index in indexes:
        index.close()


def anchors(index: CourseIndex, question: str, fusion: Fusion = HYBRID) -> list[str]:
    return [key.rpartition("#")[2] for key, _ in search(index, question, fusion=fusion).sections]


def found(index: CourseIndex, question: str, k: int, where: Where | None = None) -> list[Hit]:
    return hits(index, search(index, question, where), k)


def top(index: CourseIndex, question: str) -> str:
    return search(index, question).sections[0][0]


# Fusion


def test_dense_rankings_are_scaled_and_summed_by_their_weights(opened: Opener) -> None:
    index = opened(bread=TINY)
    scores = dict(search(index, "crust", fusion=replace(DENSE_ONLY, chunk=2, unit=1)).sections)
    # The question is (crust 1, constant 1), of length sqrt 2. A chunk is embedded with its headings, a unit without.
    chunk = {"shine": 2 / sqrt(3 * 2), "bowl": 1 / sqrt(4 * 2), "taste": 1 / sqrt(2 * 2)}
    assert search(index, "crust").rankings["chunk"][0].score == pytest.approx(chunk["shine"], abs=1e-6)
    scaled = (chunk["taste"] - chunk["bowl"]) / (chunk["shine"] - chunk["bowl"])
    assert scores == pytest.approx({"bread.md#shine": 1.0, "bread.md#taste": scaled, "bread.md#bowl": 0.0}, abs=1e-5)


def test_a_ranking_with_a_single_section_gives_it_its_whole_weight(opened: Opener) -> None:
    found_by_words = search(opened(bread=TINY), "crust", fusion=replace(BM25_ONLY, unit=1, chunk_bm25=3))
    # By words only Shine is found (3 of 4), and by meaning it is best (1 of 4); the others have a share of the last 1/4.
    shine, taste, bowl = found_by_words.sections
    assert (shine, bowl) == (("bread.md#shine", 1.0), ("bread.md#bowl", 0.0))
    assert taste[1] == pytest.approx((1 / 2 - 1 / sqrt(8)) / (2 / sqrt(6) - 1 / sqrt(8)) / 4, abs=1e-5)


def test_words_decide_alone_where_the_vectors_have_no_weight(opened: Opener) -> None:
    text = "# Bread\n\n## Spice\nCaraway, caraway and caraway.\n\n## Seeds\nCaraway and poppy.\n\n## Crust\nA crust.\n"
    index = opened(bread=text)
    assert anchors(index, "caraway for the crust", BM25_ONLY)[0] == "crust"
    assert anchors(index, "caraway", BM25_ONLY) == ["spice", "seeds"]
    assert anchors(index, "crust crust", DENSE_ONLY) == ["crust", "spice", "seeds"]


def test_a_chunk_found_by_meaning_and_one_found_by_words_lift_their_section(opened: Opener, words: WordEmbedder) -> None:
    filler = " ".join(["plain"] * 170)
    text = (
        "# Bread\n\n"
        f"## Apart\nSteam. {filler}\n\nSalt, salt, salt: banneton, banneton, banneton. {filler}\n\n"
        f"## Together\nSteam, steam and steam in a banneton, a banneton. {filler}\n\n"
        f"## Last\nSalt, salt, salt in a banneton. {filler} {filler[:100]}\n"
    )
    index = opened(bread=text)
    fusion, meaning = replace(DENSE_ONLY, chunk_bm25=1), words.embed(["steam"], "query")
    findings = search(index, "banneton", fusion=fusion, vector=meaning)
    assert max(findings.chunks, key=lambda name: findings.chunks[name]).startswith("bread.md#together")
    assert findings.sections[0] == ("bread.md#apart", 1.0)


def test_equal_scores_fall_to_the_section_that_stands_first_in_the_lesson(opened: Opener) -> None:
    index = opened(bread="# Bread\n\n## Zeal\nSalt is salt.\n\n## Aims\nSalt is salt.\n\n## Mist\nSalt is salt.\n")
    assert anchors(index, "salt") == ["zeal", "aims", "mist"]


def test_equal_scores_fall_to_the_lesson_that_stands_first_in_the_course(opened: Opener) -> None:
    index = opened(a="---\nnumber: 2\ntitle: T\n---\nSalt.\n", b="---\nnumber: 1\ntitle: T\n---\nSalt.\n")
    assert [key for key, _ in search(index, "salt").sections] == ["b.md#top", "a.md#top"]


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_repeated_question_finds_the_same_in_the_same_order(bread: CourseIndex, question: str) -> None:
    first, second = (search(bread, question) for _ in range(2))
    assert (first.sections, first.chunks) == (second.sections, second.chunks)
    assert hits(bread, first, 20) == hits(bread, second, 20)


def test_a_course_indexed_twice_gives_the_same_order(bread: CourseIndex, tmp_path: Path, words: WordEmbedder) -> None:
    store = EdgeStore(tmp_path / "again")
    publish_index(read_course(SMALL_COURSE), store, words)
    with contextlib.closing(CourseIndex(store, words)) as again:
        for question in QUESTIONS:
            assert found(again, question, 30) == found(bread, question, 30)


def test_scores_lie_between_0_and_1(shipped: CourseIndex) -> None:
    asks = [ask for lesson in shipped.lessons for ask in lesson.asks[:3]]
    scores = {ask: [score for _, score in search(shipped, ask).sections] for ask in asks}
    assert {ask: max(found) for ask, found in scores.items() if max(found) > 1} == {}
    assert {ask: min(found) for ask, found in scores.items() if min(found) < 0} == {}


# Filters


def test_a_lesson_filter_leaves_only_that_lesson(bread: CourseIndex) -> None:
    got = found(bread, "steam", 100, Where(lesson_ids=("oven-and-steam",)))
    assert {hit.lesson_id for hit in got} == {"oven-and-steam"}
    assert {hit.anchor for hit in got} >= {"scoring", "is-it-done", "making-steam-at-home"}


def test_several_lessons_are_searched_together(bread: CourseIndex) -> None:
    got = found(bread, "flour", 100, Where(lesson_ids=("bakers-percentage", "troubleshooting")))
    assert {hit.lesson_id for hit in got} == {"bakers-percentage", "troubleshooting"}


def test_a_module_filter_leaves_only_its_lessons(bread: CourseIndex) -> None:
    got = found(bread, "flour", 100, Where(modules=("oven",)))
    assert {hit.lesson_id for hit in got} == {"oven-and-steam", "troubleshooting"}


def test_a_lesson_outside_the_module_is_found_by_neither(bread: CourseIndex) -> None:
    where = Where(lesson_ids=("flour-and-gluten",), modules=("oven",))
    assert search(bread, "gluten", where).sections == []
    assert found(bread, "gluten", 5, where) == []


def test_sections_that_the_course_does_not_search_are_never_found(bread: CourseIndex) -> None:
    got = found(bread, "Lesson 2 turns these percentages into weights", 100, Where(lesson_ids=("flour-and-gluten",)))
    assert "further-reading" not in {hit.anchor for hit in got}


@pytest.mark.parametrize("name", ["3", "03", "sourdough-starter", " 3 "])
def test_a_lesson_is_named_by_number_or_id(bread: CourseIndex, name: str) -> None:
    assert bread.lesson(name).lesson_id == "sourdough-starter"


@pytest.mark.parametrize("name", ["6", "wholegrain", "", "-1", "²", "9" * 5_000])
def test_an_unknown_lesson_is_an_error_that_says_what_there_is(bread: CourseIndex, name: str) -> None:
    with pytest.raises(QuestionError) as caught:
        bread.lesson(name)
    assert caught.value.hint == "Lessons have numbers 1 to 5, or ids such as 'flour-and-gluten'."


def test_an_unknown_module_is_an_error_that_lists_the_modules(bread: CourseIndex) -> None:
    with pytest.raises(QuestionError) as caught:
        bread.module("cellar")
    assert (caught.value.message, caught.value.hint) == ("no module 'cellar' in this course", "Modules: dough, oven.")


# Hits


@pytest.mark.parametrize("question", QUESTIONS)
def test_hits_are_cut_from_the_file_as_it_is(bread: CourseIndex, question: str) -> None:
    for hit in found(bread, question, 50):
        source = (SMALL_COURSE / hit.path).read_bytes().decode("utf-8")
        assert source[hit.start : hit.end] == hit.text


def test_a_hit_names_its_lesson_and_section(bread: CourseIndex) -> None:
    hit = hits(bread, search(bread, "Pinch off a walnut of dough", fusion=BM25_ONLY), 1)[0]
    assert (hit.rank, hit.lesson, hit.lesson_id, hit.title) == (1, 1, "flour-and-gluten", "Flour and gluten")
    assert (hit.section, hit.anchor, hit.path) == ("The windowpane test", "windowpane", "dough/01-flour-and-gluten.md")
    assert hit.text.startswith("Pinch off a walnut of dough")


def test_the_best_chunk_of_every_section_comes_before_a_second_one(opened: Opener) -> None:
    filler = " ".join(["plain"] * 170)
    text = (
        f"# Bread\n\n## Long\nOf water. {filler}\n\nThe crust loves steam, steam, steam. {filler}\n\n"
        f"## Short\nThe crust is brown.\n\n## Other\nSalt and flour.\n"
    )
    got = found(opened(bread=text), "steam for the crust", 10)
    assert sorted(hit.anchor for hit in got[:3]) == ["long", "other", "short"]
    assert [hit.anchor for hit in got[3:]] == ["long"]
    first, second = (hit for hit in got if hit.anchor == "long")
    assert first.text.startswith("The crust loves steam")
    assert second.text.startswith("Of water")


def test_on_the_shipped_course_hits_go_round_the_sections(shipped: CourseIndex) -> None:
    findings = search(shipped, "What happens when the coordinator dies?", Where(lesson_ids=("two-phase-commit",)))
    got = hits(shipped, findings, 100)
    order = [key.rpartition("#")[2] for key, _ in findings.sections]
    assert [hit.anchor for hit in got[: len(order)]] == order
    assert len({hit.start for hit in got}) == len(got) > len(order)
    source = (SHIPPED_CORPUS / got[0].path).read_bytes().decode("utf-8")
    assert all(source[hit.start : hit.end] == hit.text for hit in got)


def test_ranks_count_up_and_a_smaller_k_gives_the_beginning(bread: CourseIndex) -> None:
    many, few = found(bread, "How warm is the oven?", 12), found(bread, "How warm is the oven?", 4)
    assert [hit.rank for hit in many] == list(range(1, 13))
    assert many[:4] == few
    scores = [hit.score for hit in many]
    assert scores == sorted(scores, reverse=True)


def test_the_largest_k_gives_every_chunk_that_was_found_once(opened: Opener) -> None:
    assert sorted(hit.anchor for hit in found(opened(bread=TINY), "crust", 100)) == ["bowl", "shine", "taste"]


@pytest.mark.parametrize("k", [0, -1, 101])
def test_k_outside_1_to_100_is_an_error(bread: CourseIndex, k: int) -> None:
    with pytest.raises(QuestionError) as caught:
        found(bread, "salt", k)
    assert (caught.value.message, caught.value.hint) == (f"-k is {k}", "Ask for 1 to 100 hits.")


# Questions


@pytest.mark.parametrize("question", ["", "  \n\t ", "\0", " \0 \0"])
def test_an_empty_question_is_an_error(bread: CourseIndex, question: str) -> None:
    with pytest.raises(QuestionError, match="the question is empty"):
        search(bread, question)


def test_a_question_of_4000_characters_is_searched_and_a_longer_one_is_an_error(bread: CourseIndex) -> None:
    longest = ("steam " * 700)[:3_999] + "?"
    assert search(bread, f"  {longest}\n").question == longest
    with pytest.raises(QuestionError, match="the question has 4,001 characters; at most 4,000 are read"):
        search(bread, longest + "?")


def test_the_real_model_reads_a_question_of_4000_characters(shipped: CourseIndex) -> None:
    question = ("What is a quorum? " * 300)[:4_000]
    assert len(search(shipped, question).question) == 4_000
    assert top(shipped, question).startswith("lessons/14-consensus.md#")


def test_nul_characters_are_read_as_blanks(bread: CourseIndex) -> None:
    assert found(bread, "\0grey\0liquid\0", 9) == found(bread, "grey liquid", 9)


@pytest.mark.parametrize(
    "question",
    ["\U0001f98a What is a vector clock? \U0001f98a\U0001f3fd", "*What* is a <b>vector clock</b>?", "WHAT IS A VECTOR CLOCK"],
)
def test_decoration_does_not_change_what_is_found(shipped: CourseIndex, question: str) -> None:
    assert top(shipped, question) == top(shipped, "What is a vector clock?")


@pytest.mark.parametrize("question", ["Was ist ein Quorum?", "什么是 Raft?", "ما هو Raft؟", "Qu'est-ce que le théorème CAP ?"])
def test_a_question_in_another_language_is_found_by_the_terms_it_shares(shipped: CourseIndex, question: str) -> None:
    lessons = [key.partition("#")[0] for key, _ in search(shipped, question, fusion=BM25_ONLY).sections[:3]]
    assert {"lessons/10-cap-theorem.md", "lessons/14-consensus.md"} & set(lessons)


@pytest.mark.parametrize("question", ["???", "the of and", "\U0001f600\U0001f600", "\u200b", "x" * 4_000])
def test_a_question_without_a_telling_word_is_searched_all_the_same(shipped: CourseIndex, question: str) -> None:
    findings = search(shipped, question)
    assert findings.rankings["chunk_bm25"] == []
    assert [hit.rank for hit in hits(shipped, findings, 3)] == [1, 2, 3]


def test_half_a_surrogate_pair_is_no_crash(shipped: CourseIndex) -> None:
    with contextlib.suppress(QuestionError):
        search(shipped, "What is \ud83d Raft?")


def test_a_vector_that_is_given_spares_the_embedding(bread: CourseIndex, words: WordEmbedder) -> None:
    vector = words.embed(["steam crust"], "query")
    findings = search(bread, "salt", fusion=DENSE_ONLY, vector=vector)
    assert findings.sections == search(bread, "steam crust", fusion=DENSE_ONLY).sections
