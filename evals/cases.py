"""Cases for evaluation, as instructors write them in YAML: questions with the sections that answer them, or to decline.

Half of the cases may be used to tune, half are for reports; a hash of the id decides, so that nobody chooses. Cases of
calibration.yaml are for fitting alone and belong to neither half.
"""

import hashlib
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.errors import CaseError

SHIPPED_CASES = Path(__file__).parent / "cases"
CALIBRATION_FILE = "calibration.yaml"

Half = Literal["tuning", "reporting"]


class Relevant(BaseModel):
    """A section that answers a question: grade 2 directly, grade 1 in part."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    lesson: str
    section: str
    grade: Literal[1, 2] = 2


class Case(BaseModel):
    """A question with what should come of it. Without ``relevant`` sections it is to be declined."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    id: str = Field(min_length=1)
    kind: str
    question: str = Field(pattern=r"\S")
    relevant: tuple[Relevant, ...] = ()
    why: str = ""

    @property
    def answerable(self) -> bool:
        """Whether the course answers it."""
        return bool(self.relevant)

    @property
    def half(self) -> Half:
        """The half it belongs to, fixed by its id."""
        return "tuning" if int(hashlib.sha256(self.id.encode()).hexdigest(), 16) % 2 == 0 else "reporting"


def read_cases(folder: Path) -> list[Case]:
    """All cases of the files in ``folder`` but those for calibration. Raises CaseError naming file and case."""
    files = sorted(path for path in folder.glob("*.yaml") if path.name != CALIBRATION_FILE)
    if not files:
        raise CaseError(f"no case files (*.yaml) in {folder}", "Name the folder of the cases with --cases DIR.")
    return _unique([case for path in files for case in read_case_file(path)])


def read_case_file(path: Path) -> list[Case]:
    """The cases of one file. Raises CaseError."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CaseError(f"{path.name} cannot be read: {error}", "Save it as UTF-8 text.") from error
    loaded = _load_yaml(path, text)
    if not isinstance(loaded, list):
        raise CaseError(f"{path.name}: a case file is a list of cases", "Begin each case with '- id: ...'.")
    return [_case(path, place, entry) for place, entry in enumerate(loaded, start=1)]


def _load_yaml(path: Path, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise CaseError(f"{path.name}:{line}: not valid YAML: {error.problem}", "Mend that line.") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise CaseError(f"{path.name}:{line}: not valid YAML: {error.reason}", "Remove that character.") from error
    except (ValueError, LookupError, AttributeError, RecursionError) as error:  # Such as a date that no calendar has.
        raise CaseError(f"{path.name}: a value cannot be read: {error}", "Put texts that look like dates in quotes.") from error


def _case(path: Path, place: int, entry: object) -> Case:
    try:
        return Case.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        name = entry.get("id", "") if isinstance(entry, dict) else ""
        where = ".".join(str(part) for part in first["loc"])
        raise CaseError(
            f"{path.name}: case {place} ({name or 'no id'}): '{where}': {first['msg']}",
            "A case has id, kind, question, and relevant: [{lesson, section, grade}] unless it is to be declined.",
        ) from error


def _unique(cases: list[Case]) -> list[Case]:
    seen: set[str] = set()
    for case in cases:
        if case.id in seen:
            raise CaseError(f"the case id '{case.id}' is used twice", "Give one of the two another id.")
        seen.add(case.id)
    return cases
