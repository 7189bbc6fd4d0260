"""From settings to an open or a fresh index: what every command begins with, and what it tells the person meanwhile."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ingest.publish import IngestReport
from tutor.course_index import CourseIndex, stale_warning
from tutor.settings import Settings


def say(text: str) -> None:
    """A line for the person at the terminal; never on stdout."""
    print(text, file=sys.stderr)


def ingest_course(settings: Settings, *, force: bool = False) -> IngestReport:
    """Ingest the course of the settings, with a progress bar on a terminal. Raises TutorError."""
    from ingest.course import read_course
    from ingest.edge_store import EdgeStore
    from ingest.embedder import load_embedder
    from ingest.publish import publish_index
    from tutor.course_index import open_store
    from ui.progress import progress_bar

    course = read_course(settings.course)
    for warning in course.warnings:
        say(f"warning: {warning}")
    store = open_store(settings.course, settings.home, settings.qdrant_url, settings.qdrant_api_key)
    embedder = load_embedder(settings.embedder, settings.cache, say)
    with progress_bar() as progress:
        if isinstance(store, EdgeStore):
            with store.locked():
                return publish_index(course, store, embedder, force=force, progress=progress)
        return publish_index(course, store, embedder, force=force, progress=progress)


@contextmanager
def opened(settings: Settings) -> Iterator[CourseIndex]:
    """The course of the settings, open for questions. Raises TutorError."""
    index = open_index(settings)
    warning = stale_warning(settings.course, index.manifest)
    if warning:
        say(f"warning: {warning}")
    try:
        yield index
    finally:
        index.close()


def open_index(settings: Settings) -> CourseIndex:
    """Open the published index of the settings' course. Raises TutorError."""
    from ingest.embedder import load_embedder
    from tutor.course_index import open_store

    store = open_store(settings.course, settings.home, settings.qdrant_url, settings.qdrant_api_key)
    return CourseIndex(store, load_embedder(settings.embedder, settings.cache, say))
