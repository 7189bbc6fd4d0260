"""Evaluation runs: what is saved, the gates, the comparison with a baseline, the report."""

import contextlib
import csv
import json
import re
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from evals.cases import Case, Half
from evals.report import render
from evals.run import GATES, Outcome, run_suites
from ingest.course import read_course
from ingest.edge_store import EdgeStore
from ingest.errors import CaseError
from ingest.progress import silent
from ingest.publish import publish_index
from tests.conftest import SMALL_COURSE
from tests.fakes import WordEmbedder
from tutor.course_index import CourseIndex

Entry = dict[str, Any]

FAR = "Which wine goes with grilled salmon?"
COVERED = (
    "How does Raft elect a leader?",
    "What is a quorum?",
    "How does two-phase commit work?",
    "What is an architectural decision record?",
)
SCRIPT = '<script src="https://example.org/x.js">alert("x")</script>'


def index_of(course: Path, folder: Path) -> CourseIndex:
    store, words = EdgeStore(folder), WordEmbedder()
    publish_index(read_course(course), store, words)
    return CourseIndex(store, words)


@pytest.fixture(scope="module")
def bread(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CourseIndex]:
    """The small course with the computable embedder, built once, because no test here changes it."""
    with contextlib.closing(index_of(SMALL_COURSE, tmp_path_factory.mktemp("bread"))) as index:
        yield index


def names(number: int, half: Half = "reporting") -> list[str]:
    """Ids of cases of that half."""
    every = (f"case-{place}" for place in count())
    return list(islice((name for name in every if Case(id=name, kind="how", question="x").half == half), number))


def own_questions(number: int) -> list[Entry]:
    """Cases that are the small course's own questions, which search finds without fail."""
    asks = [(lesson.lesson_id, ask) for lesson in read_course(SMALL_COURSE).lessons for ask in lesson.asks]
    return [
        {"id": name, "kind": "how", "question": ask.q, "relevant": [{"lesson": lesson, "section": ask.section}]}
        for name, (lesson, ask) in zip(names(number), asks, strict=False)
    ]


def asking(cases: Sequence[Entry], question: str) -> list[Entry]:
    """The same cases with another question."""
    return [{**case, "question": question} for case in cases]


def labelled(questions: Sequence[str], kind: str, lesson: str = "", after: int = 0) -> list[Entry]:
    """Cases with these questions: to be declined, or answered by the short answer of ``lesson``; ``after`` skips ids."""
    relevant = [{"lesson": lesson, "section": "short-answer"}] if lesson else []
    ids = names(after + len(questions))[after:]
    return [
        {"id": name, "kind": kind, "question": text, "relevant": relevant} for name, text in zip(ids, questions, strict=True)
    ]


def evaluate(
    index: CourseIndex,
    folder: Path,
    cases: Sequence[Entry],
    *suites: str,
    baseline: str | None = None,
    half: Half = "reporting",
) -> Outcome:
    cases_folder = folder / "cases"
    cases_folder.mkdir(exist_ok=True)
    (cases_folder / "mine.yaml").write_text(json.dumps(list(cases)), "utf-8")  # JSON is YAML.
    return run_suites(
        index,
        cases_folder=str(cases_folder),
        suites=suites,
        half=half,
        runs_folder=folder / "home" / "runs",
        baseline=baseline,
        progress=silent,
    )


def strictly(text: str) -> Entry:
    """JSON as other programs read it, without NaN."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    loaded: Entry = json.loads(text, parse_constant=refuse)
    return loaded


def record(outcome: Outcome) -> Entry:
    loaded: Entry = json.loads((outcome.folder / "run.json").read_text("utf-8"))
    return loaded


def report(outcome: Outcome) -> str:
    return (outcome.folder / "report.html").read_text("utf-8")


def gates(outcome: Outcome) -> dict[str, bool]:
    return {gate["metric"]: gate["passed"] for gate in record(outcome)["gates"]}


# What is saved


def test_a_run_is_one_folder_with_record_table_and_report(bread: CourseIndex, tmp_path: Path) -> None:
    outcome = evaluate(bread, tmp_path, own_questions(3))
    runs = tmp_path / "home" / "runs"
    assert [path.name for path in runs.iterdir()] == [outcome.run_id]
    assert outcome.folder == runs / outcome.run_id
    assert sorted(path.name for path in outcome.folder.iterdir()) == ["report.html", "results.csv", "run.json"]
    assert f"report: {outcome.folder / 'report.html'}" in outcome.text


def test_the_record_says_what_was_run_on_what(bread: CourseIndex, tmp_path: Path) -> None:
    cases = own_questions(3)
    saved = record(evaluate(bread, tmp_path, cases))
    assert saved["id"] == next((tmp_path / "home" / "runs").iterdir()).name
    assert (saved["course"], saved["half"], saved["baseline"]) == ("Bread from scratch", "reporting", None)
    assert saved["index"]["version"] == bread.version.name
    assert [case["question"] for case in saved["cases"]] == [case["question"] for case in cases]
    assert [(result["case_id"], result["system"]) for result in saved["retrieval"][:3]] == [
        (cases[0]["id"], system) for system in ("hybrid", "bm25", "dense")
    ]
    assert [result["case_id"] for result in saved["answers"]] == [case["id"] for case in cases]


def test_the_table_has_a_line_for_every_value(bread: CourseIndex, tmp_path: Path) -> None:
    outcome = evaluate(bread, tmp_path, own_questions(2))
    with (outcome.folder / "results.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    saved = record(outcome)
    first = saved["retrieval"][0]
    values = {(line["case"], line["system"], line["metric"]): line["value"] for line in lines}
    assert len(lines) == len(values) == 2 * (3 * 8 + 8)
    assert values[first["case_id"], "hybrid", "section ndcg@10"] == f"{first['scores']['section ndcg@10']:.4f}"
    assert {line["question"] for line in lines} == {case["question"] for case in saved["cases"]}


@pytest.mark.parametrize("answerable", [True, False])
def test_the_record_is_json_for_other_programs_too(bread: CourseIndex, tmp_path: Path, answerable: bool) -> None:
    outcome = evaluate(bread, tmp_path, own_questions(2) if answerable else labelled([FAR], "far"))
    assert strictly((outcome.folder / "run.json").read_text("utf-8"))["id"] == outcome.run_id
    assert strictly(json.dumps(outcome.to_json()))["run"] == outcome.run_id


@pytest.mark.parametrize("answerable", [True, False])
def test_what_was_not_measured_is_not_reported_as_a_number(bread: CourseIndex, tmp_path: Path, answerable: bool) -> None:
    outcome = evaluate(bread, tmp_path, own_questions(2) if answerable else labelled([FAR], "far"))
    assert re.findall(r"\bnan\b", report(outcome) + outcome.text) == []


def test_only_the_half_that_was_asked_for_is_run(bread: CourseIndex, tmp_path: Path) -> None:
    mine, others = own_questions(2), own_questions(4)[2:]
    other_ids = names(2, "tuning")
    both = [*mine, *({**case, "id": name} for case, name in zip(others, other_ids, strict=True))]
    assert [case["id"] for case in record(evaluate(bread, tmp_path, both))["cases"]] == names(2)
    assert [case["id"] for case in record(evaluate(bread, tmp_path, both, half="tuning"))["cases"]] == other_ids


def test_a_suite_can_be_run_alone(bread: CourseIndex, tmp_path: Path) -> None:
    retrieval = record(evaluate(bread, tmp_path, own_questions(2), "retrieval"))
    answers = record(evaluate(bread, tmp_path, own_questions(2), "refusals"))
    assert ({entry["system"] for entry in retrieval["metrics"]}, retrieval["answers"]) == ({"hybrid", "bm25", "dense"}, [])
    assert ({entry["system"] for entry in answers["metrics"]}, answers["retrieval"]) == ({"tutor"}, [])


def test_an_unknown_suite_is_an_error_that_lists_the_suites(bread: CourseIndex, tmp_path: Path) -> None:
    with pytest.raises(CaseError) as caught:
        evaluate(bread, tmp_path, own_questions(1), "speed")
    assert (caught.value.message, caught.value.hint) == ("no suite 'speed'", "Suites: retrieval, refusals.")


def test_runs_of_the_same_second_are_all_kept_under_the_id_they_tell(bread: CourseIndex, tmp_path: Path) -> None:
    outcomes = [evaluate(bread, tmp_path, own_questions(1), "retrieval") for _ in range(4)]
    folders = sorted((tmp_path / "home" / "runs").iterdir())
    assert sorted(outcome.folder for outcome in outcomes) == folders
    assert [json.loads((folder / "run.json").read_text("utf-8"))["id"] for folder in folders] == [f.name for f in folders]
    assert all(f"Run {folder.name}," in (folder / "report.html").read_text("utf-8") for folder in folders)


def test_a_run_that_is_broken_off_leaves_nothing(bread: CourseIndex, tmp_path: Path) -> None:
    def break_off(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    evaluate(bread, tmp_path, own_questions(1), "retrieval")
    runs = tmp_path / "home" / "runs"
    before = list(runs.iterdir())
    with pytest.raises(KeyboardInterrupt):
        run_suites(
            bread,
            cases_folder=str(tmp_path / "cases"),
            suites=(),
            half="reporting",
            runs_folder=runs,
            baseline=None,
            progress=break_off,
        )
    assert list(runs.iterdir()) == before


# Gates


def test_a_run_passes_when_every_gate_holds(shipped: CourseIndex, tmp_path: Path) -> None:
    declined = [*labelled([FAR], "far", after=1), *labelled([FAR], "near", after=2)]
    cases = [*labelled(COVERED[:1], "how", "consensus"), *declined]
    outcome = evaluate(shipped, tmp_path, cases)
    assert gates(outcome) == dict.fromkeys(GATES, True)
    assert outcome.passed
    assert "PASSED" in outcome.text
    assert "<strong>Passed.</strong>" in report(outcome)


def test_a_question_declined_wrongly_fails_its_gate(shipped: CourseIndex, tmp_path: Path) -> None:
    outcome = evaluate(shipped, tmp_path, labelled([FAR], "how", "consensus"), "refusals")
    assert (gates(outcome)["false refusals"], outcome.passed) == (False, False)
    assert "FAIL false refusals 1.000 (<= 0.05)" in outcome.text
    assert "<strong>Failed.</strong>" in report(outcome)


def test_a_near_question_answered_wrongly_fails_its_gate(shipped: CourseIndex, tmp_path: Path) -> None:
    outcome = evaluate(shipped, tmp_path, labelled(COVERED[:1], "near"), "refusals")
    assert (gates(outcome)["near-domain declined"], outcome.passed) == (False, False)


@pytest.mark.parametrize(("answered", "passes"), [(1, True), (2, False)])
def test_one_far_question_may_be_answered_and_no_more(
    shipped: CourseIndex, tmp_path: Path, answered: int, passes: bool
) -> None:
    cases = labelled([*COVERED[:answered], *[FAR] * (4 - answered)], "far")
    assert gates(evaluate(shipped, tmp_path, cases, "refusals"))["far questions answered"] is passes


def test_a_lesson_that_is_not_found_fails_its_gate(shipped: CourseIndex, tmp_path: Path) -> None:
    outcome = evaluate(shipped, tmp_path, labelled(["How does Raft elect a leader?"], "how", "c4-model"), "retrieval")
    assert (gates(outcome), outcome.passed) == ({"lesson success@5": False}, False)


def test_a_gate_that_was_not_measured_is_not_judged(bread: CourseIndex, tmp_path: Path) -> None:
    assert gates(evaluate(bread, tmp_path, own_questions(2), "retrieval")).keys() == {"lesson success@5"}
    assert gates(evaluate(bread, tmp_path, labelled([FAR], "far"), "retrieval")) == {}
    declined = gates(evaluate(bread, tmp_path, labelled([FAR], "far"), "refusals"))
    assert {"near-domain declined", "false refusals"} & declined.keys() == set()


def test_a_run_without_a_case_in_its_half_does_not_pass(bread: CourseIndex, tmp_path: Path) -> None:
    only_tuning = [{**own_questions(1)[0], "id": names(1, "tuning")[0]}]
    with contextlib.suppress(CaseError):
        assert not evaluate(bread, tmp_path, only_tuning).passed


# Comparison with a baseline


def test_a_significant_fall_fails_the_run_although_its_gates_hold(bread: CourseIndex, tmp_path: Path) -> None:
    good = own_questions(16)
    baseline = evaluate(bread, tmp_path, good, "retrieval")
    outcome = evaluate(bread, tmp_path, asking(good, "zebra"), "retrieval", baseline=baseline.run_id)
    fallen = {c["metric"] for c in record(outcome)["comparisons"] if c["difference"] < 0 and c["p_adjusted"] < 0.05}
    assert gates(outcome) == {"lesson success@5": True}  # The small course has five lessons, so one of five is always right.
    assert "section ndcg@10" in fallen
    assert (baseline.passed, outcome.passed) == (True, False)
    assert f"Against run {baseline.run_id}" in report(outcome)
    assert "against the baseline" in outcome.text


def test_a_rise_does_not_fail_the_run(bread: CourseIndex, tmp_path: Path) -> None:
    good = own_questions(16)
    baseline = evaluate(bread, tmp_path, asking(good, "zebra"), "retrieval")
    outcome = evaluate(bread, tmp_path, good, "retrieval", baseline=baseline.run_id)
    assert outcome.passed
    assert {c["metric"]: c["difference"] > 0 for c in record(outcome)["comparisons"]}["section ndcg@10"]


def test_a_fall_on_two_cases_is_not_significant(bread: CourseIndex, tmp_path: Path) -> None:
    good = own_questions(2)
    baseline = evaluate(bread, tmp_path, good, "retrieval")
    outcome = evaluate(bread, tmp_path, asking(good, "zebra"), "retrieval", baseline=baseline.run_id)
    assert min(c["difference"] for c in record(outcome)["comparisons"]) < 0
    assert outcome.passed


def test_a_run_compared_with_itself_differs_in_nothing(bread: CourseIndex, tmp_path: Path) -> None:
    baseline = evaluate(bread, tmp_path, own_questions(3))
    comparisons = record(evaluate(bread, tmp_path, own_questions(3), baseline=baseline.run_id))["comparisons"]
    assert {c["metric"] for c in comparisons} >= {"lesson success@5", "section ndcg@10"}
    assert {(c["difference"], c["wins"], c["losses"], c["p_adjusted"]) for c in comparisons} == {(0.0, 0, 0, 1.0)}


def test_more_false_refusals_are_a_fall(shipped: CourseIndex, tmp_path: Path) -> None:
    good = labelled(COVERED, "how", "consensus")
    baseline = evaluate(shipped, tmp_path, good, "refusals")
    worse = evaluate(shipped, tmp_path, asking(good, FAR), "refusals", baseline=baseline.run_id)
    differences = {c["metric"]: (c["difference"], c["losses"]) for c in record(worse)["comparisons"]}
    assert differences["false refusals"] == differences["answered when answerable"] == (-1.0, 4)


def test_a_missing_baseline_is_an_error_that_names_the_runs_there_are(bread: CourseIndex, tmp_path: Path) -> None:
    with pytest.raises(CaseError) as none_yet:
        evaluate(bread, tmp_path, own_questions(1), baseline="20260101-000000-abcdef")
    assert none_yet.value.hint == "Runs: none yet."
    known = evaluate(bread, tmp_path, own_questions(1), "retrieval").run_id
    with pytest.raises(CaseError, match="no run '20260101-000000-abcdef'") as caught:
        evaluate(bread, tmp_path, own_questions(1), baseline="20260101-000000-abcdef")
    assert caught.value.hint == f"Runs: {known}."


@pytest.mark.parametrize(
    "text",
    ["", '{"metrics": [', "[]", "{}", "\xff", '{"metrics": 5}', '{"metrics": [{"name": "lesson success@5"}]}'],
)
def test_a_damaged_baseline_is_an_error_and_nothing_is_run(bread: CourseIndex, tmp_path: Path, text: str) -> None:
    damaged = tmp_path / "home" / "runs" / "20260101-000000-abcdef"
    damaged.mkdir(parents=True)
    (damaged / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(CaseError) as caught:
        evaluate(bread, tmp_path, own_questions(1), "retrieval", baseline=damaged.name)
    assert str(damaged / "run.json") in caught.value.message
    assert caught.value.hint
    assert list(damaged.parent.iterdir()) == [damaged]


def test_a_baseline_named_by_its_file_is_an_error_or_the_run(bread: CourseIndex, tmp_path: Path) -> None:
    known = evaluate(bread, tmp_path, own_questions(1), "retrieval").run_id
    with contextlib.suppress(CaseError):
        assert evaluate(bread, tmp_path, own_questions(1), "retrieval", baseline=f"{known}/run.json").passed


# The report


class Outside(HTMLParser):
    """Collects what a page would load from elsewhere, and its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"<{tag}>"] if tag in {"script", "link", "iframe", "img", "object", "embed", "base"} else []
        self.found += [f"{name}={value}" for name, value in attrs if name in {"src", "href", "srcset", "data", "action"}]
        self.found += [f"{name}={value}" for name, value in attrs if name.startswith("on") or "url(" in (value or "")]


def loaded_by(page: str) -> list[str]:
    outside = Outside()
    outside.feed(page)
    return outside.found + re.findall(r"@import|url\(", page[: page.index("</style>")])


def test_the_report_needs_nothing_beside_itself(shipped: CourseIndex, tmp_path: Path) -> None:
    cases = [*labelled(COVERED, "how", "consensus"), *labelled([FAR, FAR], "far", after=len(COVERED))]
    baseline = evaluate(shipped, tmp_path, cases)
    page = report(evaluate(shipped, tmp_path, cases, baseline=baseline.run_id))
    assert loaded_by(page) == []
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")


def test_the_report_shows_a_question_as_text_whatever_is_in_it(bread: CourseIndex, tmp_path: Path) -> None:
    hostile = f"Why {SCRIPT} & {{{{ 7 * 7 }}}}?"
    cases = [{**case, "kind": SCRIPT, "why": SCRIPT} for case in asking(own_questions(1), hostile)]
    page = report(evaluate(bread, tmp_path, cases))
    assert loaded_by(page) == []
    assert "&lt;script src=" in page
    assert "&amp; {{ 7 * 7 }}?" in page


def test_the_report_has_the_figures_of_the_record(bread: CourseIndex, tmp_path: Path) -> None:
    outcome = evaluate(bread, tmp_path, own_questions(4))
    page, saved = report(outcome), record(outcome)
    for entry in saved["metrics"]:
        if entry["system"] != "tutor":
            assert f'{entry["mean"]:.3f} <span class="small">[{entry["low"]:.3f}, {entry["high"]:.3f}]</span>' in page
    assert all(
        name in page for name in ("Lesson", "Wrongly declined", "Section nDCG@10", "Passed" if outcome.passed else "Failed")
    )


def test_a_case_that_went_wrong_leads_the_worst_cases(shipped: CourseIndex, tmp_path: Path) -> None:
    cases = labelled([*COVERED, FAR], "how", "consensus")
    page = report(evaluate(shipped, tmp_path, cases))
    worst = re.findall(r"<h3>(.*?)</h3>", page)
    assert worst[0] == f"1. {FAR}"
    assert len(worst) <= 10


def test_lessons_stand_by_title_in_the_order_of_the_course(bread: CourseIndex, tmp_path: Path) -> None:
    cases = own_questions(22)
    page = report(evaluate(bread, tmp_path, cases[::-1], "retrieval"))
    by_lesson = page[page.index("<h2>By lesson</h2>") :]
    titles = ["1 Flour and gluten", "2 Baker&#39;s percentages", "3 The sourdough starter", "5 Reading a failed loaf"]
    assert re.findall(r"<td>(\d .*?)</td>", by_lesson) == titles


def test_a_lesson_with_another_id_than_its_file_is_reported_by_its_title(small_course: Path, tmp_path: Path) -> None:
    lesson = small_course / "dough" / "01-flour-and-gluten.md"
    lesson.write_text(lesson.read_text("utf-8").replace("id: flour-and-gluten", "id: gluten"), "utf-8")
    contents = small_course / "course.yaml"
    contents.write_text(contents.read_text("utf-8").replace("id: flour-and-gluten", "id: gluten"), "utf-8")
    others = small_course / "dough" / "02-bakers-percentage.md"
    others.write_text(others.read_text("utf-8").replace("[flour-and-gluten]", "[gluten]"), "utf-8")
    cases = [{**own_questions(1)[0], "relevant": [{"lesson": "gluten", "section": "how-it-works"}]}]
    with contextlib.closing(index_of(small_course, tmp_path / "index")) as index:
        page = report(evaluate(index, tmp_path, cases, "retrieval"))
    assert "<td>1 Flour and gluten</td><td>dough</td>" in page


def test_the_curve_counts_what_other_thresholds_would_decline(bread: CourseIndex, tmp_path: Path) -> None:
    kinds = [("how", "flour-and-gluten", 0.95), ("how", "flour-and-gluten", 0.35), ("near", "", 0.55), ("far", "", 0.05)]
    cases = [case for place, (kind, lesson, _) in enumerate(kinds) for case in labelled(["salt"], kind, lesson, after=place)]
    saved = record(evaluate(bread, tmp_path, cases, "refusals"))
    for answer, (_, _, confidence) in zip(saved["answers"], kinds, strict=True):
        answer["confidence"] = confidence
    page = render(saved)
    rows = re.findall(r'<tr><td class="n">(0\.\d)</td>' + r'<td class="n">(\d\.\d{3})</td>' * 3 + "</tr>", page)
    assert len(rows) == 9
    assert rows[0] == ("0.1", "0.000", "0.000", "1.000")
    assert rows[2] == ("0.3", "0.000", "0.000", "1.000")
    assert rows[3] == ("0.4", "0.500", "0.000", "1.000")
    assert rows[4] == ("0.5", "0.500", "0.000", "1.000")
    assert rows[5] == ("0.6", "0.500", "1.000", "1.000")
