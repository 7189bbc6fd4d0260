"""Lessons split into sections by heading, each with its trail of headings and an anchor that is unique in the file."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

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
    blocks = parse_blocks(lesson.source, lesson.body_start)
    anchors = _anchors(blocks)
    open_headings: list[Block] = []
    sections: list[Section] = []
    for group in _by_heading(blocks):
        if group[0].form == "heading":
            while open_headings and open_headings[-1].level >= group[0].level:
                open_headings.pop()
            open_headings.append(group[0])
        sections.append(_section(lesson, group, open_headings, anchors))
    return sections


def _by_heading(blocks: list[Block]) -> Iterator[list[Block]]:
    """Each heading with the blocks under it; the first group may lack a heading."""
    starts = [index for index, block in enumerate(blocks) if index == 0 or block.form == "heading"]
    for first, after in pairwise([*starts, len(blocks)]):
        yield blocks[first:after]


def _anchors(blocks: list[Block]) -> dict[int, str]:
    """Start of a section -> its anchor. Those an author has written come first, since links point to them."""
    taken: dict[str, int] = {}
    headings = [block for block in blocks if block.form == "heading"]
    anchors = {heading.start: _unique(heading.anchor, taken) for heading in headings if heading.anchor}
    if blocks and blocks[0].form != "heading":
        anchors[blocks[0].start] = _unique("top", taken)
    for heading in headings:
        if not heading.anchor:
            anchors[heading.start] = _unique(slug(heading.text), taken)
    return anchors


def _section(lesson: Lesson, group: list[Block], open_headings: list[Block], anchors: dict[int, str]) -> Section:
    first = group[0]
    is_headed = first.form == "heading"
    return Section(
        lesson_id=lesson.lesson_id,
        path=lesson.path,
        title=first.text if is_headed else lesson.title,
        anchor=anchors[first.start],
        level=first.level,
        trail=tuple(heading.text for heading in open_headings) or (lesson.title,),
        anchors=tuple(anchors[heading.start] for heading in open_headings) or (anchors[first.start],),
        start=first.start,
        end=group[-1].end,
        blocks=tuple(group[1:] if is_headed else group),
    )


def slug(title: str) -> str:
    """An anchor made from a heading as GitHub makes them: lower case, punctuation dropped, spaces to hyphens."""
    folded = unicodedata.normalize("NFKC", title).strip().lower()
    return _NOT_IN_SLUG.sub("", folded).replace(" ", "-") or "section"


def _unique(anchor: str, taken: dict[str, int]) -> str:
    count = taken.get(anchor, 0)
    taken[anchor] = count + 1
    return anchor if count == 0 else _unique(f"{anchor}-{count}", taken)
