"""The shipped course keeps to its own standard: sections, sizes, front matter, links, facts with source and date."""

import re
from collections import Counter
from pathlib import Path

import pytest

from ingest.course import Lesson, read_course
from ingest.markdown import parse_blocks, plain
from ingest.sections import split_sections
from ingest.sentences import sentence_spans
from tutor.settings import SHIPPED_CORPUS

COURSE = read_course(SHIPPED_CORPUS)
LESSONS = [lesson for lesson in COURSE.lessons if lesson.kind == "lesson"]
SIZES = {
    "objectives": (40, 120),
    "short-answer": (60, 110),
    "idea": (120, 280),
    "how-it-works": (250, 650),
    "worked-example": (160, 400),
    "trade-offs": (120, 340),
    "when": (100, 300),
    "failure-modes": (150, 450),
    "real-case": (120, 340),
    "misreadings": (70, 240),
    "check-yourself": (130, 450),
    "key-terms": (50, 240),
    "further-reading": (40, 160),
}
"""Role -> words of its section, least and most."""

DIAGRAM = re.compile(r"```mermaid.*?```", re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.path)
each_text = pytest.mark.parametrize("lesson", COURSE.lessons, ids=lambda lesson: lesson.path)


def words(text: str) -> int:
    bare = re.sub(r"https?://\S+", "", DIAGRAM.sub("", text))
    return sum(bool(re.search(r"\w", word)) for word in bare.split())


def test_the_lessons_of_this_release_are_there() -> None:
    assert {lesson.number for lesson in LESSONS} >= {*range(1, 17), 26}
    assert "essay/the-80-percent-architecture" in {lesson.lesson_id for lesson in COURSE.lessons}
    assert COURSE.warnings == ()


@each_lesson
def test_a_lesson_is_what_the_contents_page_announces(lesson: Lesson) -> None:
    announced = {entry.id: (entry.number, entry.title, module.id) for module in COURSE.modules for entry in module.lessons}
    assert announced[lesson.lesson_id] == (lesson.number, lesson.title, lesson.module)
    assert Path(lesson.path).name == f"{lesson.number:02}-{lesson.lesson_id}.md"


@each_lesson
def test_a_lesson_has_every_section_in_order_and_of_the_right_size(lesson: Lesson) -> None:
    sections = {section.anchor: section for section in split_sections(lesson) if section.level == 2}
    assert list(sections) == list(SIZES)
    texts = {anchor: lesson.source[section.start : section.end] for anchor, section in sections.items()}
    sized = {anchor: words(text.partition("\n")[2]) for anchor, text in texts.items()}
    assert {anchor: count for anchor, count in sized.items() if not SIZES[anchor][0] <= count <= SIZES[anchor][1]} == {}
    assert 1_600 <= sum(sized.values()) <= 2_800


@each_text
def test_asks_are_enough_and_point_to_sections_and_prerequisites_exist(lesson: Lesson) -> None:
    anchors = {section.anchor for section in split_sections(lesson)}
    known = {planned.id for module in COURSE.modules for planned in module.lessons}
    assert 6 <= len(lesson.asks) <= 12
    assert {ask.section for ask in lesson.asks} <= anchors
    assert len({ask.q.lower() for ask in lesson.asks}) == len(lesson.asks)
    assert set(lesson.prerequisites) <= known - {lesson.lesson_id}


@each_text
def test_every_fact_has_section_source_date_address_and_mark(lesson: Lesson) -> None:
    anchors = {section.anchor for section in split_sections(lesson)}
    assert lesson.facts
    for fact in lesson.facts:
        assert fact.section in anchors, fact.id
        assert all((fact.claim, fact.published, fact.source, fact.url)), fact.id
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", fact.checked_on), fact.id
        assert fact.mark in {"V1", "V2"}, fact.id


@each_text
def test_links_between_lessons_lead_to_announced_lessons_and_to_sections_of_written_ones(lesson: Lesson) -> None:
    announced = {f"{planned.number:02}-{planned.id}.md" for module in COURSE.modules for planned in module.lessons}
    written = {Path(other.path).name: {section.anchor for section in split_sections(other)} for other in COURSE.lessons}
    for target in LINK.findall(lesson.source[lesson.body_start :]):
        name, _, anchor = target.partition("#")
        if "://" in target or not name:
            continue
        file = Path(name).name
        assert file in announced or file in written, f"{lesson.path} links to {target}"
        assert file not in written or not anchor or anchor in written[file], f"{lesson.path} links to {target}"


@each_text
def test_diagrams_have_words_beside_them_and_tables_a_sentence_before_them(lesson: Lesson) -> None:
    blocks = parse_blocks(lesson.source, lesson.body_start)
    for before, block, after in zip(blocks[:-2], blocks[1:-1], blocks[2:], strict=True):
        if block.form == "diagram":
            assert after.text.startswith("*Diagram in words:"), lesson.path
        if block.form == "header_row":
            assert before.form in {"paragraph", "item"}, f"{lesson.path}: table {block.text}"


def test_no_two_texts_share_a_sentence() -> None:
    sentences = Counter(
        plain(lesson.source[start:end]).lower()
        for lesson in COURSE.lessons
        for block in parse_blocks(lesson.source, lesson.body_start)
        if block.form in {"paragraph", "item"}
        for start, end in sentence_spans(lesson.source, block.content_start, block.end)
    )
    assert [sentence for sentence, count in sentences.items() if count > 1 and len(sentence.split()) >= 6] == []
