"""A course folder read into values: course.yaml (optional) and every Markdown file under the folder.

Any folder of Markdown is a course: each file a lesson, each sub-folder a module, numbers and titles taken from file
names and headings where no front matter gives them. All faults are collected and reported together, so that an author
mends a course in one pass; a file without text is a warning, because nothing is lost by leaving it out.
"""

import fnmatch
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from ingest.errors import CourseError
from ingest.front_matter import AskEntry, FactEntry, FrontMatter, Head, load_mapping, read_head
from ingest.markdown import parse_blocks

LESSON_LIMIT_BYTES = 1_000_000
"""A lesson of 2,800 words is about 20 kB; a file fifty times that size is a mistake or a book to be split."""

_NUMBERED_NAME = re.compile(r"(\d{1,4})[-_. ]+(?=\S)")
_DIGITS = re.compile(r"\d+")


class _Yaml(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore", frozen=True)


class PlannedLesson(_Yaml):
    """A lesson the contents page announces; it may not be written yet."""

    number: int | None = None
    id: str
    title: str


class Module(_Yaml):
    """A group of lessons; for a course without course.yaml, a sub-folder."""

    id: str
    title: str
    lessons: tuple[PlannedLesson, ...] = ()


class CourseFile(_Yaml):
    """What course.yaml may say."""

    id: str = ""
    title: str = ""
    scope: str = ""
    modules: tuple[Module, ...] = ()
    essays: tuple[PlannedLesson, ...] = ()
    exclude: tuple[str, ...] = ()
    not_searched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lesson:
    """One Markdown file of the course.

    ``number`` is null for what is no lesson (an essay); ``path`` is relative to the course folder, with slashes;
    ``source`` is the file's whole text, newlines as they are; ``body_start`` is where the text after the front matter
    begins, in code points.
    """

    lesson_id: str
    number: int | None
    title: str
    kind: str
    module: str
    path: str
    source: str
    body_start: int
    summary: str = ""
    prerequisites: tuple[str, ...] = ()
    minutes: int | None = None
    asks: tuple[AskEntry, ...] = ()
    facts: tuple[FactEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Course:
    """A course as read from ``root``; lessons stand in reading order.

    ``corpus_hash`` is a SHA-256 over the names and bytes of every file that was read; ``declared_id`` is the id of
    course.yaml or empty; ``not_searched`` names the anchors of sections that never answer questions; ``warnings`` are
    for the person who runs the command.
    """

    root: Path
    declared_id: str
    title: str
    scope: str
    modules: tuple[Module, ...]
    lessons: tuple[Lesson, ...]
    corpus_hash: str
    not_searched: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())


def read_course(root: Path) -> Course:
    """Read the course under ``root``. Raises CourseError naming every file and line that is wrong."""
    declared = read_course_file(root)
    files = course_files(root, declared)
    if not files:
        raise CourseError(f"no Markdown file in {root}", "Put the lessons there as .md files, one a lesson.")
    read: list[tuple[Lesson, FrontMatter]] = []
    faults: list[CourseError] = []
    warnings: list[str] = []
    for path in files:
        try:
            lesson, matter = _read_lesson(root, path, declared)
        except CourseError as fault:
            faults.append(fault)
            continue
        if lesson.source[lesson.body_start :].strip():
            read.append((lesson, matter))
        else:
            warnings.append(f"{lesson.path}: no text in this lesson, left out")
    lessons = _settle_names(read)
    faults += _duplicate_faults(lessons)
    if faults:
        raise joined(faults)
    if not lessons:
        raise CourseError(f"every lesson in {root} is empty", "Write the text of at least one lesson.")
    ordered = _in_reading_order(lessons, declared, _ordering_numbers(read))
    return Course(
        root=root,
        declared_id=declared.id,
        title=declared.title or root.resolve().name.replace("-", " ").replace("_", " ").strip().capitalize(),
        scope=declared.scope,
        modules=declared.modules or _modules_from_folders(ordered),
        lessons=tuple(ordered),
        corpus_hash=hash_corpus(root, declared),
        not_searched=declared.not_searched,
        warnings=tuple(warnings),
    )


def read_course_file(root: Path) -> CourseFile:
    """Return what ``root``/course.yaml says; an empty CourseFile when there is none. Raises CourseError."""
    if not root.is_dir():
        raise CourseError(f"no course folder at {root}", "Name a folder of Markdown files with --course DIR.")
    path = root / "course.yaml"
    if not path.is_file():
        return CourseFile()
    loaded = load_mapping(_read_text(path, "course.yaml"), "course.yaml", "the contents page", first_line=1)
    try:
        return CourseFile.model_validate(loaded)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CourseError(f"course.yaml: '{where}': {first['msg']}", "Mend that entry.") from error


def course_files(root: Path, declared: CourseFile) -> list[Path]:
    """Every Markdown file under ``root`` that is not hidden and not excluded, in order of its path."""
    found = []
    for path in root.rglob("*"):
        relative = path.relative_to(root)
        if path.suffix.lower() not in {".md", ".markdown"} or any(part.startswith(".") for part in relative.parts):
            continue
        if path.is_file() and not _is_excluded(relative, declared.exclude):
            found.append(path)
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def _is_excluded(relative: Path, patterns: tuple[str, ...]) -> bool:
    """A pattern names a file, or a folder with all that is in it."""
    names = [part.as_posix() for part in (relative, *relative.parents)]
    return any(fnmatch.fnmatch(name, pattern.rstrip("/")) for name in names for pattern in patterns)


def hash_corpus(root: Path, declared: CourseFile) -> str:
    """SHA-256 over the path and bytes of course.yaml and of every lesson file."""
    digest = hashlib.sha256()
    for path in [*course_files(root, declared), root / "course.yaml"]:
        if path.is_file():
            name = path.relative_to(root).as_posix()
            digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _read_text(path: Path, name: str) -> str:
    """Decode a file as UTF-8 with newlines untranslated. Raises CourseError with line and byte."""
    size = path.stat().st_size
    if size > LESSON_LIMIT_BYTES:
        raise CourseError(
            f"{name}: {size / 1e6:.1f} MB in one file, the limit is {LESSON_LIMIT_BYTES / 1e6:.0f} MB",
            "Split it into lessons, or exclude it in course.yaml.",
        )
    data = path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise CourseError(
            f"{name}:{line}: byte 0x{data[error.start]:02x} at offset {error.start} is not UTF-8",
            f"Convert the file, for example: iconv -f windows-1252 -t utf-8 '{name}' > fixed.md",
        ) from error


def _read_lesson(root: Path, path: Path, declared: CourseFile) -> tuple[Lesson, FrontMatter]:
    relative = path.relative_to(root)
    source = _read_text(path, relative.as_posix())
    head = read_head(source, relative.as_posix())
    matter = head.front_matter
    name = _NUMBERED_NAME.match(path.stem)
    bare = path.stem[name.end() :] if name else path.stem
    kind = _kind(relative, matter.id or bare, declared)
    number = matter.number if matter.number is not None else (int(name.group(1)) if name else None)
    lesson_id = matter.id or bare
    lesson = Lesson(
        lesson_id=lesson_id if kind == "lesson" else f"{kind}/{lesson_id}",
        number=number if kind == "lesson" else None,
        title=matter.title or _first_heading(source, head) or bare.replace("-", " ").replace("_", " ").capitalize(),
        kind=kind,
        module=matter.module or (_module_of(lesson_id, relative, declared) if kind == "lesson" else ""),
        path=relative.as_posix(),
        source=source,
        body_start=head.body_start,
        summary=matter.summary,
        prerequisites=matter.prerequisites,
        minutes=matter.minutes,
        asks=matter.asks,
        facts=matter.facts,
    )
    return lesson, matter


def _kind(relative: PurePosixPath | Path, lesson_id: str, declared: CourseFile) -> str:
    folder = relative.parts[0] if len(relative.parts) > 1 else ""
    if folder == "essays" and any(essay.id == lesson_id for essay in declared.essays):
        return "essay"
    return "lesson"


def _first_heading(source: str, head: Head) -> str:
    blocks = parse_blocks(source, head.body_start)
    return next((block.text for block in blocks if block.form == "heading" and block.level == 1 and block.text), "")


def _module_of(lesson_id: str, relative: Path, declared: CourseFile) -> str:
    for module in declared.modules:
        if any(planned.id == lesson_id for planned in module.lessons):
            return module.id
    return relative.parent.as_posix() if len(relative.parts) > 1 else ""


def _settle_names(read: list[tuple[Lesson, FrontMatter]]) -> list[Lesson]:
    """Make what was guessed from file names unique: a repeated number is dropped, a repeated id gets its folder's name."""
    numbers = Counter(lesson.number for lesson, _ in read)
    ids = Counter(lesson.lesson_id for lesson, _ in read)
    settled = []
    for lesson, matter in read:
        if matter.number is None and numbers[lesson.number] > 1:
            lesson = replace(lesson, number=None)
        if not matter.id and ids[lesson.lesson_id] > 1:
            lesson = replace(lesson, lesson_id=str(PurePosixPath(lesson.path).with_suffix("")))
        settled.append(lesson)
    return settled


def _duplicate_faults(lessons: list[Lesson]) -> list[CourseError]:
    ids = _repeated("id", [(lesson.lesson_id, lesson.path) for lesson in lessons])
    numbers = [(str(lesson.number), lesson.path) for lesson in lessons if lesson.number is not None]
    return [*ids, *_repeated("number", numbers)]


def _repeated(name: str, values: list[tuple[str, str]]) -> list[CourseError]:
    seen: dict[str, str] = {}
    faults = []
    for value, path in values:
        if value in seen:
            message = f"{path}:1: {name} '{value}' is already that of {seen[value]}"
            faults.append(CourseError(message, f"Give one of the two lessons another {name}."))
        seen.setdefault(value, path)
    return faults


def joined(faults: list[CourseError]) -> CourseError:
    """One error that tells all of ``faults``."""
    if len(faults) == 1:
        return faults[0]
    lines = "\n".join(f"  {fault.message}\n      {fault.hint}" for fault in faults)
    return CourseError(f"{len(faults)} faults in the course:\n{lines}", "Mend them all, then run the command again.")


def _ordering_numbers(read: list[tuple[Lesson, FrontMatter]]) -> dict[str, int]:
    """Path -> number. Where a number guessed from file names stands twice, each folder starts again: then none counts."""
    guessed = [lesson.number for lesson, matter in read if matter.number is None and lesson.number is not None]
    restarts = len(set(guessed)) < len(guessed)
    return {
        lesson.path: lesson.number
        for lesson, matter in read
        if lesson.number is not None and not (restarts and matter.number is None)
    }


def _in_reading_order(lessons: list[Lesson], declared: CourseFile, numbers: dict[str, int]) -> list[Lesson]:
    position = {
        planned.id: index for index, planned in enumerate(lesson for module in declared.modules for lesson in module.lessons)
    }

    def key(lesson: Lesson) -> tuple[bool, int, float, tuple[str, ...]]:
        place = position.get(lesson.lesson_id, len(position))
        by_path = tuple(_DIGITS.sub(lambda found: found.group().zfill(9), part) for part in PurePosixPath(lesson.path).parts)
        return lesson.kind != "lesson", place, numbers.get(lesson.path, float("inf")), by_path

    return sorted(lessons, key=key)


def _modules_from_folders(lessons: list[Lesson]) -> tuple[Module, ...]:
    folders = dict.fromkeys(lesson.module for lesson in lessons if lesson.module)
    return tuple(Module(id=folder, title=_folder_title(folder)) for folder in folders)


def _folder_title(folder: str) -> str:
    name = PurePosixPath(folder).name
    numbered = _NUMBERED_NAME.match(name)
    bare = name[numbered.end() :] if numbered else name
    return bare.replace("-", " ").replace("_", " ").capitalize()
