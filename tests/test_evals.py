"""Cases, metrics and statistics of the evaluation, each against values reckoned by hand."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import astuple, fields
from functools import cache
from math import log2
from pathlib import Path

import numpy as np
import pytest

from evals.calibrate import _fit, _length_balanced, _probability, _products, _without_asks
from evals.cases import CALIBRATION_FILE, SHIPPED_CASES, Case, Relevant, read_case_file, read_cases
from evals.refusals import run_answers
from evals.retrieval import SYSTEMS, _measure, run_retrieval
from evals.statistics import Comparison, Estimate, compare, estimate, holm
from ingest.course import read_course
from ingest.errors import CaseError
from tests.conftest import SMALL_COURSE
from tutor.course_index import CourseIndex
from tutor.coverage import Signals, Weights
from tutor.settings import SHIPPED_CORPUS

BREAD_CASES = Path(__file__).parent / "cases"
RAFT = Case(
    id="raft",
    kind="how",
    question="How does Raft elect a leader?",
    relevant=(Relevant(lesson="consensus", section="key-terms"),),
)
WINE = Case(id="wine", kind="far", question="Which wine goes with grilled salmon?")


def cases_file(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return path


def fault(path: Path) -> str:
    with pytest.raises(CaseError) as caught:
        read_case_file(path)
    assert caught.value.hint
    return caught.value.message


def tokens(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", unicodedata.normalize("NFKC", text).lower()))


def near_copies(ours: dict[str, str], theirs: dict[str, str]) -> list[tuple[str, str]]:
    """(our id, their id) of questions that share at least four fifths of their words, or are the same signs."""
    ours_split, theirs_split = ({name: tokens(text) for name, text in some.items()} for some in (ours, theirs))
    return [
        (name, other)
        for name, words in ours_split.items()
        for other, others in theirs_split.items()
        if len(words & others) >= 0.8 * len(words | others) and (words or ours[name].strip() == theirs[other].strip())
    ]


@cache
def all_shipped_cases() -> dict[str, list[Case]]:
    return {path.name: read_case_file(path) for path in sorted(SHIPPED_CASES.glob("*.yaml"))}


# Reading cases


def test_a_case_is_read_with_its_relevant_sections(tmp_path: Path) -> None:
    relevant = "[{lesson: l, section: s}, {lesson: l, section: t, grade: 1}]"
    (case,) = read_case_file(cases_file(tmp_path, f"- id: a\n  kind: why\n  question: Why?\n  relevant: {relevant}\n"))
    assert (case.id, case.kind, case.question, case.answerable) == ("a", "why", "Why?", True)
    assert [(entry.lesson, entry.section, entry.grade) for entry in case.relevant] == [("l", "s", 2), ("l", "t", 1)]


def test_a_case_without_relevant_sections_is_to_be_declined(tmp_path: Path) -> None:
    (case,) = read_case_file(cases_file(tmp_path, "- {id: 7, kind: far, question: Which one, why: cars}\n"))
    assert (case.id, case.answerable, case.why) == ("7", False, "cars")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- id: a\n  kind: [why\n  question: x\n", r"mine\.yaml:3: not valid YAML"),
        ("- id: a\n\tkind: why\n", r"mine\.yaml:2: not valid YAML"),
        ("- id: a\n  kind: !!python/name:os.system why\n", r"mine\.yaml:2: not valid YAML"),
        ("- id: a\n  kind: why\n  question: a\x07b\n", r"mine\.yaml:3: not valid YAML"),
        ("- id: a\n  kind: why\n  question: 2026-02-30\n", r"mine\.yaml"),
        ("id: a\n", r"mine\.yaml: a case file is a list"),
        ("", r"mine\.yaml: a case file is a list"),
    ],
)
def test_a_broken_file_is_an_error_that_names_the_place(tmp_path: Path, text: str, complaint: str) -> None:
    assert re.search(complaint, fault(cases_file(tmp_path, text)))


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("kind: why, question: x, colour: red", "case 2 (b): 'colour': Extra inputs are not permitted"),
        ("kind: why", "case 2 (b): 'question': Field required"),
        ("kind: why, question: ''", "case 2 (b): 'question'"),
        ("kind: why, question: '  '", "case 2 (b): 'question'"),
        ("kind: why, question: x, relevant: [{lesson: l}]", "case 2 (b): 'relevant.0.section': Field required"),
        ("kind: why, question: x, relevant: [{lesson: l, section: s, grade: 3}]", "case 2 (b): 'relevant.0.grade'"),
    ],
)
def test_a_wrong_case_is_an_error_that_names_file_case_and_field(tmp_path: Path, fields: str, complaint: str) -> None:
    path = cases_file(tmp_path, f"- {{id: a, kind: why, question: x}}\n- {{id: b, {fields}}}\n")
    assert f"mine.yaml: {complaint}" in fault(path)


def test_a_file_that_is_no_text_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"- id: \xff\n")
    assert "mine.yaml cannot be read" in fault(path)
    assert "absent.yaml cannot be read" in fault(tmp_path / "absent.yaml")


def test_an_id_used_in_two_files_is_an_error(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text("- {id: same, kind: far, question: x}\n")
    with pytest.raises(CaseError, match="the case id 'same' is used twice"):
        read_cases(tmp_path)


def test_a_folder_without_cases_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / CALIBRATION_FILE).write_text("- {id: a, kind: far, question: x}\n")
    with pytest.raises(CaseError, match=f"no case files .* in {tmp_path}"):
        read_cases(tmp_path)


def test_cases_for_calibration_are_in_neither_half(tmp_path: Path) -> None:
    (tmp_path / CALIBRATION_FILE).write_text("- {id: fitted, kind: far, question: x}\n")
    (tmp_path / "b.yaml").write_text("- {id: b, kind: far, question: x}\n")
    (tmp_path / "a.yaml").write_text("- {id: a, kind: far, question: x}\n")
    assert [case.id for case in read_cases(tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(("name", "half"), [("a", "reporting"), ("b", "reporting"), ("c", "tuning"), ("bread-ear", "tuning")])
def test_the_half_is_fixed_by_the_id_alone(name: str, half: str) -> None:
    # By the last digits of sha256sum: odd for a (...bb) and b (...9d), even for c (...c6) and bread-ear (...ac).
    cases = [Case(id=name, kind=kind, question=question) for kind, question in (("far", "x"), ("why", "Why?"))]
    assert [case.half for case in cases] == [half, half]


# The shipped cases


def test_no_id_is_used_twice_in_all_the_shipped_files() -> None:
    ids = [case.id for cases in all_shipped_cases().values() for case in cases]
    assert {name for name in ids if ids.count(name) > 1} == set()


@pytest.mark.parametrize(("cases", "course"), [(SHIPPED_CASES, SHIPPED_CORPUS), (BREAD_CASES, SMALL_COURSE)])
def test_every_case_names_sections_that_its_course_has(
    shipped: CourseIndex, small_index: CourseIndex, cases: Path, course: Path
) -> None:
    index = shipped if course == SHIPPED_CORPUS else small_index
    sections = {(lesson.lesson_id, section.anchor) for lesson in index.lessons for section in lesson.sections}
    read = [case for path in cases.glob("*.yaml") for case in read_case_file(path)]
    named = {(entry.lesson, entry.section) for case in read for entry in case.relevant}
    assert named - sections == set()


def test_both_halves_have_enough_cases_of_each_sort() -> None:
    cases = read_cases(SHIPPED_CASES)
    for half in ("tuning", "reporting"):
        mine = [case for case in cases if case.half == half]
        counts = [sum(case.answerable for case in mine), *(sum(case.kind == kind for case in mine) for kind in ("near", "far"))]
        assert min(counts) >= 15


def test_no_case_is_a_near_copy_of_a_lessons_own_question() -> None:
    asks = {f"{lesson.lesson_id}: {ask.q}": ask.q for lesson in read_course(SHIPPED_CORPUS).lessons for ask in lesson.asks}
    cases = {case.id: case.question for cases in all_shipped_cases().values() for case in cases}
    assert near_copies(cases, asks) == []


def test_no_reported_case_is_a_near_copy_of_one_that_was_fitted_to() -> None:
    reported = {case.id: case.question for case in read_cases(SHIPPED_CASES) if case.half == "reporting"}
    fitted = {case.id: case.question for case in all_shipped_cases()[CALIBRATION_FILE]}
    fitted |= {case.id: case.question for case in read_cases(SHIPPED_CASES) if case.half == "tuning"}
    assert near_copies(reported, fitted) == []


# Statistics


def test_constant_data_has_an_interval_without_width() -> None:
    assert estimate([0.5] * 6, list("aabbcc")) == Estimate(0.5, 0.5, 0.5, 6)


def test_an_interval_resamples_lessons_and_not_cases() -> None:
    assert estimate([0.0, 1.0, 0.0, 1.0], ["one"] * 4) == Estimate(0.5, 0.5, 0.5, 4)
    # Of two lessons, both draws are of the same one half of the time, so the 95% interval is the whole range.
    assert estimate([0.0, 0.0, 1.0, 1.0], ["one", "one", "two", "two"]) == Estimate(0.5, 0.0, 1.0, 4)


def test_a_larger_lesson_weighs_more_within_a_resample() -> None:
    # Twenty lessons of nine right cases and twenty of one wrong case: with K large ones drawn, 9K of 9K + 40 - K are right,
    # and K is 14 to 26 in 95% of draws.
    values, lessons = [1.0] * 180 + [0.0] * 20, [f"large {place % 20}" for place in range(180)] + list("abcdefghijklmnopqrst")
    got = estimate(values, lessons)
    assert (got.mean, got.low, got.high) == pytest.approx((0.9, 126 / 152, 234 / 248), abs=0.01)


def test_the_interval_of_many_coin_tosses_is_the_binomial_one() -> None:
    values = [0.0, 1.0] * 200
    got = estimate(values, [str(place) for place in range(400)])
    # 0.5 ± 1.96·sqrt(0.25/400) = 0.5 ± 0.049
    assert (got.low, got.high) == pytest.approx((0.451, 0.549), abs=0.005)


def test_an_interval_is_the_same_every_time() -> None:
    values, lessons = [0.1, 0.9, 0.4, 0.7, 0.2], list("abcab")
    assert estimate(values, lessons) == estimate(values, lessons)


def test_every_value_needs_its_lesson() -> None:
    with pytest.raises(ValueError, match="zip"):
        estimate([1.0, 0.0], ["a"])


def test_an_estimate_is_printed_with_its_interval() -> None:
    assert Estimate(0.9534, 0.91, 0.985, 40).shown() == "0.953 [0.910, 0.985]"


def test_a_clear_difference_is_significant() -> None:
    old = {str(place): 0.0 for place in range(20)}
    got = compare("m", dict.fromkeys(old, 1.0), old)
    # Exactly, 2 of 2^20 sign patterns are as extreme; of 4,000 drawn ones almost surely none is.
    assert (got.difference, got.wins, got.losses, got.ties) == (1.0, 20, 0, 0)
    assert got.p <= 2 / 4001


def test_the_p_value_of_two_equal_differences_is_one_half() -> None:
    got = compare("m", {"a": 1.0, "b": 1.0}, {"a": 0.5, "b": 0.5})
    assert (got.difference, got.wins) == (0.5, 2)
    assert got.p == pytest.approx(0.5, abs=0.03)  # ++ and -- of the four patterns.


def test_the_p_value_of_unequal_differences_counts_the_extreme_patterns() -> None:
    old = dict.fromkeys("abc", 0.0)
    got = compare("m", {"a": 3.0, "b": 2.0, "c": -1.0}, old)
    # |mean| is at least 4/3 for the sums ±4 and ±6 of the eight patterns: +++ 4, ++- 6 and their opposites.
    assert got.difference == pytest.approx(4 / 3)
    assert (got.wins, got.losses, got.ties) == (2, 1, 0)
    assert got.p == pytest.approx(0.5, abs=0.03)


def test_runs_that_agree_differ_by_nothing() -> None:
    values = {"a": 0.3, "b": 0.7}
    assert compare("m", values, values) == Comparison("m", 0.0, 0, 0, 2, 1.0)


def test_only_cases_that_both_runs_have_are_compared() -> None:
    got = compare("m", {"a": 1.0, "new": 0.0}, {"a": 0.0, "old": 1.0})
    assert (got.difference, got.wins, got.losses, got.ties) == (1.0, 1, 0, 0)


def test_nothing_in_common_is_no_difference_and_no_significance() -> None:
    assert compare("m", {"a": 1.0}, {"b": 0.0}) == Comparison("m", 0.0, 0, 0, 0, 1.0)
    assert compare("m", {}, {}) == Comparison("m", 0.0, 0, 0, 0, 1.0)


def test_holm_adjusts_a_textbook_example() -> None:
    found = [Comparison(name, 0.0, 0, 0, 0, p) for name, p in (("a", 0.01), ("b", 0.04), ("c", 0.03), ("d", 0.005))]
    assert holm(found) == pytest.approx({"d": 0.02, "a": 0.03, "c": 0.06, "b": 0.06})


def test_holm_never_exceeds_one_and_takes_an_empty_list() -> None:
    assert holm([Comparison("a", 0.0, 0, 0, 0, 0.7), Comparison("b", 0.0, 0, 0, 0, 0.6)]) == {"a": 1.0, "b": 1.0}
    assert holm([]) == {}


# Retrieval


def test_metrics_of_a_ranking_with_one_of_two_relevant_sections() -> None:
    # Found at rank 2 with grade 2; d, of grade 1, is not found. The ideal order is 2, 1.
    got = _measure(["a", "b", "c"], {"b": 2, "d": 1})
    ideal = 2 + 1 / log2(3)
    assert got == pytest.approx({"success@5": 1.0, "ndcg@10": 2 / log2(3) / ideal, "rr@5": 0.5, "recall@10": 0.5})


def test_metrics_of_a_perfect_ranking_are_one() -> None:
    assert _measure(["b", "d", "a"], {"b": 2, "d": 1}) == dict.fromkeys(("success@5", "ndcg@10", "rr@5", "recall@10"), 1.0)


def test_rank_6_is_too_late_for_success_and_reciprocal_rank() -> None:
    got = _measure(list("abcdef"), {"f": 1})
    assert got == pytest.approx({"success@5": 0.0, "ndcg@10": 1 / log2(7), "rr@5": 0.0, "recall@10": 1.0})


def test_rank_11_is_too_late_for_everything() -> None:
    got = _measure(list("abcdefghijk"), {"k": 2})
    assert got == dict.fromkeys(("success@5", "ndcg@10", "rr@5", "recall@10"), 0.0)


def test_finding_nothing_scores_zero() -> None:
    assert _measure([], {"b": 2}) == dict.fromkeys(("success@5", "ndcg@10", "rr@5", "recall@10"), 0.0)


def test_every_system_is_judged_on_every_answerable_case(shipped: CourseIndex) -> None:
    ticks: list[None] = []
    results = run_retrieval(shipped, [RAFT, WINE], lambda: ticks.append(None))
    assert [(result.case_id, result.system) for result in results] == [("raft", system) for system in SYSTEMS]
    assert {result.scores["lesson success@5"] for result in results} == {1.0}
    assert all(result.lessons[0] == "lessons/14-consensus.md" and result.search_ms > 0 for result in results)
    assert len(ticks) == 1


def test_the_best_grade_of_a_lessons_sections_is_the_lessons(shipped: CourseIndex) -> None:
    relevant = (
        Relevant(lesson="consensus", section="key-terms", grade=1),
        Relevant(lesson="pacelc", section="objectives", grade=2),
        Relevant(lesson="pacelc", section="key-terms", grade=1),
    )
    hybrid = run_retrieval(shipped, [RAFT.model_copy(update={"relevant": relevant})], lambda: None)[0]
    place = hybrid.lessons.index("lessons/11-pacelc.md") + 1
    assert hybrid.lessons[0] == "lessons/14-consensus.md"
    assert hybrid.scores["lesson ndcg@10"] == pytest.approx((1 + 2 / log2(place + 1)) / (2 + 1 / log2(3)))
    assert hybrid.scores["lesson recall@10"] == 1.0
    assert hybrid.scores["section recall@10"] <= 2 / 3  # Objectives are not searched.


@pytest.mark.parametrize("run", [run_retrieval, run_answers])
@pytest.mark.parametrize(("lesson", "section"), [("consensus", "nowhere"), ("nowhere", "key-terms"), ("14", "key-terms")])
def test_a_case_that_names_a_section_the_course_lacks_is_an_error(
    shipped: CourseIndex, run: Callable[..., object], lesson: str, section: str
) -> None:
    case = Case(id="lost", kind="how", question="How?", relevant=(Relevant(lesson=lesson, section=section),))
    with pytest.raises(CaseError, match=f"case 'lost' names {lesson}#{section}"):
        run(shipped, [case], lambda: None)


# Answers


def test_answers_are_judged_by_what_should_have_come_of_them(shipped: CourseIndex) -> None:
    swapped = [
        RAFT.model_copy(update={"id": "refuse", "relevant": ()}),
        WINE.model_copy(update={"id": "w", "relevant": RAFT.relevant}),
    ]
    results = run_answers(shipped, [RAFT, WINE, *swapped], lambda: None)
    assert [(result.refused, result.right) for result in results] == [
        (False, True),
        (True, True),
        (False, False),
        (True, False),
    ]


def test_quotes_of_a_case_are_counted_and_checked(shipped: CourseIndex) -> None:
    (result,) = run_answers(shipped, [RAFT], lambda: None)
    assert 1 <= result.citations == result.verbatim
    assert result.words == len(result.answer.split())


def test_the_first_passage_is_relevant_when_the_case_names_its_section(shipped: CourseIndex) -> None:
    sections = [section.anchor for section in shipped.lesson("consensus").sections]
    cases = [
        RAFT.model_copy(update={"id": name, "relevant": (Relevant(lesson="consensus", section=name),)}) for name in sections
    ]
    results = run_answers(shipped, cases, lambda: None)
    assert sum(result.lead_relevant is True for result in results) == 1
    assert sum(result.lead_relevant is False for result in results) == len(sections) - 1


def test_a_declined_case_has_no_first_passage(shipped: CourseIndex) -> None:
    (result,) = run_answers(shipped, [WINE], lambda: None)
    assert (result.lead_relevant, result.citations, result.verbatim) == (None, 0, 0)


# Calibration


def made_up(count: int) -> tuple[np.ndarray[tuple[int, int], np.dtype[np.float64]], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Signals in which the covered ones are higher, with a generator of fixed seed."""
    random = np.random.default_rng(1)
    covered = np.arange(count) % 2 == 0
    return random.random((count, len(fields(Signals)))) + covered[:, None], covered


def test_what_is_fitted_is_what_answers_are_judged_by() -> None:
    signals, covered = made_up(40)
    model = _fit(signals, covered, np.ones(40))
    lists = {name: tuple(value) for name, value in model.items() if isinstance(value, list)}
    used = Weights(**lists, bias=float(str(model["bias"])), threshold=0.5)
    expected = [used.probability(Signals(*(float(value) for value in row))) for row in signals]
    assert _probability(model, signals).tolist() == pytest.approx(expected)
    assert min(np.array(expected)[covered]) > max(np.array(expected)[~covered])


def test_the_unit_a_signal_is_measured_in_changes_nothing() -> None:
    signals, covered = made_up(40)
    other_unit = signals.copy()
    other_unit[:, 0] *= 50
    first, second = (_probability(_fit(some, covered, np.ones(40)), some) for some in (signals, other_unit))
    assert first.tolist() == pytest.approx(second.tolist(), abs=0.01)


def test_products_are_the_upper_triangle_row_by_row() -> None:
    assert _products(np.array([[2.0, 3.0, 5.0]])).tolist() == [[2, 3, 5, 4, 6, 10, 9, 15, 25]]


def test_a_course_without_authors_questions_loses_that_signal_alone() -> None:
    signals, _ = made_up(1)
    kept = dict(zip([field.name for field in fields(Signals)], _without_asks(signals)[0], strict=True))
    before = Signals(*(float(value) for value in signals[0]))
    assert kept == {field.name: getattr(before, field.name) for field in fields(Signals)} | {"asked": 0.0}
    assert astuple(before)[:2] == tuple(signals[0][:2])


def test_at_every_length_covered_and_uncovered_questions_weigh_the_same() -> None:
    lengths = [4] * 4 + [4] * 8 + [12] * 5 + [12] * 3
    covered = np.array([True] * 4 + [False] * 8 + [True] * 5 + [False] * 3)
    cases = [Case(id=str(place), kind="far", question="w " * length) for place, length in enumerate(lengths)]
    weights = _length_balanced(cases, covered)
    groups = [weights[:4], weights[4:12], weights[12:17], weights[17:]]
    assert [group.sum() for group in groups] == pytest.approx([5.0] * 4)
    assert weights.sum() == pytest.approx(20)


def test_a_sort_of_question_seen_once_does_not_weigh_as_much_as_many() -> None:
    cases = [Case(id=str(place), kind="far", question="w w") for place in range(7)]
    weights = _length_balanced(cases, np.array([True] + [False] * 6))
    assert weights[0] == pytest.approx(weights[1:].sum() / 3)
