"""Lessons split into sections by heading, each with its trail of headings and an anchor that is unique in the file."""

import re
import unicodedata
from dataclasses import dataclass

from ingest.course import Lesson
from ingest.markdown import Block, parse_blocks

_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Section:
    """The text under one heading, up to the next heading of any level.

    ``trail`` are the titles of the headings it stands under, outermost first, its own last; ``anchors`` are theirs.
    ``start`` is the offset of the heading's line (or of the first block where a lesson begins without a heading),
    ``end`` that of the last character. ``blocks`` do not include the heading.
    """

    lesson_id: str
    path: str
    title: str
    anchor: str
    level: int
    trail: tuple[str, ...]
    anchors: tuple[str, ...]
    start: int
    end: int
    blocks: tuple[Block, ...]

    @property
    def key(self) -> str:
        """Names the section in the whole course."""
        return f"{self.path}#{self.anchor}"


def split_sections(lesson: Lesson) -> list[Section]:
    """Return the sections of ``lesson`` in order. A heading with no text of its own is a section without blocks."""
    taken: dict[str, int] = {}
    open_headings: list[tuple[int, str, str]] = []
    sections: list[Section] = []
    heading: Block | None = None
    held: list[Block] = []

    def close() -> None:
        if heading is None and not held:
            return
        first = heading or held[0]
        title = heading.text if heading else lesson.title
        anchor = open_headings[-1][2] if heading else _unique("top", taken)
        sections.append(
            Section(
                lesson_id=lesson.lesson_id,
                path=lesson.path,
                title=title,
                anchor=anchor,
                level=heading.level if heading else 0,
                trail=tuple(name for _, name, _ in open_headings) or (title,),
                anchors=tuple(name for _, _, name in open_headings) or (anchor,),
                start=first.start,
                end=held[-1].end if held else first.end,
                blocks=tuple(held),
            )
        )

    for block in parse_blocks(lesson.source, lesson.body_start):
        if block.form != "heading":
            held.append(block)
            continue
        close()
        heading, held = block, []
        while open_headings and open_headings[-1][0] >= block.level:
            open_headings.pop()
        open_headings.append((block.level, block.text, _unique(block.anchor or slug(block.text), taken)))
    close()
    return sections


def slug(title: str) -> str:
    """An anchor made from a heading as GitHub makes them: lower case, punctuation dropped, spaces to hyphens."""
    folded = unicodedata.normalize("NFKC", title).strip().lower()
    return _NOT_IN_SLUG.sub("", folded).replace(" ", "-") or "section"


def _unique(anchor: str, taken: dict[str, int]) -> str:
    count = taken.get(anchor, 0)
    taken[anchor] = count + 1
    return anchor if count == 0 else _unique(f"{anchor}-{count}", taken)
