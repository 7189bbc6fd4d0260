"""Sections cut into chunks for search, and chunks into units for quoting.

A chunk is a run of neighbouring blocks of one section that fits the embedder: its size is counted with the embedder's
own tokenizer, because text beyond the model's limit is silently ignored. Blocks are kept whole (a table row, a list item,
a code block); only running text too long for one chunk is cut: between sentences, a longer sentence between words, a longer
word between characters. What is embedded is not the raw text but its plain reading under the trail of headings, with each
table row read out under the titles of its columns, so that a row found alone still says what it is about; diagram code is
left to its text alternative.

A unit is what an answer may quote: a sentence, a list item or a table row that lies whole in one chunk.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from ingest.markdown import Block, plain
from ingest.sections import Section
from ingest.sentences import sentence_spans

CHUNKER_VERSION = "2"
"""Raised whenever the same lessons would be cut differently, so that an old index is not taken for a new one."""

CHUNK_TOKENS = 200
"""Upper size of a chunk with its heading trail. Chosen on the tuning half of the cases; see evals/LOG.md."""

_ITEM_QUOTED_WHOLE_WORDS = 70
"""A list item up to this length is quoted whole, since its sentences lean on each other; a longer one by sentence."""

_QUOTED_WORDS = 120
_QUOTED_CHARACTERS = 1_000
"""What is longer than either is found and read but not quoted: nobody checks a claim against a quotation of that size."""

_WORD = re.compile(r"\S+")
_ZERO_WIDTH_JOINER = "\u200d"
_SKIN_TONES = "🏻🏼🏽🏾🏿"

CountTokens = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Unit:
    """A piece of a chunk that may be quoted alone.

    ``source[start:end]`` is the quote; ``text`` is its plain reading; ``spoken`` is what is embedded (a table row with
    the titles of its columns). ``form`` is sentence, item or row; ``paragraph`` numbers the block within the section,
    so that two sentences of one paragraph are known as neighbours.
    """

    form: str
    start: int
    end: int
    text: str
    spoken: str
    paragraph: int
    cells: tuple[str, ...] = ()
    header: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A searchable piece of a section: ``text == source[start:end]``; ``embedded`` is what the models read."""

    section: Section
    ordinal: int
    start: int
    end: int
    text: str
    embedded: str
    units: tuple[Unit, ...]

    @property
    def chunk_id(self) -> str:
        """Names the chunk in the whole course; the same text at the same place has the same id."""
        digest = hashlib.sha256(f"{self.section.key}\0{self.start}\0{self.embedded}".encode()).hexdigest()
        return f"{self.section.key}:{self.ordinal}:{digest[:12]}"


@dataclass(frozen=True, slots=True)
class _Piece:
    """A block, or a part of a paragraph that was too long, on its way into a chunk."""

    block: Block
    start: int
    end: int
    spoken: str
    units: tuple[Unit, ...]


def cut_chunks(section: Section, source: str, count_tokens: CountTokens, limit_tokens: int = CHUNK_TOKENS) -> list[Chunk]:
    """Return the chunks of ``section``; every non-blank line of its blocks is in one of them."""
    prefix = _prefix(section.trail, count_tokens, limit_tokens // 3)
    room = limit_tokens - count_tokens(prefix)
    chunks: list[Chunk] = []
    held: list[_Piece] = []
    size = 0

    def close() -> None:
        if held:
            chunks.append(_chunk(section, len(chunks), held, source, prefix))

    for piece in _pieces(section, source, count_tokens, room):
        cost = count_tokens(piece.spoken)
        if held and size + cost > room:
            close()
            held, size = [], 0
        held.append(piece)
        size += cost
    close()
    return chunks


def _prefix(trail: tuple[str, ...], count_tokens: CountTokens, most_tokens: int) -> str:
    """The trail of headings; where it would crowd out the text, its inner end."""
    for first in range(len(trail)):
        prefix = " > ".join(trail[first:])
        if count_tokens(prefix) <= most_tokens:
            return prefix
    return trail[-1][: _cut_places(trail[-1], count_tokens, most_tokens)[0]]


def _chunk(section: Section, ordinal: int, pieces: list[_Piece], source: str, prefix: str) -> Chunk:
    start, end = pieces[0].start, pieces[-1].end
    spoken = "\n".join(piece.spoken for piece in pieces if piece.spoken)
    return Chunk(
        section=section,
        ordinal=ordinal,
        start=start,
        end=end,
        text=source[start:end],
        embedded=f"{prefix}\n{spoken}",
        units=tuple(unit for piece in pieces for unit in piece.units),
    )


def _pieces(section: Section, source: str, count_tokens: CountTokens, room: int) -> Iterator[_Piece]:
    for number, block in enumerate(section.blocks):
        piece = _piece(number, block, source)
        if block.shown and count_tokens(piece.spoken) > room:
            yield from _split(piece, number, source, count_tokens, room)
        else:
            yield piece


def _piece(number: int, block: Block, source: str) -> _Piece:
    spoken = _spoken(block)
    units = () if _is_caption(block) else tuple(filter(_may_be_quoted, _units(number, block, source, spoken)))
    return _Piece(block, block.start, block.end, spoken, units)


def _spoken(block: Block) -> str:
    if block.form in {"diagram", "header_row"}:
        return ""
    if block.form == "row":
        return _row_read_out(block)
    if block.form in {"paragraph", "item"}:
        return plain(block.shown)
    return " ".join(block.shown.split()) if block.shown else block.text


def _row_read_out(block: Block) -> str:
    pairs = zip(block.header, block.cells, strict=False)
    return "; ".join(f"{title}: {cell}" if title else cell for title, cell in pairs if cell)


def _is_caption(block: Block) -> bool:
    """A paragraph all in emphasis: the words under a diagram, which say little without it."""
    text = block.text.strip()
    return len(text) > 2 and text[0] == text[-1] == "*" and text[1] != "*" and "*" not in text[1:-1]


def _units(number: int, block: Block, source: str, spoken: str) -> Iterator[Unit]:
    if block.form == "row":
        raw = source[block.start : block.end]
        start = block.start + len(raw) - len(raw.lstrip("> \t"))
        yield Unit("row", start, block.end, block.text, spoken, number, block.cells, block.header)
    elif block.form == "item" and len(spoken.split()) <= _ITEM_QUOTED_WHOLE_WORDS:
        yield Unit("item", block.content_start, block.end, spoken, spoken, number)
    elif block.form in {"paragraph", "item"}:
        yield from _sentences(number, block)


def _sentences(number: int, block: Block) -> Iterator[Unit]:
    for first, after in sentence_spans(block.shown, 0, len(block.shown)):
        text = plain(block.shown[first:after]).strip("*")  # Emphasis over several sentences leaves a mark at either end.
        yield Unit("sentence", block.start + first, block.start + after, text, text, number)


def _may_be_quoted(unit: Unit) -> bool:
    """It says something (a picture does not, nor an empty row or "!") and is short enough to be checked at a glance."""
    is_short = len(unit.text.split()) <= _QUOTED_WORDS and unit.end - unit.start <= _QUOTED_CHARACTERS
    return is_short and any(character.isalnum() or unicodedata.category(character) == "So" for character in unit.text)


def _split(piece: _Piece, number: int, source: str, count_tokens: CountTokens, room: int) -> Iterator[_Piece]:
    """Cut a block that is too long into parts; a sentence that was itself cut is no unit of either part."""
    block = piece.block
    sentences = [unit for unit in _sentences(number, block) if _may_be_quoted(unit)] if piece.units else []
    for first, after in pairwise([0, *_cut_places(block.shown, count_tokens, room)]):
        raw = source[block.start + first : block.start + after]
        start, end = block.start + after - len(raw.lstrip()), block.start + after
        shown = block.shown[start - block.start : after]
        part = replace(block, start=start, end=end, content_start=max(start, block.content_start), shown=shown)
        units = tuple(unit for unit in sentences if start <= unit.start and unit.end <= end)
        yield _Piece(part, start, end, _spoken(part), units)


def _cut_places(text: str, count_tokens: CountTokens, room: int) -> list[int]:
    """Where the parts of ``text`` end, each of at most ``room`` tokens (a part is never less than one character)."""
    places: list[int] = []
    size = reached = 0
    for end, tokens in _steps(text, count_tokens, room):
        if size and size + tokens > room:
            places.append(reached)
            size = 0
        size += tokens
        reached = end
    return [*places, len(text)]


def _steps(text: str, count_tokens: CountTokens, room: int) -> Iterator[tuple[int, int]]:
    """End and size in tokens of each sentence; of its words where the sentence is over ``room``, and so on."""
    for start, end in sentence_spans(text, 0, len(text)):
        tokens = count_tokens(text[start:end])
        if tokens <= room:
            yield end, tokens
            continue
        for word in _WORD.finditer(text, start, end):
            tokens = count_tokens(word.group())
            if tokens <= room:
                yield word.end(), tokens
            else:
                yield from _letters(word.group(), word.start(), count_tokens)


def _letters(word: str, start: int, count_tokens: CountTokens) -> Iterator[tuple[int, int]]:
    """End and size of each character of ``word`` as a reader counts them, accents and joined emoji included."""
    first = 0
    for after in range(1, len(word) + 1):
        if after == len(word) or not _is_joined(word[after - 1], word[after]):
            yield start + after, count_tokens(word[first:after])
            first = after


def _is_joined(before: str, after: str) -> bool:
    """``after`` is a mark on the letter before it, a part of its emoji, or invisible."""
    return before == _ZERO_WIDTH_JOINER or after in _SKIN_TONES or unicodedata.category(after) in {"Mn", "Mc", "Me", "Cf"}
