"""A lesson as HTML parts: headings with anchors, a quotation marked where it stands, diagrams set apart to be drawn.

The marks are put into the Markdown as two rare punctuation characters before it is parsed and become <mark> tags after,
closed and reopened around whatever tags the parser put between them, so a quotation may run across bold words, list
items or table cells.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tutor.course_index import LessonEntry

_OPEN, _CLOSE = "\u2e0f", "\u2e0e"
_ANCHOR = re.compile(r"[ \t]*\{#[^\s{}]+\}[ \t]*$", re.MULTILINE)
_MARKED = re.compile(f"{_OPEN}(.*?){_CLOSE}", re.DOTALL)
_TAG = re.compile(r"(<[^<>]+>)")
_LESSON_LINK = re.compile(r"(?:\.\./)?(?:lessons/|essays/)?([\w-]+\.md)(#[\w-]+)?$")


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of the page: HTML, or the source of a diagram to draw."""

    kind: Literal["html", "diagram"]
    text: str


def render_lesson(
    lesson: LessonEntry, source: str, addresses: dict[str, str], quote: tuple[int, int] | None = None
) -> list[Part]:
    """The lesson's parts in order. ``addresses`` maps the path of a lesson to its page's address; ``quote`` is a span."""
    body = _mark(source, quote)[lesson.body_start :]
    tokens = _parser().parse(body)
    anchors = iter(section.anchor for section in lesson.sections if section.level)
    parts: list[Part] = []
    held: list[Token] = []
    for token in tokens:
        if token.type == "heading_open":
            token.attrSet("id", next(anchors, ""))
        if token.type == "inline":
            _adjust(token, lesson.path, addresses)
        if token.type == "fence" and token.info.strip().lower().startswith("mermaid"):
            parts += [Part("html", _html(held)), Part("diagram", token.content)]
            held = []
        else:
            held.append(token)
    parts.append(Part("html", _html(held)))
    return [part for part in parts if part.text.strip()]


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _mark(source: str, quote: tuple[int, int] | None) -> str:
    """Put the two marks around the quotation; inside the outer bars of a table row, which must stay where they are."""
    if not quote or not 0 <= quote[0] < quote[1] <= len(source):
        return source
    start, end = quote
    if source[start] == "|":
        start += 1
    if source[end - 1] == "|":
        end -= 1
    return f"{source[:start]}{_OPEN}{source[start:end]}{_CLOSE}{source[end:]}"


def _adjust(token: Token, path: str, addresses: dict[str, str]) -> None:
    """Drop the {#anchor} of headings, and turn links between lesson files into links between pages."""
    for child in token.children or ():
        if child.type == "text":
            child.content = _ANCHOR.sub("", child.content)
        elif child.type == "link_open":
            target = str(child.attrGet("href") or "")
            child.attrSet("href", _address(target, path, addresses))
            if not target.startswith("#") and "://" in target:
                child.attrSet("target", "_blank")
                child.attrSet("rel", "noopener")


def _address(target: str, path: str, addresses: dict[str, str]) -> str:
    found = _LESSON_LINK.match(target)
    if not found:
        return target
    folder = path.rpartition("/")[0]
    names = (f"{folder}/{found[1]}", f"lessons/{found[1]}", f"essays/{found[1]}", found[1])
    address = next((addresses[name] for name in names if name in addresses), None)
    return f"{address}{found[2] or ''}" if address else "#not-written-yet"


def _html(tokens: list[Token]) -> str:
    parser = _parser()
    text = parser.renderer.render(tokens, parser.options, {})
    text = re.sub(r"<table>(.*?)</table>", r'<div class="table"><table>\1</table></div>', str(text), flags=re.DOTALL)
    return _show_marks(text)


def _show_marks(text: str) -> str:
    """Turn the two characters into <mark> around every run of text between them; only the first carries the id."""
    count = 0

    def run(piece: str) -> str:
        nonlocal count
        if not piece.strip() or piece.startswith("<"):
            return piece
        count += 1
        identity = ' id="quote"' if count == 1 else ""
        return f"<mark{identity}>{piece}</mark>"

    def marked(match: re.Match[str]) -> str:
        return "".join(run(piece) for piece in _TAG.split(match[1]))

    return _MARKED.sub(marked, text).replace(_OPEN, "").replace(_CLOSE, "")
