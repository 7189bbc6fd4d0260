"""``tutor doctor``: every setting with its source, and whether each part that an answer needs is in order."""

import shutil
from dataclasses import dataclass

from ingest.course import read_course
from ingest.errors import TutorError
from tutor.course_index import stale_warning
from tutor.settings import Settings
from ui.opening import open_index


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``cure`` is what to do when it is not in order."""

    name: str
    ok: bool
    found: str
    cure: str = ""


def examine(settings: Settings) -> list[Check]:
    """Look at the course, the embedding model, the index and the disk, in that order."""
    checks = [_course(settings), _index(settings), _disk(settings)]
    return [check for check in checks if check]


def print_examination(settings: Settings, checks: list[Check]) -> None:
    """Settings and checks as text."""
    for name, value, source, meaning in settings.shown():
        print(f"{name:22} {value or '-'}   [{source}]  {meaning}")
    print()
    for check in checks:
        print(f"{'ok ' if check.ok else 'NOT'} {check.name}: {check.found}")
        if not check.ok and check.cure:
            print(f"    {check.cure}")


def _course(settings: Settings) -> Check:
    try:
        course = read_course(settings.course)
    except TutorError as error:
        return Check("course", False, error.message, error.hint)
    announced = sum(len(module.lessons) for module in course.modules)
    asks = sum(len(lesson.asks) for lesson in course.lessons)
    found = f"{course.title}: {len(course.lessons)} texts, {announced} lessons announced, {asks} authors' questions"
    return Check("course", True, f"{found} in {settings.course}")


def _index(settings: Settings) -> Check:
    try:
        index = open_index(settings)
    except TutorError as error:
        return Check("index", False, error.message, error.hint)
    try:
        manifest = index.manifest
        found = (
            f"version {manifest.version} of {manifest.created_at}: {manifest.lessons} texts, {manifest.chunks} chunks, "
            f"{manifest.units} units, embedder {manifest.embedder} ({manifest.dimension} dimensions)"
        )
        warning = stale_warning(settings.course, manifest)
    finally:
        index.close()
    return Check("index", not warning, f"{found}{'; ' + warning if warning else ''}", "Run: tutor ingest")


def _disk(settings: Settings) -> Check:
    folder = next(path for path in (settings.home.resolve(), *settings.home.resolve().parents) if path.exists())
    free_gb = shutil.disk_usage(folder).free / 1e9
    return Check("disk", free_gb > 1, f"{free_gb:.1f} GB free at {folder}", "Free some space: 1 GB is comfortable.")
