"""Whether a question is the course's to answer: the signals measured by hand, the weights, the verdict."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import astuple, fields
from math import log, sqrt

import pytest

from ingest.course import read_course
from ingest.edge_store import EdgeStore
from ingest.publish import publish_index
from ingest.store import Where
from tests.fakes import WordEmbedder
from tutor.course_index import CourseIndex
from tutor.coverage import WEIGHTS_FILE, Signals, Weights, judge_coverage, measure, read_weights, word_overlap
from tutor.particulars import MOST, count_particulars
from tutor.search import search

NAMES = [field.name for field in fields(Signals)]
COUNT = len(NAMES)
LESSON = """---
asks:
  - {q: "How shiny is the crust?", section: shine}
---
# Bread

## Shine
Steam makes a crust.

## Bowl
Water and flour make a dough.

## Taste
Salt tastes.
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CourseIndex]:
    """A lesson of three sentences, with the computable embedder."""
    folder, store, words = tmp_path_factory.mktemp("tiny"), EdgeStore(tmp_path_factory.mktemp("store")), WordEmbedder()
    (folder / "bread.md").write_text(LESSON, "utf-8")
    publish_index(read_course(folder), store, words)
    with contextlib.closing(CourseIndex(store, words)) as index:
        yield index


def signals(**given: float) -> Signals:
    return Signals(**{name: given.get(name, 0.0) for name in NAMES})


def weights(
    linear: dict[int, float], products: dict[int, float], bias: float, centre: float = 0.0, scale: float = 1.0
) -> Weights:
    """Weights that are zero but for those that are given by their place."""
    return Weights(
        centre=(centre,) * COUNT,
        scale=(scale,) * COUNT,
        linear=tuple(linear.get(place, 0.0) for place in range(COUNT)),
        products=tuple(products.get(place, 0.0) for place in range(COUNT * (COUNT + 1) // 2)),
        bias=bias,
        threshold=0.5,
    )


def measured(index: CourseIndex, question: str, where: Where | None = None) -> Signals:
    return measure(index, search(index, question, where))


# The probability


def test_without_evidence_the_probability_is_one_half() -> None:
    assert weights({}, {}, 0.0).probability(signals(nearest=0.8, words=2.0)) == 0.5


def test_bias_linear_terms_and_products_are_summed_before_the_logistic_function() -> None:
    # nearest is 2 and depth is 1; the products begin nearest², nearest·depth, and depth² opens the second row.
    given = weights({0: 0.3, 1: -0.4}, {0: 0.1, 1: 0.05, COUNT: -0.2}, bias=0.5)
    # 0.5 + 0.3·2 - 0.4·1 + 0.1·4 + 0.05·2 - 0.2·1 = 1
    assert given.probability(signals(nearest=2.0, depth=1.0)) == pytest.approx(0.7310585786)


def test_signals_are_centred_and_scaled_first() -> None:
    given = weights({0: 1.0}, {}, bias=0.0, centre=0.5, scale=0.25)
    # (1 - 0.5) / 0.25 = 2
    assert given.probability(signals(nearest=1.0)) == pytest.approx(0.8807970780)


def test_the_last_product_is_the_square_of_the_last_signal() -> None:
    given = weights({}, {COUNT * (COUNT + 1) // 2 - 1: 0.25}, bias=0.0)
    assert given.probability(signals(**{NAMES[-1]: 2.0})) == pytest.approx(0.7310585786)


@pytest.mark.parametrize(("bias", "probability"), [(1e6, 1.0), (-1e6, 0.0)])
def test_overwhelming_evidence_is_no_overflow(bias: float, probability: float) -> None:
    assert weights({}, {}, bias).probability(signals()) == pytest.approx(probability, abs=1e-9)


def test_the_shipped_weights_fit_the_signals() -> None:
    stored = json.loads(WEIGHTS_FILE.read_text("utf-8"))
    assert stored["signals"] == NAMES
    assert {name: len(stored[name]) for name in ("centre", "scale", "linear")} == dict.fromkeys(
        ("centre", "scale", "linear"), COUNT
    )
    assert len(stored["products"]) == COUNT * (COUNT + 1) // 2
    assert min(stored["scale"]) > 0
    assert 0 < stored["threshold"] < 1


def test_the_shipped_weights_are_the_ones_that_are_used() -> None:
    stored = json.loads(WEIGHTS_FILE.read_text("utf-8"))
    used = read_weights()
    assert (used.bias, used.threshold, list(used.linear)) == (stored["bias"], stored["threshold"], stored["linear"])


# The signals


def test_nearest_and_depth_are_the_best_and_the_mean_cosine_of_the_sentences(tiny: CourseIndex) -> None:
    cosines = (2 / sqrt(3 * 2), 1 / sqrt(2 * 2), 1 / sqrt(4 * 2))  # Steam and crust; salt; water, flour and dough.
    got = measured(tiny, "crust")
    assert (got.nearest, got.depth) == pytest.approx((cosines[0], sum(cosines) / 3), abs=1e-6)


def test_the_nearest_chunk_is_measured_with_its_headings(tiny: CourseIndex) -> None:
    assert measured(tiny, "salt").chunk == pytest.approx(2 / 2, abs=1e-6)


def test_a_word_the_course_never_uses_counts_by_its_rarity(tiny: CourseIndex) -> None:
    # Of three sections one holds "crust" and none "zebra": ln(1 + 2.5/1.5) against ln(1 + 3.5/0.5).
    crust, zebra = log(1 + 2.5 / 1.5), log(8)
    assert measured(tiny, "crust").known == 1.0
    assert measured(tiny, "crust zebra").known == pytest.approx(crust / (crust + zebra))
    assert measured(tiny, "zebra").known == 0.0


def test_words_held_are_those_of_the_best_sections_alone(tiny: CourseIndex) -> None:
    outside = Where(lesson_ids=("no-such-lesson",))
    assert (measured(tiny, "crust").held, measured(tiny, "crust", outside).held) == (1.0, 0.0)
    assert measured(tiny, "crust", outside).known == 1.0


def test_words_are_counted_once_and_without_stop_words(tiny: CourseIndex) -> None:
    assert measured(tiny, "the crust, the crust and the steam").words == pytest.approx(log(3))


def test_an_authors_own_question_is_recognised(tiny: CourseIndex) -> None:
    assert measured(tiny, "How shiny is the crust?").asked == pytest.approx(1.0, abs=1e-6)
    assert measured(tiny, "salt salt salt salt").asked < 0.5


def test_without_any_finding_every_signal_of_likeness_is_zero(tiny: CourseIndex) -> None:
    got = measured(tiny, "zebra", Where(lesson_ids=("no-such-lesson",)))
    assert (got.nearest, got.depth, got.known, got.held, got.asked, got.chunk) == (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def test_the_nearest_foreign_subject_is_the_same_whatever_lessons_are_searched(tiny: CourseIndex) -> None:
    outside = Where(lesson_ids=("no-such-lesson",))
    assert measured(tiny, "zebra", outside).outside == measured(tiny, "zebra").outside > 0


def test_common_words_of_questions_tell_little(tiny: CourseIndex) -> None:
    question = tiny.bm25.tokens("gluten example")  # Neither is in the lesson, so both are equally rare.
    assert word_overlap(tiny, question, "gluten") == pytest.approx(1 / 1.15)
    assert word_overlap(tiny, question, "for example") == pytest.approx(0.15 / 1.15)
    assert word_overlap(tiny, question, "an example of gluten") == pytest.approx(1.0)
    assert word_overlap(tiny, frozenset(), "gluten") == 0.0


@pytest.mark.parametrize(
    ("question", "signs"),
    [
        ("What is a quorum?", 0),
        ("Does Zanzibar use a quorum?", 1),  # A name the course never mentions.
        ("How do I call `zan`?", 1),  # Code it never shows.
        ("Which flag sets the quorum?", 1),  # The exact form of something.
        ("What did our team decide about the quorum?", 1),  # The asker's own affairs.
        ("What is the exact syntax for Zanzibar in our repo?", 3),
    ],
)
def test_signs_of_a_particular_are_counted(question: str, signs: int) -> None:
    assert count_particulars(question, lambda word: "zan" not in word.lower()) == signs


def test_names_and_code_that_the_course_uses_are_no_signs() -> None:
    assert count_particulars("Does Zanzibar call `zan` twice?", lambda word: True) == 0


def test_a_capital_that_begins_a_sentence_makes_no_name() -> None:
    assert count_particulars("Replicas lag. Quorums help. Why?", lambda word: False) == 0


def test_no_question_has_more_signs_than_the_limit() -> None:
    question = "Which flag did my team set today in `a.b`, `c_d`, Zan, Zib, Zar and ZIZ?"
    assert count_particulars(question, lambda word: False) == MOST


# The verdict


def test_the_verdict_is_the_probability_against_the_threshold(shipped: CourseIndex) -> None:
    threshold = read_weights().threshold
    for question in ("How does two-phase commit work?", "Which wine goes with grilled salmon?"):
        verdict = judge_coverage(shipped, search(shipped, question))
        assert verdict.covered == (verdict.probability >= threshold)
        assert read_weights().probability(verdict.signals) == verdict.probability


def test_a_question_of_the_course_is_nearer_to_it_than_to_any_other_subject(shipped: CourseIndex) -> None:
    ours, theirs = (measured(shipped, text) for text in ("How does Raft elect a leader?", "How do I train for a marathon?"))
    assert ours.nearest > ours.outside
    assert theirs.nearest < theirs.outside
    assert all(0 <= value <= 5 for value in (*astuple(ours), *astuple(theirs)))
