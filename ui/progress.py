"""A progress bar on stderr, drawn only where stderr is a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ingest.progress import Progress


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A Progress that draws one bar a stage."""
    from tqdm import tqdm

    bars: dict[str, tqdm[Any]] = {}

    def show(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(
                total=total,
                desc=stage,
                file=sys.stderr,
                disable=not sys.stderr.isatty(),
                leave=False,
                dynamic_ncols=True,
            )
        bars[stage].update(done - bars[stage].n)

    try:
        yield show
    finally:
        for bar in bars.values():
            bar.close()
