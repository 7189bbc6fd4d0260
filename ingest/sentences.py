"""Sentences with their positions. sentencex finds the boundaries; this file mends what Markdown does to them."""

import re
from itertools import pairwise

import sentencex

_CLOSERS = re.compile(r"""(?:\*+|_+|["'”’)\]]+)(?=\s|$)""")
_CONTINUES = re.compile(r"[a-z0-9(,;:]")
_CODE = re.compile(r"`[^`\n]*`")


def sentence_spans(source: str, start: int, end: int, language: str = "en") -> list[tuple[int, int]]:
    """Return (start, end) of each sentence of ``source[start:end]``, as offsets into ``source``, blanks trimmed.

    A closing mark (``**``, a quote) stays with the sentence it closes; a boundary inside code, or before a small letter
    or a digit that goes on with the sentence ("approx. 3 s"), is no boundary.
    """
    text = source[start:end]
    cuts = [int(found["start_index"]) for found in sentencex.get_sentence_boundaries(language, text)][1:]
    code = [match.span() for match in _CODE.finditer(text)]
    bounds = [0]
    for cut in cuts:
        closer = _CLOSERS.match(text, cut)
        moved = closer.end() if closer else cut
        following = text[moved:].lstrip()
        inside = any(first < moved < after for first, after in code)
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
