"""The ``tutor`` command: parse, run, print. The only place where errors become messages and exit codes.

Exit codes: 0 done; 1 the user's input or set-up is wrong (message and cure on stderr); 2 the command line itself is
wrong; 3 an evaluation gate failed or a metric fell significantly.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence

from ingest.errors import TutorError
from tutor.settings import Settings, read_settings

EPILOG = "Settings are TUTOR_* environment variables; 'tutor doctor' prints each with its value and its source."

Command = Callable[[argparse.Namespace, Settings], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        settings = read_settings(
            os.environ, course=arguments.course, home=arguments.home, port=getattr(arguments, "port", None)
        )
        command: Command = arguments.run
        return command(arguments, settings)
    except TutorError as error:
        _complain(error, as_json=getattr(arguments, "json", False))
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # The reader (head, less) has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def build_parser() -> argparse.ArgumentParser:
    """The command line as the README and the help texts describe it."""
    from ui import commands

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--course", metavar="DIR", help="folder of the course (default: the shipped corpus)")
    common.add_argument("--home", metavar="DIR", help="folder of indexes and runs (default: .tutor, or TUTOR_HOME)")
    parser = argparse.ArgumentParser(prog="tutor", description="A tutor for an architecture course.", epilog=EPILOG)
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Command, summary: str) -> argparse.ArgumentParser:
        sub = subparsers.add_parser(name, parents=[common], help=summary, description=summary, epilog=EPILOG)
        sub.set_defaults(run=run)
        return sub

    _ingest_options(add("ingest", commands.run_ingest, "Read the course and publish an index of it."))
    _search_options(add("search", commands.run_search, "Find the passages of the course nearest to a query."))
    _ask_options(add("ask", commands.run_ask, "Answer a question in the course's own words, with citations."))
    _eval_options(add("eval", commands.run_eval, "Measure retrieval and refusals on the cases of evals/cases."))
    _ui_options(add("ui", commands.run_ui, "Open the app in the browser: chat and lessons."))
    doctor = add("doctor", commands.run_doctor, "Print every setting and check that the tutor can work.")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _ingest_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--force", action="store_true", help="build anew even if nothing has changed")
    sub.add_argument("--json", action="store_true", help="print one JSON object")


def _search_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("query", nargs="?", metavar="QUERY", help="what to look for")
    sub.add_argument("--batch", metavar="FILE.jsonl", help='lines {"id","query","lessons"?,"modules"?}; - for stdin')
    sub.add_argument("-k", type=int, default=10, metavar="N", help="number of hits (default: 10)")
    sub.add_argument("--lesson", action="append", default=[], metavar="N", help="only this lesson (number or id)")
    sub.add_argument("--module", action="append", default=[], metavar="ID", help="only this module")
    sub.add_argument("--json", action="store_true", help="print one JSON object")


def _ask_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("question", nargs="?", metavar="QUESTION", help="what you want to know")
    sub.add_argument("--batch", metavar="FILE.jsonl", help='lines {"id","question","history"?,"lessons"?}; - for stdin')
    sub.add_argument("--history", metavar="FILE.json", help='the turns before: a list of {"role","content"}')
    sub.add_argument("--lesson", action="append", default=[], metavar="N", help="only from this lesson (number or id)")
    sub.add_argument("--mode", choices=("answer", "hint"), default="answer", help="answer, or only a hint where to look")
    sub.add_argument("--json", action="store_true", help="print one JSON object")


def _eval_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("suites", nargs="*", metavar="SUITE", help="retrieval, refusals (default: all)")
    sub.add_argument("--half", choices=("reporting", "tuning"), default="reporting", help="which half of the cases")
    sub.add_argument("--cases", metavar="DIR", help="folder of case files (default: the shipped evals/cases)")
    sub.add_argument("--baseline", metavar="RUN", help="id of a run to compare with")
    sub.add_argument("--json", action="store_true", help="print one JSON object")


def _ui_options(sub: argparse.ArgumentParser) -> None:
    sub.add_argument("--port", metavar="N", help="port of the app (default: 8501, or TUTOR_PORT)")


def _complain(error: TutorError, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": {"message": error.message, "hint": error.hint}}, ensure_ascii=False))
    print(f"tutor: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"       {error.hint}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
