"""What a question asks for, and when it takes its subject from the conversation before."""

import pytest

from tutor.question import AVOIDED_ROLES, ROLE_PREFERENCE, Turn, kind_of, leans_on_before, role_preference, with_subject

SUBJECT = "How does two-phase commit work?"


def said(*contents: str) -> list[Turn]:
    """A conversation that the user begins."""
    return [Turn("assistant" if place % 2 else "user", content) for place, content in enumerate(contents)]


@pytest.mark.parametrize(
    ("kind", "questions"),
    [
        (
            "definition",
            ["What is a quorum?", "whats a quorum", "wat is CAP", "Define linearizability", "Explain vector clocks"],
        ),
        ("how", ["How does Raft elect a leader?", "Walk me through an election", "What happens when a lease ends?"]),
        (
            "why",
            ["Why do clocks drift?", "what's the point of an ADR?", "How come the replica is behind?", "Purpose of a lease?"],
        ),
        (
            "when",
            ["When should I use sagas?", "Do we need a second server?", "Is it worth it to shard?", "is one server overkill"],
        ),
        (
            "compare",
            ["Raft vs Paxos", "What is the difference between CP and AP?", "Should I shard or just buy a bigger disk?"],
        ),
        (
            "number",
            ["How many replicas do I need?", "how long is a lease", "What does it cost?", "requests per second of one server"],
        ),
        ("symptom", ["Reads are suddenly slow", "We get random 502s", "The customer was charged twice", "my query hangs"]),
        ("example", ["Give me an example of a saga", "Who uses Raft?", "Show a case study", "quorums in production"]),
        ("general", ["consistency models", "leader election", ""]),
    ],
)
def test_the_kind_of_a_question_is_read_from_its_wording(kind: str, questions: list[str]) -> None:
    assert {question: kind_of(question) for question in questions} == dict.fromkeys(questions, kind)


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Why is 2PC slower than one commit?", "symptom"),
        ("What is the difference in cost per month?", "compare"),
        ("How many retries when the call fails?", "number"),
        ("When should I ask why?", "when"),
        ("What is an example of a lease?", "example"),
    ],
)
def test_where_two_kinds_fit_the_more_particular_one_is_taken(question: str, kind: str) -> None:
    assert kind_of(question) == kind


@pytest.mark.parametrize(
    ("shouted", "spoken"), [("WHY DO CLOCKS DRIFT?", "why do clocks drift?"), ("RAFT VS PAXOS", "raft vs paxos")]
)
def test_the_kind_does_not_depend_on_capitals(shouted: str, spoken: str) -> None:
    assert kind_of(shouted) == kind_of(spoken)


@pytest.mark.parametrize("question", ["Explain the showdown", "What is a countdown latch?", "a shower of costumes"])
def test_a_part_of_a_word_tells_nothing(question: str) -> None:
    assert kind_of(question) in {"definition", "general"}


def test_every_kind_that_a_question_can_have_has_preferred_roles() -> None:
    questions = ["a vs b", "how many", "it hangs", "when to", "an example", "why", "how", "what is", "words"]
    assert {kind_of(question) for question in questions} == set(ROLE_PREFERENCE)


@pytest.mark.parametrize(
    ("kind", "better", "worse"),
    [
        ("definition", "short-answer", "failure-modes"),
        ("how", "how-it-works", "real-case"),
        ("when", "when", "how-it-works"),
        ("number", "worked-example", "misreadings"),
        ("symptom", "failure-modes", "worked-example"),
        ("example", "real-case", "when"),
        ("compare", "trade-offs", "check-yourself"),
        ("general", "short-answer", "my-own-heading"),
    ],
)
def test_sections_that_suit_a_kind_are_preferred(kind: str, better: str, worse: str) -> None:
    assert role_preference(kind, better) > role_preference(kind, worse)


def test_a_heading_of_another_course_is_neither_preferred_nor_avoided() -> None:
    assert {role_preference(kind, "my-own-heading") for kind in ROLE_PREFERENCE} == {0.0}


def test_answers_of_the_self_test_are_avoided_whatever_is_asked() -> None:
    assert {role_preference(kind, anchor) for kind in ROLE_PREFERENCE for anchor in AVOIDED_ROLES} == {-1.0}


@pytest.mark.parametrize(
    "question",
    [
        "and what does it cost?",
        "But what if the coordinator never comes back?",
        "so when would I use it",
        "What about latency?",
        "How does that compare with Paxos?",
        "why?",
        "an example?",
        "Which of these is cheaper?",
        "And the other one?",
        "more details please",
        "for Postgres too?",
        "Costs?",
    ],
)
def test_a_follow_up_leans_on_what_was_said_before(question: str) -> None:
    assert leans_on_before(question)


@pytest.mark.parametrize(
    "question",
    [
        "How does Raft elect a leader?",
        "What does the CAP theorem say about partitions?",
        "Explain vector clocks to me please",
        "Our andon light blinks during every deployment",
        "How do I write an architectural decision record?",
    ],
)
def test_a_question_that_names_its_subject_stands_alone(question: str) -> None:
    assert not leans_on_before(question)


def test_a_follow_up_gets_the_question_before_it_as_its_subject() -> None:
    assert with_subject("and what does it cost?", said(SUBJECT, "It has two phases.")) == f"{SUBJECT} and what does it cost?"


def test_follow_ups_in_between_are_passed_over() -> None:
    history = said(
        "What does the CAP theorem say?", "Choose.", SUBJECT, "Two phases.", "why?", "Because.", "and then?", "Done."
    )
    assert with_subject("an example?", history) == f"{SUBJECT} an example?"


def test_where_no_question_stands_alone_the_first_one_is_the_subject() -> None:
    history = said("and two-phase commit?", "It has two phases.", "why?", "Because.")
    assert with_subject("an example?", history) == "and two-phase commit? an example?"


def test_a_question_that_stands_alone_takes_nothing_from_before() -> None:
    question = "How does Raft elect a leader?"
    assert with_subject(question, said(SUBJECT, "Two phases.")) == question


@pytest.mark.parametrize("history", [[], [Turn("assistant", SUBJECT)], said("  \n")])
def test_without_an_earlier_question_a_follow_up_stays_as_it_is(history: list[Turn]) -> None:
    assert with_subject("and why?", history) == "and why?"


def test_what_the_tutor_said_is_no_subject() -> None:
    history = said(SUBJECT, "Architectural decision records are kept beside the code.")
    assert "decision records" not in with_subject("and why?", history)


def test_only_the_beginning_of_a_long_question_is_carried_over() -> None:
    long = "How does a coordinator with many participants decide? " * 40
    carried = with_subject("and why?", said(long, "By votes."))
    assert carried == f"{long[:600]} and why?"
