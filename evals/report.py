"""A run as one HTML page that needs nothing beside itself, readable by someone who did not build the system."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEMPLATE = Path(__file__).parent / "report.html.j2"
WORST = 10


def render(record: Mapping[str, Any]) -> str:
    """The page of a run record as ``evals.run`` makes it."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text("utf-8"))
    return template.render(
        run=record,
        tables=_tables(record),
        answers=[entry for entry in record["metrics"] if entry["system"] == "tutor"],
        lessons=_by_lesson(record),
        worst=_worst(record),
        curve=_curve(record),
    )


def _tables(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a retrieval metric, one column a system."""
    retrieval = [entry for entry in record["metrics"] if entry["system"] != "tutor"]
    names = dict.fromkeys(entry["name"] for entry in retrieval)
    systems = list(dict.fromkeys(entry["system"] for entry in retrieval))
    cells = {(entry["name"], entry["system"]): entry for entry in retrieval}
    return [{"name": name, "cells": [(system, cells[name, system]) for system in systems]} for name in names]


def _by_lesson(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Cases, success and refusals by lesson, in the course's order."""
    scores = {r["case_id"]: r["scores"] for r in record["retrieval"] if r["system"] == "hybrid"}
    refused = {r["case_id"]: r["refused"] for r in record["answers"]}
    lessons = {entry["id"]: entry for entry in record["lessons"].values()}
    groups: dict[str, list[dict[str, Any]]] = {}
    for case in record["cases"]:
        if case["relevant"]:
            groups.setdefault(case["relevant"][0]["lesson"], []).append(case)
    rows = []
    for lesson_id, cases in groups.items():
        about = lessons.get(lesson_id, {"number": None, "title": lesson_id, "module": ""})
        found = [scores[case["id"]]["lesson success@5"] for case in cases if case["id"] in scores]
        ranked = [scores[case["id"]]["section ndcg@10"] for case in cases if case["id"] in scores]
        rows.append(
            {
                **about,
                "cases": len(cases),
                "success": sum(found) / len(found) if found else None,
                "ndcg": sum(ranked) / len(ranked) if ranked else None,
                "refused": sum(refused.get(case["id"], False) for case in cases),
            }
        )
    return sorted(rows, key=lambda row: (row["number"] is None, row["number"] or 0))


def _worst(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The ten worst cases: wrongly answered or declined first, then those that search ranked worst."""
    scores = {r["case_id"]: r for r in record["retrieval"] if r["system"] == "hybrid"}
    answers = {r["case_id"]: r for r in record["answers"]}

    def badness(case: Mapping[str, Any]) -> tuple[float, float]:
        answer, found = answers.get(case["id"]), scores.get(case["id"])
        wrong = 0.0 if answer is None or answer["right"] else 1.0
        rank = 1.0 - found["scores"]["section ndcg@10"] if found else 0.0
        return wrong, rank

    ranked = sorted(record["cases"], key=badness, reverse=True)[:WORST]
    return [
        {"case": case, "answer": answers.get(case["id"]), "found": scores.get(case["id"])}
        for case in ranked
        if badness(case) > (0.0, 0.0)
    ]


def _curve(record: Mapping[str, Any]) -> list[tuple[float, float | None, float | None, float | None]]:
    """(threshold, false refusals, near declined, far declined) for thresholds from 0.1 to 0.9; None: no such case."""

    def share(kind: str, threshold: float) -> float | None:
        values = [
            r["confidence"]
            for r in record["answers"]
            if (r["answerable"] if kind == "answerable" else r["kind"] == kind and not r["answerable"])
        ]
        return sum(value < threshold for value in values) / len(values) if values else None

    return [
        (step / 10, share("answerable", step / 10), share("near", step / 10), share("far", step / 10))
        for step in range(1, 10)
        if record["answers"]
    ]
