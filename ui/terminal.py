"""Answers and hits as text for a terminal: styled where stdout is one, plain where it is a file or a pipe."""

import sys
from collections.abc import Sequence

from tutor.answer import Answer, name_of
from tutor.search import Hit

EXCERPT_CHARS = 160


def print_answer(answer: Answer) -> None:
    """The answer, its sources, and what to read next."""
    lines = [answer.answer]
    if answer.citations:
        lines += ["", "Sources"]
        lines += [
            f"  [{c.n}] {_place(c.lesson, c.title)}: {c.section}  ({c.path}#{c.anchor}, characters {c.start}-{c.end})"
            for c in answer.citations
        ]
    if answer.related and not answer.refused:
        lines += ["", "Read next: " + "; ".join(_place(entry.lesson, entry.title) for entry in answer.related)]
    if sys.stdout.isatty():
        _print_styled(answer.answer, lines[1:])
    else:
        print("\n".join(lines))


def print_hits(hits: Sequence[Hit]) -> None:
    """One hit: where it stands, then the beginning of its text."""
    if not hits:
        print("nothing found")
    for hit in hits:
        text = " ".join(hit.text.split())
        excerpt = text if len(text) <= EXCERPT_CHARS else f"{text[:EXCERPT_CHARS].rsplit(' ', 1)[0]} ..."
        print(f"{hit.rank:2}. {_place(hit.lesson, hit.title)}: {hit.section}   [{hit.score:.3f}]")
        print(f"    {hit.path}#{hit.anchor}, characters {hit.start}-{hit.end}")
        print(f"    {excerpt}")


def _place(number: int | None, title: str) -> str:
    name = name_of(number, title).replace("*", "")
    return name[:1].upper() + name[1:]


def _print_styled(markdown: str, rest: Sequence[str]) -> None:
    from rich.console import Console
    from rich.markdown import Markdown

    console = Console(width=min(100, Console().width))
    console.print(Markdown(markdown))
    for line in rest:
        console.print(line, style="dim", markup=False, highlight=False)
