"""Answers: quotations true to their source, marks that match, refusals, hints, follow-ups, rows, threads."""

import contextlib
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest

from ingest.course import read_course
from ingest.edge_store import EdgeStore
from ingest.embedder import OnnxEmbedder
from ingest.errors import QuestionError
from ingest.markdown import plain
from ingest.publish import publish_index
from ingest.store import Where
from tests.conftest import SMALL_COURSE
from tutor.answer import Answer, Citation, ask, write_answer
from tutor.course_index import CourseIndex
from tutor.passages import Passage, Unit
from tutor.question import Turn

COMMIT = "How does two-phase commit work?"
AFTER_COMMIT = [Turn("user", COMMIT), Turn("assistant", "First everybody promises, then everybody is told.")]
FAR = [
    "Which wine goes with grilled salmon?",
    "How do I get a red wine stain out of a wool carpet?",
    "What is the capital of Mongolia?",
    "When was Mozart born?",
    "Is it going to rain tomorrow in Lisbon?",
    "How do I knit a sock heel?",
    "Tell me a joke about cats",
]
WORKSHEET = """# Worksheet

## Compare three mixers

| Mixer | Power | Bowl | Price | Verdict |
|---|---|---|---|---|
| | | | | |
| | | | | |
"""
VINEGAR = "Vinegar on the crust keeps mould away for a week, as Gobbetti showed [7]."

_MARK = re.compile(r"(?<!\\)\[(\d+)\]")
_POINTS_BACK = re.compile(
    r"(?:it|its|they|them|their|this|these|those|that|he|she|such|both|neither|either|however|therefore|otherwise)\b", re.I
)


@pytest.fixture(scope="module")
def replies(shipped: CourseIndex) -> dict[str, Answer]:
    """The answer to every question that the lessons say they answer."""
    return {question: ask(shipped, question) for lesson in shipped.lessons for question in lesson.asks}


@pytest.fixture(scope="module")
def bread_store(tmp_path_factory: pytest.TempPathFactory, embedder: OnnxEmbedder) -> EdgeStore:
    """The small course with two lessons more, indexed with the packaged model."""
    course = Path(shutil.copytree(SMALL_COURSE, tmp_path_factory.mktemp("course") / "bread"))
    (course / "worksheet.md").write_text(WORKSHEET, "utf-8")
    (course / "vinegar.md").write_text(f"# Vinegar\n\n## Mould\n\n{VINEGAR}\n", "utf-8")
    store = EdgeStore(tmp_path_factory.mktemp("store"))
    publish_index(read_course(course), store, embedder)
    return store


@pytest.fixture(scope="module")
def bread(bread_store: EdgeStore, embedder: OnnxEmbedder) -> Iterator[CourseIndex]:
    """That course, open."""
    with contextlib.closing(CourseIndex(bread_store, embedder)) as index:
        yield index


def paragraphs(answer: Answer) -> list[str]:
    """Paragraphs and items of an answer, without bullets: one a citation."""
    return [part.removeprefix("- ") for part in re.split(r"\n\n|\n(?=- )", answer.answer)]


def letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def overlap(one: Citation, other: Citation) -> bool:
    return one.path == other.path and one.start < other.end and other.start < one.end


def untimed(answer: Answer) -> Answer:
    return replace(answer, timings_ms={})


def lessons_of(answer: Answer) -> list[int | None]:
    return [citation.lesson for citation in answer.citations]


def passage(form: str, *texts: str, cells: tuple[str, ...] = (), header: tuple[str, ...] = ()) -> Passage:
    vector = np.zeros(1, np.float32)
    return Passage(tuple(Unit("s", "p", "a", 0, 1, form, 0, text, cells, header, 1.0, vector) for text in texts), 1.0)


def row(*cells: str) -> Passage:
    return passage("row", " | ".join(cells), cells=cells, header=("Symptom", "Likely cause", "Fix"))


# Answers to the lessons' own questions


def test_the_lessons_own_questions_are_answered(replies: dict[str, Answer]) -> None:
    refused = [question for question, answer in replies.items() if answer.refused]
    assert len(refused) <= 0.05 * len(replies), refused


def test_quotes_are_the_indexed_source_at_their_span(shipped: CourseIndex, replies: dict[str, Answer]) -> None:
    wrong = {
        question: citation.quote
        for question, answer in replies.items()
        for citation in answer.citations
        if shipped.source(citation.path)[citation.start : citation.end] != citation.quote or not citation.quote.strip()
    }
    assert wrong == {}


def test_marks_count_up_and_each_has_its_citation(replies: dict[str, Answer]) -> None:
    marks = {question: [int(mark) for mark in _MARK.findall(answer.answer)] for question, answer in replies.items()}
    assert marks == {question: [c.n for c in answer.citations] for question, answer in replies.items()}
    assert {tuple(numbers) for numbers in marks.values()} <= {(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)}


def test_every_paragraph_ends_with_its_mark(replies: dict[str, Answer]) -> None:
    unmarked = {
        question: part
        for question, answer in replies.items()
        for number, part in enumerate(paragraphs(answer) if answer.citations else (), start=1)
        if not part.endswith(f" [{number}]")
    }
    assert unmarked == {}


def test_answers_have_at_most_200_words(replies: dict[str, Answer]) -> None:
    lengths = {question: len(answer.answer.split()) for question, answer in replies.items()}
    assert {question: words for question, words in lengths.items() if words > 200} == {}


def test_no_passage_overlaps_another(replies: dict[str, Answer]) -> None:
    twice = [
        question
        for question, answer in replies.items()
        for place, citation in enumerate(answer.citations)
        if any(overlap(citation, other) for other in answer.citations[:place])
    ]
    assert twice == []


def test_no_paragraph_begins_with_a_word_that_points_back(replies: dict[str, Answer]) -> None:
    orphans = {
        question: part
        for question, answer in replies.items()
        for part in paragraphs(answer)
        if _POINTS_BACK.match(part) and answer.citations
    }
    assert orphans == {}


def test_what_is_shown_of_a_paragraph_is_the_whole_of_its_quote(replies: dict[str, Answer]) -> None:
    skipping = {
        question: (part, citation.quote)
        for question, answer in replies.items()
        for part, citation in zip(paragraphs(answer), answer.citations, strict=False)
        if not citation.quote.startswith("|") and letters(_MARK.sub("", part)) != letters(plain(citation.quote))
    }
    assert skipping == {}


def test_the_lessons_that_are_read_next_are_others_and_named_once(replies: dict[str, Answer]) -> None:
    for answer in replies.values():
        related = [entry.lesson_id for entry in answer.related]
        assert len(related) == len(set(related)) == 3
        assert not answer.citations or answer.citations[0].lesson_id not in related


def test_a_citation_names_the_section_its_quote_stands_in(shipped: CourseIndex, replies: dict[str, Answer]) -> None:
    for citation in (citation for answer in replies.values() for citation in answer.citations):
        section = shipped.by_path[citation.path].section(citation.anchor)
        assert section is not None
        assert section.title == citation.section
        assert section.start < citation.start < citation.end <= section.end


def test_nine_in_ten_of_the_lessons_questions_lead_to_their_lesson(shipped: CourseIndex, replies: dict[str, Answer]) -> None:
    led = [
        replies[question].citations[0].lesson_id == lesson.lesson_id
        for lesson in shipped.lessons
        for question in lesson.asks
        if replies[question].citations
    ]
    assert sum(led) >= 0.9 * len(led)


@pytest.mark.parametrize("question", [COMMIT, FAR[0], "What is a trade-off in software architecture?"])
def test_a_repeated_question_gets_the_same_answer(shipped: CourseIndex, question: str) -> None:
    assert untimed(ask(shipped, question)) == untimed(ask(shipped, question))


def test_two_threads_that_ask_at_once_get_their_own_answers(shipped: CourseIndex, replies: dict[str, Answer]) -> None:
    together = Barrier(2)

    def ask_all(questions: list[str]) -> dict[str, Answer]:
        together.wait(timeout=20)
        return {question: untimed(ask(shipped, question)) for question in questions}

    questions = list(replies)[::8]
    with ThreadPoolExecutor(2) as pool:
        forward, backward = pool.map(ask_all, (questions, questions[::-1]))
    assert forward == backward == {question: untimed(replies[question]) for question in questions}


def test_an_index_just_opened_can_be_asked_by_two_threads(bread_store: EdgeStore, embedder: OnnxEmbedder) -> None:
    together = Barrier(2)
    with contextlib.closing(CourseIndex(bread_store, embedder)) as index, ThreadPoolExecutor(2) as pool:

        def ask_when_both_are_ready(question: str) -> Answer:
            together.wait(timeout=20)
            return ask(index, question)

        gluten, steam = pool.map(ask_when_both_are_ready, ("What is gluten made of?", "Why does bread need steam?"))
    assert (lessons_of(gluten)[0], lessons_of(steam)[0]) == (1, 4)


def test_a_lesson_filter_limits_what_is_quoted_and_read_next(shipped: CourseIndex) -> None:
    answer = ask(shipped, "What does a majority of nodes decide?", where=Where(lesson_ids=("consensus", "cap-theorem")))
    assert answer.citations
    assert set(lessons_of(answer)) | {entry.lesson for entry in answer.related} <= {10, 14}


def test_timings_add_up(shipped: CourseIndex) -> None:
    timings = ask(shipped, COMMIT).timings_ms
    assert timings.keys() == {"embed", "search", "write", "total"}
    assert timings["embed"] + timings["search"] + timings["write"] == pytest.approx(timings["total"], abs=0.05)
    assert min(timings.values()) > 0


# Declined


@pytest.mark.parametrize("question", FAR)
def test_a_declined_question_cites_nothing_and_names_the_nearest_lessons(shipped: CourseIndex, question: str) -> None:
    answer = ask(shipped, question)
    assert (answer.refused, answer.reason, answer.citations, answer.unsupported) == (True, "not_covered", (), ())
    assert _MARK.findall(answer.answer) == []
    assert len(answer.related) == 3
    for entry in answer.related:
        assert (f"lesson {entry.lesson}, *{entry.title}*" if entry.lesson else f"*{entry.title}*") in answer.answer


def test_a_declined_question_gets_no_hint_either(shipped: CourseIndex) -> None:
    assert untimed(ask(shipped, FAR[0], mode="hint")) == untimed(ask(shipped, FAR[0]))


def test_a_declined_question_limited_to_one_lesson_names_that_one(shipped: CourseIndex) -> None:
    answer = ask(shipped, FAR[0], where=Where(lesson_ids=("consensus",)))
    assert (answer.refused, [entry.lesson for entry in answer.related]) == (True, [14])


@pytest.mark.parametrize("question", ["???", "\u200b", "\U0001f600\U0001f600", "the of and", "x" * 4_000])
def test_a_question_that_says_nothing_is_not_answered(shipped: CourseIndex, question: str) -> None:
    with contextlib.suppress(QuestionError):
        assert ask(shipped, question).refused


@pytest.mark.parametrize("question", ["", " \n", "\0"])
def test_an_empty_question_is_an_error_whatever_was_said_before(shipped: CourseIndex, question: str) -> None:
    with pytest.raises(QuestionError, match="the question is empty"):
        ask(shipped, question, AFTER_COMMIT)


# Hints


def test_a_hint_names_section_and_lesson(shipped: CourseIndex) -> None:
    lead, hint = ask(shipped, COMMIT).citations[0], ask(shipped, COMMIT, mode="hint")
    assert f"lesson {lead.lesson}, *{lead.title}*, under **{lead.section}**" in hint.answer
    assert (hint.refused, hint.citations) == (False, ())
    assert (hint.related[0].lesson_id, hint.related[0].anchor) == (lead.lesson_id, lead.anchor)


def test_a_hint_quotes_nothing(shipped: CourseIndex, replies: dict[str, Answer]) -> None:
    for question, answer in list(replies.items())[::10]:
        hint = ask(shipped, question, mode="hint")
        words = [plain(citation.quote).split() for citation in answer.citations]
        runs = {" ".join(quote[place : place + 6]) for quote in words for place in range(len(quote) - 5)}
        assert {run for run in runs if run in hint.answer} == set()
        assert _MARK.findall(hint.answer) == []


def test_a_hint_does_not_ask_the_question_back(shipped: CourseIndex, replies: dict[str, Answer]) -> None:
    for question in list(replies)[::10]:
        assert f"*{question}*" not in ask(shipped, question, mode="hint").answer


# Conversation


@pytest.mark.parametrize("follow_up", ["and what does it cost?", "and when should I not use it?", "why?", "an example?"])
def test_a_follow_up_stays_in_the_lesson_of_the_question_before(shipped: CourseIndex, follow_up: str) -> None:
    answer = ask(shipped, follow_up, AFTER_COMMIT)
    assert not answer.refused
    assert lessons_of(answer)[0] == 15
    assert ask(shipped, follow_up).citations != answer.citations


def test_a_second_follow_up_still_has_the_subject(shipped: CourseIndex) -> None:
    history = [*AFTER_COMMIT, Turn("user", "and what does it cost?"), Turn("assistant", "Two round trips.")]
    assert lessons_of(ask(shipped, "and what do I use instead?", history))[0] == 15


def test_a_question_that_stands_alone_is_answered_as_if_nothing_had_been_said(shipped: CourseIndex) -> None:
    question = "How do I write an architectural decision record?"
    assert untimed(ask(shipped, question, AFTER_COMMIT)) == untimed(ask(shipped, question))


@pytest.mark.parametrize(
    ("question", "lesson"),
    [
        ("When should I use the C4 model?", 3),
        ("when does CAP matter?", 10),
        ("Is there a limit to what one server can handle?", 6),
        ("What is the pattern that prevents duplicate charges?", 16),
        ("Which ADR template is good?", 4),
        ("What is PACELC?", 11),
    ],
)
def test_a_new_subject_is_answered_from_its_own_lesson(shipped: CourseIndex, question: str, lesson: int) -> None:
    assert lesson in lessons_of(ask(shipped, question, AFTER_COMMIT))[:2]


@pytest.mark.parametrize("question", FAR)
def test_a_far_question_is_declined_whatever_was_asked_before(shipped: CourseIndex, question: str) -> None:
    answer = ask(shipped, question, AFTER_COMMIT)
    assert (answer.refused, answer.citations) == (True, ())


def test_a_follow_up_may_be_as_long_as_any_question(shipped: CourseIndex) -> None:
    follow_up = ("and what does it cost when the coordinator fails? " * 100)[:4_000].strip()
    assert lessons_of(ask(shipped, follow_up, AFTER_COMMIT))[0] == 15


# How passages are written down


def test_sentences_are_paragraphs_and_items_that_follow_each_other_a_list() -> None:
    passages = [
        passage("sentence", "One.", "Two."),
        passage("item", "Three"),
        passage("item", "Four"),
        passage("sentence", "Five."),
    ]
    assert write_answer(passages) == "One. Two. [1]\n\n- Three [2]\n- Four [3]\n\nFive. [4]"


def test_an_item_alone_is_a_paragraph() -> None:
    assert write_answer([passage("item", "Three"), passage("sentence", "Five.")]) == "Three [1]\n\nFive. [2]"


def test_a_row_is_its_first_cell_and_the_others_under_their_titles() -> None:
    written = "**Flat and wide.** *Likely cause:* Overproofed. *Fix:* Shorten the rise! [1]"
    assert write_answer([row("Flat and wide", "Overproofed", "Shorten the rise!")]) == written


def test_an_empty_cell_of_a_row_is_left_out() -> None:
    assert write_answer([row("Flat", "", "Shorter rise")]) == "**Flat.** *Fix:* Shorter rise. [1]"


def test_a_row_without_a_first_cell_keeps_the_titles_of_the_others() -> None:
    assert "*Likely cause:* Overproofed. *Fix:* Shorter rise." in write_answer([row("", "Overproofed", "Shorter rise")])


def test_rows_that_follow_each_other_make_a_list() -> None:
    written = write_answer([row("Flat", "Old", "New"), row("Pale", "Cool", "Hot"), passage("item", "Wait")])
    assert written.splitlines()[:2] == [
        "- **Flat.** *Likely cause:* Old. *Fix:* New. [1]",
        "- **Pale.** *Likely cause:* Cool. *Fix:* Hot. [2]",
    ]


def test_a_row_of_a_lesson_is_read_out_and_quoted_raw(bread: CourseIndex) -> None:
    answer = ask(bread, "Which flour protein for bagels?")
    assert "**Bread.** *Protein:* 12 to 14%. *Good for:* Hearth loaves, tin loaves, bagels." in paragraphs(answer)[0]
    assert answer.citations[0].quote == "| Bread | 12 to 14% | Hearth loaves, tin loaves, bagels |"


def test_a_blank_table_to_be_filled_in_is_no_crash(bread: CourseIndex) -> None:
    assert ask(bread, "Compare three mixers", where=Where(lesson_ids=("worksheet",))).citations == ()


def test_a_number_in_brackets_in_a_lesson_is_not_taken_for_a_mark(bread: CourseIndex) -> None:
    answer = ask(bread, "How long does vinegar on the crust keep mould away?")
    assert answer.citations[0].quote == VINEGAR
    assert [int(mark) for mark in _MARK.findall(answer.answer)] == [citation.n for citation in answer.citations]
