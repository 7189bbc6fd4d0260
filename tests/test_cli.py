"""The command line as others script it: the contract's fields, exit codes, batch files, bad input."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.edge_store import EdgeStore
from tests.conftest import SMALL_COURSE, Tutor
from tutor.settings import KNOBS

HIT_FIELDS = {"rank", "score", "lesson", "lesson_id", "title", "section", "anchor", "path", "start", "end", "text"}
CITATION_FIELDS = {"n", "lesson", "lesson_id", "title", "section", "anchor", "path", "start", "end", "quote"}
ANSWER_FIELDS = {
    "answer",
    "refused",
    "reason",
    "citations",
    "related",
    "confidence",
    "engine",
    "unsupported",
    "timings_ms",
}
CORPUS = Path(__file__).parent.parent / "corpus"

pytestmark = pytest.mark.usefixtures("shipped_store")


@pytest.fixture(scope="module")
def bread_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bread-home")


def test_ingest_reports_what_it_did_and_does_nothing_the_second_time(tutor: Tutor, bread_home: Path) -> None:
    first = tutor("ingest", "--json", "--course", str(SMALL_COURSE), home=bread_home)
    report = json.loads(first.stdout)
    assert first.returncode == 0, first.stderr
    assert report.keys() == {"version", "lessons", "chunks", "embedded", "reused", "seconds"}
    assert (report["lessons"], report["reused"]) == (5, 0)
    second = json.loads(tutor("ingest", "--json", "--course", str(SMALL_COURSE), home=bread_home).stdout)
    assert (second["version"], second["embedded"], second["reused"]) == (report["version"], 0, 0)


def test_search_hits_have_the_contracts_fields_and_true_spans(tutor: Tutor) -> None:
    done = tutor("search", "leader election", "-k", "7", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found.keys(), len(found["hits"])) == (0, {"hits", "ms"}, 7)
    for hit in found["hits"]:
        source = (CORPUS / hit["path"]).read_bytes().decode("utf-8")
        assert hit.keys() == HIT_FIELDS
        assert source[hit["start"] : hit["end"]] == hit["text"]
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3, 4, 5, 6, 7]


def test_search_can_be_limited_to_lessons_and_modules(tutor: Tutor) -> None:
    by_number = json.loads(tutor("search", "leader", "--lesson", "14", "--lesson", "cap-theorem", "--json").stdout)
    assert {hit["lesson"] for hit in by_number["hits"]} <= {10, 14}
    by_module = json.loads(tutor("search", "leader", "--module", "replication-and-partitioning", "--json").stdout)
    assert {hit["lesson"] for hit in by_module["hits"]} == {26}


def test_an_answer_has_the_contracts_fields_and_verbatim_quotes(tutor: Tutor) -> None:
    done = tutor("ask", "What does a coordinator crash do to two-phase commit?", "--json")
    answer = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert answer.keys() == ANSWER_FIELDS
    assert (answer["refused"], answer["reason"]) == (False, None)
    assert 15 in {citation["lesson"] for citation in answer["citations"]}
    for citation in answer["citations"]:
        source = (CORPUS / citation["path"]).read_bytes().decode("utf-8")
        assert citation.keys() == CITATION_FIELDS
        assert source[citation["start"] : citation["end"]] == citation["quote"]
        assert f"[{citation['n']}]" in answer["answer"]
    assert all(entry.keys() >= {"lesson", "title", "anchor"} for entry in answer["related"])


def test_a_declined_question_has_no_citation_and_names_lessons(tutor: Tutor) -> None:
    answer = json.loads(tutor("ask", "Which wine goes with grilled salmon?", "--json").stdout)
    assert (answer["refused"], answer["citations"]) == (True, [])
    assert answer["reason"]
    assert len(answer["related"]) == 3


def test_the_terminal_answer_names_its_sources(tutor: Tutor) -> None:
    shown = tutor("ask", "What is an architectural decision record?").stdout
    assert "Sources\n  [1] Lesson 4, " in shown
    assert "Read next: " in shown


def test_a_batch_is_answered_line_by_line_in_order(tutor: Tutor, tmp_path: Path) -> None:
    lines = [
        {"id": "b", "question": "What is a quorum?"},
        {"id": "a", "question": ""},
        {"id": "c", "question": "and how big is it?", "history": [{"role": "user", "content": "What is a quorum?"}]},
        {"id": "d", "question": "What is a quorum?", "lessons": ["14"]},
        {"id": "e", "question": "What is a quorum?", "lessons": [14]},
    ]
    batch = tmp_path / "questions.jsonl"
    batch.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n", "utf-8")
    done = tutor("ask", "--batch", str(batch))
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [result["id"] for result in results] == ["b", "a", "c", "d", "e"]
    assert done.returncode == 1
    assert results[1]["error"]["message"] == "the question is empty"
    assert {citation["lesson"] for citation in results[3]["citations"]} == {14}
    assert results[4]["citations"] == results[3]["citations"]
    assert results[0].keys() == {"id"} | ANSWER_FIELDS


def test_a_batch_of_searches_may_come_from_stdin(tutor: Tutor) -> None:
    done = tutor("search", "--batch", "-", "-k", "2", stdin='{"id": 1, "query": "vector clocks", "modules": []}\n')
    result = json.loads(done.stdout)
    assert (result["id"], len(result["hits"]), result["hits"][0]["lesson"]) == ("1", 2, 13)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"id": "a", "question": "x"}\n{broken\n', "questions.jsonl:2: not valid JSON"),
        ('{"id": "a"}\n', "questions.jsonl:1: 'question': Field required"),
        ('{"question": "x"}\n', "questions.jsonl:1: 'id': Field required"),
    ],
)
def test_a_broken_batch_names_file_and_line_before_anything_is_answered(
    tutor: Tutor, tmp_path: Path, text: str, complaint: str
) -> None:
    batch = tmp_path / "questions.jsonl"
    batch.write_text(text, "utf-8")
    done = tutor("ask", "--batch", str(batch))
    assert (done.returncode, done.stdout) == (1, "")
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_a_history_file_gives_a_follow_up_its_subject(tutor: Tutor, tmp_path: Path) -> None:
    history = tmp_path / "history.json"
    turns = [{"role": "user", "content": "What is two-phase commit?"}, {"role": "assistant", "content": "A protocol."}]
    history.write_text(json.dumps(turns), "utf-8")
    answer = json.loads(tutor("ask", "and when should I not use it?", "--history", str(history), "--json").stdout)
    assert answer["citations"][0]["lesson"] == 15


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["ask", ""], "the question is empty"),
        (["ask", "x" * 50_000], "50,000 characters"),
        (["ask", "What is Raft?", "--lesson", "99"], "no lesson '99'"),
        (["search", "raft", "--module", "nowhere"], "no module 'nowhere'"),
        (["search", "raft", "-k", "0"], "-k is 0"),
        (["ask"], "give either a QUESTION or --batch"),
        (["ask", "hi", "--course", "/no/such/folder"], "no course folder at /no/such/folder"),
        (["ask", "hi", "--history", "/no/such/file"], "/no/such/file cannot be read"),
        (["eval", "--baseline", "never"], "no run 'never'"),
        (["eval", "nonsense"], "no suite 'nonsense'"),
    ],
)
def test_bad_input_gets_a_message_and_a_cure_and_exit_code_1(tutor: Tutor, arguments: list[str], complaint: str) -> None:
    done = tutor(*arguments)
    first, cure = done.stderr.splitlines()[:2]
    assert done.returncode == 1
    assert complaint in first
    assert cure.strip()
    assert "Traceback" not in done.stderr


def test_an_error_under_json_is_one_object_on_stdout(tutor: Tutor) -> None:
    done = tutor("ask", "", "--json")
    assert json.loads(done.stdout)["error"].keys() == {"message", "hint"}


def test_wrong_usage_exits_2(tutor: Tutor) -> None:
    assert tutor("ask", "--no-such-option").returncode == 2
    assert tutor("dance").returncode == 2


def test_without_an_index_the_cure_is_ingest(tutor: Tutor, tmp_path: Path) -> None:
    done = tutor("ask", "What is a quorum?", home=tmp_path / "empty")
    assert done.returncode == 1
    assert "not been indexed" in done.stderr
    assert "tutor ingest" in done.stderr


def test_an_edited_course_still_answers_from_the_indexed_text_and_warns(tutor: Tutor, tmp_path: Path) -> None:
    course = Path(shutil.copytree(SMALL_COURSE, tmp_path / "course"))
    assert tutor("ingest", "--course", str(course), home=tmp_path).returncode == 0
    lesson = course / "dough" / "01-flour-and-gluten.md"
    lesson.write_text(lesson.read_text("utf-8").replace("gluten", "GLUTEN"), "utf-8")
    done = tutor("ask", "What is gluten and where does it come from?", "--course", str(course), "--json", home=tmp_path)
    assert "edited since it was indexed" in done.stderr
    assert all("GLUTEN" not in citation["quote"] for citation in json.loads(done.stdout)["citations"])


def test_an_unknown_setting_is_an_error(tutor: Tutor) -> None:
    done = tutor("doctor", TUTOR_HOMME="/tmp")
    assert done.returncode == 1
    assert "unknown setting TUTOR_HOMME" in done.stderr


def test_doctor_prints_every_setting_and_finds_the_index_in_order(tutor: Tutor, shipped_store: EdgeStore) -> None:
    done = tutor("doctor", "--json")
    found = json.loads(done.stdout)
    assert [knob["name"] for knob in found["settings"]] == list(KNOBS)
    assert {check["name"]: check["ok"] for check in found["checks"]} == {"course": True, "index": True, "disk": True}
    assert str(shipped_store.current()) in found["checks"][1]["found"]


def test_a_cold_question_imports_no_torch(shared_home: Path) -> None:

    probe = (
        "import sys\nfrom ui.cli import main\n"
        f"main(['ask', 'What is a quorum?', '--home', {str(shared_home)!r}])\n"
        "print(sorted({'torch', 'sentence_transformers', 'transformers', 'streamlit'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=CORPUS.parent)
    assert done.stderr.splitlines()[-1] == "[]"


def test_no_command_opens_a_connection(shared_home: Path, tmp_path: Path) -> None:

    probe = (
        "import sys\n"
        "def hook(event, arguments):\n"
        "    if event in {'socket.connect', 'socket.getaddrinfo', 'socket.sendto'}:\n"
        "        raise RuntimeError(f'{event} {arguments}')\n"
        "sys.addaudithook(hook)\n"
        "from ui.cli import main\n"
        f"assert main(['ask', 'What is a quorum?', '--home', {str(shared_home)!r}]) == 0\n"
        f"assert main(['ingest', '--course', {str(SMALL_COURSE)!r}, '--home', {str(tmp_path)!r}]) == 0\n"
        f"assert main(['doctor', '--home', {str(shared_home)!r}]) == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False, cwd=CORPUS.parent)
    assert done.returncode == 0, done.stderr
