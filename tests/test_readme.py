"""The README says what is true: its tree, its commands, its settings, its transcript."""

import re
from pathlib import Path

import pytest

from tests.conftest import Tutor
from tutor.settings import KNOBS
from ui.cli import build_parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def test_the_tree_names_every_room_and_each_exists() -> None:
    named = set(re.findall(r"^(\w+)/  ", README, re.MULTILINE))
    assert named == {"corpus", "ingest", "tutor", "evals", "ui", "tests"}
    assert all((ROOT / name).is_dir() for name in named)


def test_every_command_is_described_and_every_described_one_exists() -> None:
    described = set(re.findall(r"^\| `tutor (\w+)", README, re.MULTILINE))
    help_text = build_parser().format_help()
    known = set(re.findall(r"^    (\w+) ", help_text, re.MULTILINE))
    assert described == known


def test_the_settings_table_has_every_setting_and_its_meaning() -> None:
    rows = dict(re.findall(r"^\| `(TUTOR_\w+)` \|[^|]*\| (.+?) \|$", README, re.MULTILINE))
    assert list(rows) == list(KNOBS)
    for name, (_, meaning) in KNOBS.items():
        assert meaning.split(";")[0].split(":")[0] in rows[name].replace("`", ""), name


def test_the_options_that_are_named_exist() -> None:
    parser = build_parser()
    options = set(re.findall(r"`(--?[a-z][\w-]*)", README))
    subparsers = next(action for action in parser._actions if action.choices)
    assert isinstance(subparsers.choices, dict)
    known = {text for sub in subparsers.choices.values() for action in sub._actions for text in action.option_strings}
    assert options <= known


@pytest.mark.usefixtures("shipped_store")
def test_the_transcript_is_real_output(tutor: Tutor) -> None:
    found = re.search(r'```console\n\$ tutor ask "(.+?)"\n(.*?)\n```', README, re.DOTALL)
    assert found
    assert tutor("ask", found[1]).stdout.rstrip() == found[2]


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 200
