"""What each command does: open what it needs, call one function of the rooms below, print what comes back."""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from ingest.errors import QuestionError, TutorError
from ingest.store import Where
from tutor.course_index import CourseIndex
from tutor.question import Turn
from tutor.settings import Settings
from ui import batch
from ui.opening import ingest_course, opened, say

Line = TypeVar("Line", batch.SearchLine, batch.AskLine)


def run_ingest(arguments: argparse.Namespace, settings: Settings) -> int:
    """``tutor ingest``."""
    report = ingest_course(settings, force=arguments.force)
    if arguments.json:
        _print_json(asdict(report) | {"seconds": round(report.seconds, 2)})
    else:
        done = "nothing had changed" if not report.embedded and not report.reused else "published"
        print(
            f"{done}: {report.lessons} lessons, {report.chunks} chunks; {report.embedded} vectors computed, "
            f"{report.reused} reused; {report.seconds:.1f} s; version {report.version}"
        )
    return 0


def run_search(arguments: argparse.Namespace, settings: Settings) -> int:
    """``tutor search``."""
    from tutor.search import hits, search
    from ui.terminal import print_hits

    _one_of(arguments.query, arguments.batch, "QUERY")
    lines = batch.read_search_lines(arguments.batch) if arguments.batch else None
    with opened(settings) as index:
        if lines is not None:
            return _each(lines, lambda line: _search_line(index, line, arguments.k))
        findings = search(index, arguments.query, _where(index, arguments.lesson, arguments.module))
        found = hits(index, findings, arguments.k)
        if arguments.json:
            _print_json({"hits": [hit.to_json() for hit in found], "ms": round(sum(findings.ms.values()), 2)})
        else:
            print_hits(found)
    return 0


def run_ask(arguments: argparse.Namespace, settings: Settings) -> int:
    """``tutor ask``."""
    from tutor.answer import ask
    from tutor.search import check_question
    from ui.terminal import print_answer

    _one_of(arguments.question, arguments.batch, "QUESTION")
    if arguments.question is not None:
        check_question(arguments.question)
    lines = batch.read_ask_lines(arguments.batch) if arguments.batch else None
    history = batch.read_history(arguments.history) if arguments.history else []
    with opened(settings) as index:
        if lines is not None:
            return _each(lines, lambda line: _ask_line(index, line, arguments.mode))
        answer = ask(index, arguments.question, history, _where(index, arguments.lesson, []), arguments.mode)
        if arguments.json:
            _print_json(answer.to_json())
        else:
            print_answer(answer)
    return 0


def run_eval(arguments: argparse.Namespace, settings: Settings) -> int:
    """``tutor eval``."""
    from evals.run import run_suites
    from ui.progress import progress_bar

    with opened(settings) as index, progress_bar() as progress:
        outcome = run_suites(
            index,
            cases_folder=arguments.cases,
            suites=arguments.suites,
            half=arguments.half,
            runs_folder=settings.home / "runs",
            baseline=arguments.baseline,
            progress=progress,
        )
    if arguments.json:
        _print_json(outcome.to_json())
    else:
        print(outcome.text)
    return 0 if outcome.passed else 3


def run_ui(_: argparse.Namespace, settings: Settings) -> int:
    """``tutor ui``."""
    from ui.launch import serve

    return serve(settings)


def run_doctor(arguments: argparse.Namespace, settings: Settings) -> int:
    """``tutor doctor``."""
    from ui.doctor import examine, print_examination

    checks = examine(settings)
    if arguments.json:
        names = ("name", "value", "source", "meaning")
        shown = [dict(zip(names, knob, strict=True)) for knob in settings.shown()]
        _print_json({"settings": shown, "checks": [asdict(check) for check in checks]})
    else:
        print_examination(settings, checks)
    return 0 if all(check.ok for check in checks) else 1


def _one_of(text: str | None, batch_file: str | None, name: str) -> None:
    if (text is None) == (batch_file is None):
        raise QuestionError(f"give either a {name} or --batch FILE.jsonl", 'For example: tutor ask "What is a quorum?"')


def _where(index: CourseIndex, lessons: list[str], modules: list[str]) -> Where:
    return Where(
        lesson_ids=tuple(index.lesson(name).lesson_id for name in lessons),
        modules=tuple(index.module(name) for name in modules),
    )


def _search_line(index: CourseIndex, line: batch.SearchLine, k: int) -> dict[str, Any]:
    from tutor.search import hits, search

    findings = search(index, line.query, _where(index, line.lessons, line.modules))
    found = [hit.to_json() for hit in hits(index, findings, k)]
    return {"id": line.id, "hits": found, "ms": round(sum(findings.ms.values()), 2)}


def _ask_line(index: CourseIndex, line: batch.AskLine, mode: str) -> dict[str, Any]:
    from tutor.answer import ask

    history = [Turn(turn.role, turn.content) for turn in line.history]
    return {"id": line.id, **ask(index, line.question, history, _where(index, line.lessons, []), mode).to_json()}


def _each(lines: Sequence[Line], answer: Callable[[Line], dict[str, Any]]) -> int:
    """Answer line by line, in order, printing each at once; a line that cannot be answered says why in its place."""
    failed = 0
    for line in lines:
        try:
            result = answer(line)
        except TutorError as error:
            failed += 1
            result = {"id": line.id, "error": {"message": error.message, "hint": error.hint}}
        print(json.dumps(result, ensure_ascii=False), flush=True)
    if failed:
        say(f"tutor: {failed} of {len(lines)} lines could not be answered; each says why")
    return 1 if failed else 0


def _print_json(value: dict[str, Any]) -> None:
    print(json.dumps(value, ensure_ascii=False))
