"""How fast it is: ``python -m evals.benchmark [--home DIR]`` times cold commands, warm questions and ingest.

Cold is a new process from the shell to the printed answer; warm is a question to an open index. The ingest figures are
of a temporary home: from nothing, with nothing changed, and with one lesson changed.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from evals.cases import SHIPPED_CASES, read_cases
from ingest.course import read_course
from ingest.embedder import load_embedder
from ingest.publish import publish_index
from tutor.answer import ask
from tutor.course_index import CourseIndex, edge_store
from tutor.settings import Settings, read_settings

COLD_RUNS = 7
QUESTION = "How do I know how far behind my replica is?"


def main(argv: Sequence[str] | None = None) -> int:
    """Time and print."""
    parser = argparse.ArgumentParser(description="Time cold and warm questions, and ingest.")
    parser.add_argument("--home", help="home that holds the index of the shipped course")
    settings = read_settings(os.environ, home=parser.parse_args(argv).home)
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}")
    _cold(settings)
    _warm(settings)
    _ingest(settings)
    return 0


def _cold(settings: Settings) -> None:
    command = [sys.executable, "-m", "ui.cli", "ask", QUESTION, "--home", str(settings.home)]
    times = sorted(_timed(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(COLD_RUNS))
    median = times[len(times) // 2]
    print(f"cold 'tutor ask', shell to answer: median {median:.2f} s, best {times[0]:.2f} s, worst {times[-1]:.2f} s")
    probe = "import sys; from ui.cli import main; main(sys.argv[1:]); print('torch' in sys.modules, file=sys.stderr)"
    command = [sys.executable, "-c", probe, *command[3:]]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stderr.split()[-1]
    print(f"torch imported on that path: {'yes' if loaded == 'True' else 'no'}")


def _warm(settings: Settings) -> None:
    embedder = load_embedder(settings.embedder, settings.cache)
    index = CourseIndex(edge_store(settings.course, settings.home), embedder)
    questions = [case.question for case in read_cases(SHIPPED_CASES)]
    ask(index, QUESTION)
    times = sorted(_timed(lambda question=question: ask(index, question)) for question in questions)  # type: ignore[misc]
    p50, p95 = times[len(times) // 2] * 1000, times[int(len(times) * 0.95)] * 1000
    print(f"warm question ({len(times)} different ones): p50 {p50:.1f} ms, p95 {p95:.1f} ms")
    index.close()


def _ingest(settings: Settings) -> None:
    embedder = load_embedder(settings.embedder, settings.cache)
    with tempfile.TemporaryDirectory() as folder:
        course_folder = Path(shutil.copytree(settings.course, Path(folder) / "course"))
        store = edge_store(course_folder, Path(folder) / "home")

        def ingest() -> None:
            publish_index(read_course(course_folder), store, embedder)

        nothing = _timed(ingest)
        unchanged = _timed(ingest)
        lesson = sorted(course_folder.rglob("*.md"))[-1]
        lesson.write_text(lesson.read_text("utf-8") + "\nA sentence about replication that was not here before.\n", "utf-8")
        changed = _timed(ingest)
    print(f"ingest: from nothing {nothing:.1f} s, nothing changed {unchanged:.2f} s, one lesson changed {changed:.2f} s")


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
