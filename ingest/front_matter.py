"""The YAML block at the head of a lesson: where it ends, and what it says, checked.

Anybody's Markdown may come through here, so keys that are not known are ignored and none is required; a block that is
not YAML, or a value of the wrong form, is an error that names the line. The same '---' also draws a rule across the page:
text between two rules is front matter only where it reads as 'key: value' lines, or was plainly meant to.
"""

import re
from dataclasses import dataclass
from datetime import date

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ingest.errors import CourseError

_OPENING = re.compile(r"\ufeff?---[ \t]*(?:\r\n|\r|\n)")
_CLOSING = re.compile(r"(?<=[\r\n])(?:---|\.\.\.)[ \t]*(?:\r\n|\r|\n|\Z)")
_LINE_END = re.compile(r"\r\n|\r|\n")
_KEY = re.compile(r"[A-Za-z_][\w-]*[ \t]*:(?=\s|\Z)")
_FIRST_LINE = 2
"""The line of the file on which the block begins, below its '---'."""


class _Loose(BaseModel):
    """Numbers are taken as text where text is meant; unknown keys are ignored."""

    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore", frozen=True)


class AskEntry(_Loose):
    """A question that students put, and the anchor of the section that answers it."""

    q: str = Field(min_length=1)
    section: str = Field(min_length=1)


class FactEntry(_Loose):
    """An outside fact a lesson states, with its evidence (mark V1: read in the primary text; V2: secondary)."""

    id: str
    section: str = ""
    claim: str
    published: str = ""
    checked_on: str = ""
    source: str = ""
    url: str = ""
    mark: str = ""

    @field_validator("published", "checked_on", mode="before")
    @classmethod
    def _dates_are_text(cls, value: object) -> object:
        return value.isoformat() if isinstance(value, date) else value


class FrontMatter(_Loose):
    """What the head of a lesson may say; all of it is optional."""

    id: str = ""
    number: int | None = None
    title: str = ""
    module: str = ""
    summary: str = ""
    prerequisites: tuple[str, ...] = ()
    minutes: int | None = None
    asks: tuple[AskEntry, ...] = ()
    facts: tuple[FactEntry, ...] = ()

    @field_validator("prerequisites", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @field_validator("*", mode="before")
    @classmethod
    def _null_is_absent(cls, value: object, info: object) -> object:
        if value is not None:
            return value
        field = cls.model_fields[str(getattr(info, "field_name", ""))]
        return field.default


@dataclass(frozen=True, slots=True)
class Head:
    """The parsed head of a file; ``body_start`` is the offset, in code points, of the first character after it."""

    front_matter: FrontMatter
    body_start: int


def read_head(source: str, path: str) -> Head:
    """Return the front matter of ``source`` and where the body starts.

    A file without front matter has an empty one. Raises CourseError, with file and line, when the block is opened and
    not closed, is not a YAML mapping, or has a value of the wrong form.
    """
    headless = Head(FrontMatter(), 1 if source.startswith("\ufeff") else 0)
    opening = _OPENING.match(source)
    if not opening:
        return headless
    closing = _CLOSING.search(source, opening.end())
    if not closing:
        if _KEY.match(source, opening.end()):
            raise CourseError(
                f"{path}:1: the front matter is opened with '---' and never closed",
                "Add a line '---' after its last key.",
            )
        return headless
    block = source[opening.end() : closing.start()]
    try:
        loaded = load_mapping(block, path, "the front matter", _FIRST_LINE)
    except CourseError:
        if _KEY.match(block) or block.startswith("- "):
            raise
        return headless
    if not loaded and block.strip():
        return headless
    return Head(_validate(loaded, block, path), closing.end())


def ask_lines(source: str) -> list[int]:
    """The line of the file on which each question of the front matter stands, in order; none for those merged in by YAML."""
    block = source[: read_head(source, "").body_start].lstrip("\ufeff")
    root = yaml.compose(_CLOSING.sub("", block))
    if not isinstance(root, yaml.MappingNode):
        return []
    asks = {key.value: value for key, value in root.value}.get("asks")
    return [ask.start_mark.line + 1 for ask in asks.value] if isinstance(asks, yaml.SequenceNode) else []


class _Loader(yaml.SafeLoader):
    """YAML's own loader, which also says where a value stands that cannot be built, such as 30 February."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError, AttributeError) as error:
            problem = f"'{node.value}' cannot be read: {error}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error


def load_mapping(text: str, path: str, what: str, first_line: int) -> dict[str, object]:
    """Return the 'key: value' lines of ``text``; none where it is empty.

    Raises CourseError that names ``what`` is wrong in the file ``path``; ``first_line`` is where ``text`` begins there.
    """
    try:
        loaded = yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, RecursionError) as error:
        line, problem = _place_and_problem(error, text)
        raise CourseError(
            f"{path}:{first_line + line}: {what} is not valid YAML: {problem}",
            "Quote text that holds a colon, and check the indentation of that line.",
        ) from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise CourseError(
            f"{path}:{first_line}: {what} must be 'key: value' lines, not a {type(loaded).__name__}",
            "Write it as a YAML mapping, for example 'title: Replication'.",
        )
    return {str(key): value for key, value in loaded.items()}


def _place_and_problem(error: yaml.YAMLError | RecursionError, text: str) -> tuple[int, str]:
    """Lines above the fault, and the fault in words."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        return mark.line if mark else 0, str(error.problem or error.context)
    if isinstance(error, yaml.reader.ReaderError):
        above = _LINE_END.findall(text, 0, error.position)
        return len(above), f"the character U+{ord(text[error.position]):04X} is not allowed"
    return 0, "it is nested too deeply"


def _validate(loaded: dict[str, object], block: str, path: str) -> FrontMatter:
    try:
        return FrontMatter.model_validate(loaded)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        key = str(first["loc"][0]) if first["loc"] else ""
        raise CourseError(
            f"{path}:{_line_of(block, key)}: front matter '{where}': {first['msg']}",
            "Compare the entry with the front matter of a lesson that works.",
        ) from error


def _line_of(block: str, key: str) -> int:
    for number, line in enumerate(_LINE_END.split(block), start=_FIRST_LINE):
        if line.startswith(f"{key}:"):
            return number
    return _FIRST_LINE
