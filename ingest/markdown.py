"""Markdown parsed into blocks that know where they stand in the file.

markdown-it does the parsing (CommonMark with tables) and reports lines; this file turns lines into character offsets of
the untouched source. Every non-blank line of the text belongs to exactly one block: what the parser leaves no token
for (link definitions, for example) becomes a block of form "other".
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

Form = Literal["heading", "paragraph", "item", "header_row", "row", "code", "diagram", "question", "html", "other"]
"""What a block is. ``question`` is one <details> element: a question folded over its answer."""

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|\Z)")
_ANCHOR = re.compile(r"[ \t]*\{#([^\s{}]+)\}[ \t]*$")
_DETAILS = re.compile(r"<details\b", re.IGNORECASE)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG = re.compile(r"<[/!?]?[A-Za-z][^<>]*>")
_MARKS_ONLY = " \t\r\n>-*+|_"
"""What thematic breaks, empty items and empty quotations are made of; a gap of nothing else holds no text."""

_NESTING = 100
"""Levels the parser follows, two to a list. Its own 20 loses the text after a deep list; 400 exhausts Python's stack."""

_PARSER = MarkdownIt("commonmark", {"maxNesting": _NESTING}).enable(["table", "strikethrough"])


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a lesson that is never split by its neighbours.

    ``start`` and ``end`` are offsets of whole lines, without the last line's newline; ``content_start`` is where the
    text begins after a list marker. ``level`` and ``anchor`` belong to headings, ``cells`` to table rows and
    ``header`` holds the column titles of the table that a row is in. ``shown``, of the forms that may be cut where they
    are too long, is ``source[start:end]`` with blanks in place of what no reader sees (marks of lists and quotations,
    comments, the tags of an HTML block), so that any part of it can be read without them.
    """

    form: Form
    start: int
    end: int
    content_start: int
    text: str
    level: int = 0
    anchor: str = ""
    cells: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    shown: str = ""


def parse_blocks(source: str, body_start: int) -> list[Block]:
    """Return the blocks of ``source[body_start:]`` in order; offsets are into ``source``."""
    lines = _Lines(source, body_start)
    tokens = _PARSER.parse(source[body_start:])
    blocks = sorted(_walk(tokens, lines), key=lambda block: block.start)
    return _fill_gaps(blocks, lines)


def plain(text: str) -> str:
    """Inline Markdown as a reader sees it, on one line: no emphasis, link targets or tags; code keeps its ticks."""
    out: list[str] = []
    for token in _PARSER.parseInline(text):
        for child in token.children or ():
            if child.type == "text":
                out.append(child.content)
            elif child.type == "code_inline":
                out.append(f"`{child.content}`")
            elif child.type in {"softbreak", "hardbreak"} or child.content.lower().startswith("<br"):
                out.append(" ")
            elif child.type == "image":
                out.append(child.content)
    return " ".join("".join(out).split())


class _Lines:
    """The line table of a text: the parser's line numbers to offsets."""

    def __init__(self, source: str, body_start: int) -> None:
        self.source = source
        self.starts: list[int] = []
        for match in _LINE.finditer(source, body_start):
            if match.start() < len(source) or not self.starts:
                self.starts.append(match.start())
        self.end = len(source)

    def span(self, first: int, after: int) -> tuple[int, int]:
        """Offsets of lines ``first`` up to, not including, ``after``; blank lines and newlines at the end left off."""
        start = self.starts[first]
        stop = self.starts[after] if after < len(self.starts) else self.end
        return start, start + len(self.source[start:stop].rstrip())

    def line_of(self, offset: int) -> int:
        return bisect_right(self.starts, offset) - 1


def _walk(tokens: list[Token], lines: _Lines) -> Iterator[Block]:
    header: tuple[str, ...] = ()
    items = 0
    for index, token in enumerate(tokens):
        if token.type == "list_item_open":
            items += 1
        elif token.type == "list_item_close":
            items -= 1
        elif token.type == "heading_open":
            yield _heading(token, tokens[index + 1], lines)
        elif token.type == "paragraph_open":
            yield _paragraph(token, tokens[index + 1], lines, "item" if items else "paragraph")
        elif token.type == "tr_open":
            cells = _cells(tokens, index)
            if tokens[index + 1].type == "th_open":
                header = cells
            yield _row(token, cells, header, lines, is_header=tokens[index + 1].type == "th_open")
        elif token.type in {"fence", "code_block"}:
            form: Form = "diagram" if token.info.strip().lower().startswith("mermaid") else "code"
            yield _whole(token, lines, form, token.content.rstrip())
        elif token.type == "html_block":
            yield from _html(token, lines)


def _map(token: Token) -> tuple[int, int]:
    assert token.map is not None, f"markdown-it gives every {token.type} its lines"
    return token.map[0], token.map[1]


def _heading(token: Token, inline: Token, lines: _Lines) -> Block:
    start, end = lines.span(*_map(token))
    anchor = _ANCHOR.search(inline.content)
    title = inline.content[: anchor.start()] if anchor else inline.content
    return Block("heading", start, end, start, plain(title), int(token.tag[1]), anchor.group(1) if anchor else "")


def _paragraph(token: Token, inline: Token, lines: _Lines, form: Form) -> Block:
    start, end = lines.span(*_map(token))
    shown = _placed(inline.content, lines.source[start:end])
    content_start = start + len(shown) - len(shown.lstrip())
    return Block(form, start, end, content_start, inline.content, shown=shown)


def _placed(content: str, raw: str) -> str:
    """``content``, as the parser took it from the lines of ``raw``, with each line at its place there and blanks before it.

    The parser takes marks off the beginning of a line and blanks off both ends, so a line's text ends where the line does.
    """
    raw_lines = [line for line in _LINE.findall(raw) if line]
    placed = []
    for line, text in zip_longest(reversed(raw_lines), reversed(content.split("\n")), fillvalue=""):
        first = max(len(line.rstrip()) - len(text.strip()), 0)
        placed.append(" " * first + line[first:])
    return "".join(reversed(placed))


def _blanks(match: re.Match[str]) -> str:
    return " " * len(match.group())


def _cells(tokens: list[Token], row: int) -> tuple[str, ...]:
    cells = []
    for token in tokens[row + 1 :]:
        if token.type == "tr_close":
            break
        if token.type == "inline":
            cells.append(plain(token.content))
    return tuple(cells)


def _row(token: Token, cells: tuple[str, ...], header: tuple[str, ...], lines: _Lines, *, is_header: bool) -> Block:
    first, after = _map(token)
    if is_header:
        after += 1  # The |---|---| line belongs to the header.
    start, end = lines.span(first, after)
    text = " | ".join(cells)
    return Block("header_row" if is_header else "row", start, end, start, text, cells=cells, header=header)


def _whole(token: Token, lines: _Lines, form: Form, text: str) -> Block:
    start, end = lines.span(*_map(token))
    return Block(form, start, end, start, text)


def _html(token: Token, lines: _Lines) -> Iterator[Block]:
    """One block of HTML; where it holds folded questions, a block for each."""
    start, end = lines.span(*_map(token))
    raw = lines.source[start:end]
    uncommented = _COMMENT.sub(_blanks, _placed(token.content.rstrip(), raw))
    cuts = [0, *(match.start() for match in _DETAILS.finditer(uncommented) if match.start() > 0), len(raw)]
    for first, after in pairwise(cuts):
        form: Form = "question" if _DETAILS.match(uncommented, first) else "html"
        stop = first + len(raw[first:after].rstrip())
        shown = _TAG.sub(_blanks, uncommented[first:stop])
        if stop > first:
            yield Block(form, start + first, start + stop, start + first, " ".join(shown.split()), shown=shown)


def _fill_gaps(blocks: list[Block], lines: _Lines) -> list[Block]:
    """Add a block for each run of non-blank text that no token covers, so that nothing is lost."""
    filled: list[Block] = []
    reached = lines.starts[0]
    for block in [*blocks, None]:
        stop = block.start if block else lines.end
        gap = lines.source[reached:stop]
        if gap.strip(_MARKS_ONLY):
            start = reached + len(gap) - len(gap.lstrip())
            text = gap.strip()
            filled.append(Block("other", start, start + len(text), start, text, shown=text))
        if block:
            filled.append(block)
            reached = max(reached, block.end)
    return filled
