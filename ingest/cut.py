"""A course taken apart: its sections, the chunks that will be searched, and the authors' questions with their sections."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat

from ingest.chunks import Chunk, CountTokens, cut_chunks
from ingest.course import Course, Lesson, joined
from ingest.errors import CourseError
from ingest.front_matter import ask_lines
from ingest.progress import Progress
from ingest.sections import Section, split_sections


@dataclass(frozen=True, slots=True)
class CutCourse:
    """A course taken apart, before any vector is made. ``sections`` are by the path of their lesson."""

    sections: dict[str, list[Section]]
    chunks: list[tuple[Lesson, Chunk]]
    asks: list[tuple[Lesson, str, Section]]


def cut_course(course: Course, count_tokens: CountTokens, progress: Progress) -> CutCourse:
    """Take ``course`` apart. Raises CourseError naming every question that points to a section that does not exist."""
    sections: dict[str, list[Section]] = {}
    chunks: list[tuple[Lesson, Chunk]] = []
    asks: list[tuple[Lesson, str, Section]] = []
    faults: list[CourseError] = []
    for done, lesson in enumerate(course.lessons, start=1):
        sections[lesson.path] = split_sections(lesson)
        for section in sections[lesson.path]:
            if not set(section.anchors) & set(course.not_searched):
                chunks += [(lesson, chunk) for chunk in cut_chunks(section, lesson.source, count_tokens)]
        by_anchor = {section.anchor: section for section in sections[lesson.path]}
        asks += [(lesson, ask.q, by_anchor[ask.section]) for ask in lesson.asks if ask.section in by_anchor]
        faults += _asks_that_point_nowhere(lesson, list(by_anchor))
        progress("reading", done, len(course.lessons))
    if faults:
        raise joined(faults)
    return CutCourse(sections, chunks, asks)


def _asks_that_point_nowhere(lesson: Lesson, anchors: Sequence[str]) -> list[CourseError]:
    if all(ask.section in anchors for ask in lesson.asks):
        return []
    return [
        CourseError(
            f"{lesson.path}:{line}: the question '{ask.q}' points to '#{ask.section}', which is no section",
            f"Sections of this lesson: {', '.join(anchors)}",
        )
        for line, ask in zip(chain(ask_lines(lesson.source), repeat(1)), lesson.asks, strict=False)
        if ask.section not in anchors
    ]
