"""Sentences with their positions. sentencex finds the boundaries; this file mends what Markdown does to them."""

import re
from itertools import pairwise

import sentencex

_CLOSERS = re.compile(r"""(?:\*+|_+|["'”’)\]]+)(?=\s|$)""")
_CONTINUES = re.compile(r"[a-z0-9(,;:]")
_WHOLE = re.compile(r"`[^`\n]*`|\[[^\[\]]*\](?:\([^()]*\)|\[[^\[\]]*\])|<!--[\s\S]*?-->")
"""Code, links and images, comments: a full stop inside one ends no sentence."""


def sentence_spans(source: str, start: int, end: int, language: str = "en") -> list[tuple[int, int]]:
    """Return (start, end) of each sentence of ``source[start:end]``, as offsets into ``source``, blanks trimmed.

    A closing mark (``**``, a quote) stays with the sentence it closes; a boundary inside code or a link, inside a word
    ("ASP.NET"), or before a small letter or a digit that goes on with the sentence ("approx. 3 s"), is no boundary.
    """
    text = source[start:end]
    cuts = [int(found["start_index"]) for found in sentencex.get_sentence_boundaries(language, text)][1:]
    whole = [match.span() for match in _WHOLE.finditer(text)]
    bounds = [0]
    for cut in cuts:
        closer = _CLOSERS.match(text, cut)
        moved = closer.end() if closer else cut
        following = text[moved:].lstrip()
        inside = any(first < moved < after for first, after in whole) or _is_in_word(text, moved)
        if following and not inside and not _CONTINUES.match(following) and moved > bounds[-1]:
            bounds.append(moved)
    bounds.append(len(text))
    spans = []
    for first, after in pairwise(bounds):
        piece = text[first:after]
        if piece.strip():
            lead = len(piece) - len(piece.lstrip())
            spans.append((start + first + lead, start + first + len(piece.rstrip())))
    return spans


def _is_in_word(text: str, place: int) -> bool:
    """No blank on either side, after a Western mark; those of Chinese and Japanese (。) are followed by none."""
    before, after = text[place - 1], text[place : place + 1]
    return before.isascii() and not before.isspace() and not after.isspace()
