"""A course taken apart: its sections, the chunks that will be searched, and the authors' questions with their sections."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ingest.chunks import Chunk, CountTokens, cut_chunks
from ingest.course import Course, Lesson
from ingest.errors import CourseError
from ingest.progress import Progress
from ingest.sections import Section, split_sections


@dataclass(frozen=True, slots=True)
class CutCourse:
    """A course taken apart, before any vector is made. ``sections`` are by the path of their lesson."""

    sections: dict[str, list[Section]]
    chunks: list[tuple[Lesson, Chunk]]
    asks: list[tuple[Lesson, str, Section]]


def cut_course(course: Course, count_tokens: CountTokens, progress: Progress) -> CutCourse:
    """Take ``course`` apart. Raises CourseError when a question points to a section that does not exist."""
    sections: dict[str, list[Section]] = {}
    chunks: list[tuple[Lesson, Chunk]] = []
    asks: list[tuple[Lesson, str, Section]] = []
    for done, lesson in enumerate(course.lessons, start=1):
        sections[lesson.path] = split_sections(lesson)
        for section in sections[lesson.path]:
            if not set(section.anchors) & set(course.not_searched):
                chunks += [(lesson, chunk) for chunk in cut_chunks(section, lesson.source, count_tokens)]
        asks += _asks(lesson, sections[lesson.path])
        progress("reading", done, len(course.lessons))
    return CutCourse(sections, chunks, asks)


def _asks(lesson: Lesson, sections: Sequence[Section]) -> Iterable[tuple[Lesson, str, Section]]:
    by_anchor = {section.anchor: section for section in sections}
    for ask in lesson.asks:
        if ask.section not in by_anchor:
            line = lesson.source[: max(lesson.source.find(ask.q), 0)].count("\n") + 1
            raise CourseError(
                f"{lesson.path}:{line}: the question '{ask.q}' points to '#{ask.section}', which is no section",
                f"Sections of this lesson: {', '.join(by_anchor)}",
            )
        yield lesson, ask.q, by_anchor[ask.section]
