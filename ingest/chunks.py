"""Sections cut into chunks for search, and chunks into units for quoting.

A chunk is a run of neighbouring blocks of one section that fits the embedder: its size is counted with the embedder's
own tokenizer, because text beyond the model's limit is silently ignored. Blocks are kept whole (a table row, a list item,
a code block); only a paragraph too long for one chunk is cut, between sentences. What is embedded is not the raw text
but its plain reading under the trail of headings, with each table row read out under the titles of its columns, so that
a row found alone still says what it is about; diagram code is left to its text alternative.

A unit is what an answer may quote: a sentence, a list item or a table row.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from ingest.markdown import Block, plain
from ingest.sections import Section
from ingest.sentences import sentence_spans

CHUNKER_VERSION = "1"
"""Raised whenever the same lessons would be cut differently, so that an old index is not taken for a new one."""

CHUNK_TOKENS = 200
"""Upper size of a chunk with its heading trail. Chosen on the tuning half of the cases; see evals/LOG.md."""

_ITEM_QUOTED_WHOLE_WORDS = 70
"""A list item up to this length is quoted whole, since its sentences lean on each other; a longer one by sentence."""

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
    prefix = " > ".join(section.trail)
    room = max(limit_tokens - count_tokens(prefix), limit_tokens // 2)
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
        if block.form in {"paragraph", "item", "other", "question", "html"} and count_tokens(piece.spoken) > room:
            yield from _split(piece, number, source, count_tokens, room)
        else:
            yield piece


def _piece(number: int, block: Block, source: str) -> _Piece:
    spoken = _spoken(block)
    return _Piece(block, block.start, block.end, spoken, tuple(_units(number, block, source, spoken)))


def _spoken(block: Block) -> str:
    if block.form in {"diagram", "header_row"}:
        return ""
    if block.form == "row":
        return _row_read_out(block)
    if block.form in {"paragraph", "item"}:
        return plain(block.text)
    return block.text


def _row_read_out(block: Block) -> str:
    pairs = zip(block.header, block.cells, strict=False)
    return "; ".join(f"{title}: {cell}" if title else cell for title, cell in pairs if cell)


def _is_caption(block: Block) -> bool:
    """A paragraph all in emphasis: the words under a diagram, which say little without it."""
    text = block.text.strip()
    return len(text) > 2 and text[0] == text[-1] == "*" and text[1] != "*" and "*" not in text[1:-1]


def _units(number: int, block: Block, source: str, spoken: str) -> Iterator[Unit]:
    if _is_caption(block):
        return
    if block.form == "row":
        start = block.start + len(source[block.start : block.end]) - len(source[block.start : block.end].lstrip())
        yield Unit("row", start, block.end, block.text, spoken, number, block.cells, block.header)
    elif block.form == "item" and len(spoken.split()) <= _ITEM_QUOTED_WHOLE_WORDS:
        yield Unit("item", block.content_start, block.end, spoken, spoken, number)
    elif block.form in {"paragraph", "item"}:
        for start, end in sentence_spans(source, block.content_start, block.end):
            text = plain(source[start:end]).strip("*")  # Emphasis over several sentences leaves a mark at either end.
            if text:
                yield Unit("sentence", start, end, text, text, number)


def _split(piece: _Piece, number: int, source: str, count_tokens: CountTokens, room: int) -> Iterator[_Piece]:
    """Cut a block that is too long between sentences; a single sentence that is too long, between words."""
    held: list[tuple[int, int]] = []
    size = 0
    for start, end in _bounded(piece, source, count_tokens, room):
        cost = count_tokens(source[start:end])
        if held and size + cost > room:
            yield _part(piece, held[0][0], held[-1][1], number, source)
            held, size = [], 0
        held.append((start, end))
        size += cost
    if held:
        yield _part(piece, held[0][0], held[-1][1], number, source)


def _bounded(piece: _Piece, source: str, count_tokens: CountTokens, room: int) -> Iterator[tuple[int, int]]:
    for start, end in sentence_spans(source, piece.start, piece.end):
        if count_tokens(source[start:end]) <= room:
            yield start, end
            continue
        step = max(room, 1) * 3  # English runs at about four characters a token; three keeps within the room.
        for first in range(start, end, step):
            yield first, min(first + step, end)


def _part(piece: _Piece, start: int, end: int, number: int, source: str) -> _Piece:
    block = replace(piece.block, start=start, end=end, content_start=max(start, piece.block.content_start))
    text = plain(source[block.content_start : end])
    units = tuple(unit for unit in piece.units if start <= unit.start < end)
    return _Piece(block, start, end, text, tuple(replace(unit, paragraph=number) for unit in units))
