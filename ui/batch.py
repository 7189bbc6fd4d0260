"""Files that others write for ``--batch`` and ``--history``: read whole and checked before the first question is asked."""

import json
import sys
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.errors import QuestionError
from tutor.question import Turn


class _Line(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True, extra="ignore", frozen=True)

    id: str


LineForm = TypeVar("LineForm", bound=_Line)


class SearchLine(_Line):
    """A line of ``tutor search --batch``."""

    query: str
    lessons: list[str] = Field(default_factory=list)
    modules: list[str] = Field(default_factory=list)


class TurnEntry(BaseModel):
    """A turn of a conversation as strangers write it."""

    role: Literal["user", "assistant"]
    content: str


class AskLine(_Line):
    """A line of ``tutor ask --batch``."""

    question: str
    history: list[TurnEntry] = Field(default_factory=list)
    lessons: list[str] = Field(default_factory=list)


def read_search_lines(name: str) -> list[SearchLine]:
    """The lines of a search batch. Raises QuestionError naming file and line."""
    return _read_lines(name, SearchLine)


def read_ask_lines(name: str) -> list[AskLine]:
    """The lines of a batch of questions. Raises QuestionError naming file and line."""
    return _read_lines(name, AskLine)


def read_history(name: str) -> list[Turn]:
    """The turns of a history file. Raises QuestionError."""
    text = _read(name)
    try:
        loaded = json.loads(text)
        if not isinstance(loaded, list):
            raise QuestionError(f"{name}: a history is a list", 'Write [{"role": "user", "content": "..."}].')
        entries = [TurnEntry.model_validate(entry) for entry in loaded]
    except json.JSONDecodeError as error:
        raise QuestionError(f"{name}:{error.lineno}: not valid JSON: {error.msg}", "Mend that line.") from error
    except ValidationError as error:
        raise QuestionError(f"{name}: {_first_fault(error)}", 'Each turn is {"role": "user", "content": "..."}.') from error
    return [Turn(entry.role, entry.content) for entry in entries]


def _read_lines(name: str, form: type[LineForm]) -> list[LineForm]:
    lines = []
    for number, raw in enumerate(_read(name).splitlines(), start=1):
        if not raw.strip():
            continue
        try:
            lines.append(form.model_validate(json.loads(raw)))
        except json.JSONDecodeError as error:
            raise QuestionError(f"{name}:{number}: not valid JSON: {error.msg}", "Write one JSON object a line.") from error
        except ValidationError as error:
            needed = ", ".join(field for field, info in form.model_fields.items() if info.is_required())
            raise QuestionError(f"{name}:{number}: {_first_fault(error)}", f"A line needs: {needed}.") from error
    return lines


def _read(name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8")
    except OSError as error:
        raise QuestionError(f"{name} cannot be read: {error.strerror}", "Check the name of the file.") from error
    except UnicodeDecodeError as error:
        raise QuestionError(f"{name}: byte at offset {error.start} is not UTF-8", "Save the file as UTF-8.") from error


def _first_fault(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"'{'.'.join(str(part) for part in first['loc'])}': {first['msg']}"
