"""A reader in a process of its own, and the handle a test holds it by.

``python -m tests.reader FOLDER [USER]`` opens the index of the EdgeStore at FOLDER with the computable embedder, as USER
(a number) where one is given. It prints one JSON line when it is open, and one for each line of its input.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.edge_store import EdgeStore
from ingest.errors import StoreError
from tests.fakes import WordEmbedder
from tutor.course_index import CourseIndex
from tutor.search import hits, search

ROOT = Path(__file__).parent.parent


class Reader:
    """The test's end: ``version`` is what the process opened; ``error`` is why it could not."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        opened = self._line()
        self.version = opened.get("version", "")
        self.error = opened.get("error", "")

    def found(self, question: str) -> list[str]:
        """Texts of the chunks that the reader finds."""
        assert self._process.stdin is not None
        assert not self.error, self.error
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return self._line()["found"].split("\0")

    def _line(self) -> dict[str, str]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the reader died with {self._process.wait()}"
        loaded: dict[str, str] = json.loads(line)
        return loaded


@contextmanager
def reading(folder: Path, user: int | None = None, **environment: str) -> Iterator[Reader]:
    """A reader of the store at ``folder``, closed at the end."""
    command = [sys.executable, "-m", "tests.reader", str(folder), *([] if user is None else [str(user)])]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **environment}
    ) as process:
        yield Reader(process)


def chunks_found(index: CourseIndex, question: str) -> list[str]:
    return [hit.text for hit in hits(index, search(index, question), 5)]


def main(folder: str, user: str = "") -> None:
    if user:
        os.setgroups([])
        os.setgid(int(user))
        os.setuid(int(user))
    try:
        index = CourseIndex(EdgeStore(Path(folder)), WordEmbedder())
    except StoreError as error:
        print(json.dumps({"error": error.message}), flush=True)
        return
    print(json.dumps({"version": index.version.name}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"found": "\0".join(chunks_found(index, line))}), flush=True)
    index.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
