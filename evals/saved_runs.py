"""Saved runs: ``runs/<id>/{run.json, results.csv, report.html}``, written whole, and read again as baselines.

Files are written to a folder aside and moved in place, so a run is complete or not there.
"""

import csv
import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import BaseModel, FiniteFloat, ValidationError

from evals.report import render
from ingest.errors import CaseError

RECORD = "run.json"


@dataclass(frozen=True, slots=True)
class Baseline:
    """An earlier run to compare with: (metric, system) -> case -> value."""

    run_id: str
    per_case: Mapping[tuple[str, str], Mapping[str, float]]


class _SavedMetric(BaseModel):
    name: str
    system: str
    per_case: dict[str, FiniteFloat]


class _SavedRun(BaseModel):
    metrics: list[_SavedMetric]


def save(runs_folder: Path, record: dict[str, Any]) -> Path:
    """Write the run under its id, to which a number is added when another run has it."""
    runs_folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".run-", dir=runs_folder))
    staging.chmod(0o755)
    wanted = str(record["id"])
    try:
        while True:
            target = _free(runs_folder, wanted)
            record["id"] = target.name
            _write(staging, record)
            try:
                return staging.rename(target)
            except OSError:
                if not target.exists():
                    raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _free(runs_folder: Path, wanted: str) -> Path:
    places = (runs_folder / (wanted if number == 1 else f"{wanted}-{number}") for number in count(1))
    return next(place for place in places if not place.exists())


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    text = json.dumps(_without_nan(record), ensure_ascii=False, indent=1, allow_nan=False)
    (folder / RECORD).write_text(text, "utf-8")
    (folder / "report.html").write_text(render(record), "utf-8")
    with (folder / "results.csv").open("w", encoding="utf-8", newline="") as file:
        _write_csv(file, record)


def _without_nan(value: Any) -> Any:
    """The same with None for every number that JSON cannot express."""
    if isinstance(value, Mapping):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _write_csv(file: Any, record: Mapping[str, Any]) -> None:
    questions = {case["id"]: case for case in record["cases"]}
    writer = csv.writer(file)
    writer.writerow(["case", "kind", "question", "system", "metric", "value"])
    for result in record["retrieval"]:
        case = questions[result["case_id"]]
        for name, value in result["scores"].items():
            writer.writerow([case["id"], case["kind"], case["question"], result["system"], name, f"{value:.4f}"])
    for result in record["answers"]:
        case = questions[result["case_id"]]
        for name in ("refused", "right", "confidence", "citations", "verbatim", "lead_relevant", "words", "total_ms"):
            writer.writerow([case["id"], case["kind"], case["question"], "tutor", name, result[name]])


def read_baseline(runs_folder: Path, name: str) -> Baseline:
    """The run of that id, or of that folder or file. Raises CaseError."""
    path = runs_folder / name / RECORD
    try:
        path = _baseline_file(runs_folder, name)
        loaded = _SavedRun.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        known = sorted(entry.name for entry in runs_folder.glob("[0-9]*")) if runs_folder.is_dir() else []
        raise CaseError(f"no run '{name}' in {runs_folder}", f"Runs: {', '.join(known[-5:]) or 'none yet'}.") from error
    except OSError as error:
        raise CaseError(f"{path} cannot be read: {error}", "Choose another run, or run: tutor eval") from error
    except ValidationError as error:
        fault = error.errors()[0]["msg"]
        raise CaseError(f"{path} is damaged: {fault}", "Choose another run, or run: tutor eval") from error
    return Baseline(path.resolve().parent.name, {(entry.name, entry.system): entry.per_case for entry in loaded.metrics})


def _baseline_file(runs_folder: Path, name: str) -> Path:
    places = (runs_folder / name, Path(name))
    files = [place if place.name == RECORD else place / RECORD for place in places]
    return next((file for file in files if file.is_file()), files[0])
