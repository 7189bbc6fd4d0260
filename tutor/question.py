"""What a question asks for, and what it takes from the conversation; without a model, by fixed rules.

The kind decides which roles of a lesson's sections (short answer, worked example, failure table...) are likely to hold
the answer. It is a preference, never a filter: a course whose sections have other names loses nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_KINDS: Sequence[tuple[str, re.Pattern[str]]] = tuple(
    (kind, re.compile(pattern, re.IGNORECASE))
    for kind, pattern in (
        (
            "compare",
            r"\b(?:vs\.?|versus|differen(?:ce|t)|compared?|rather than|better than|or (?:should|do|is|just|a|an|the)\b"
            r"|instead of|which (?:one|of)|prefer)",
        ),
        (
            "number",
            r"\bhow (?:many|much|long|big|large|often|far|fast)\b|\bwhat (?:percentage|number|figure|size|share)\b"
            r"|\bcalculate|\bestimate\b|\bper (?:second|month|day|hour|year)\b|\bcosts?\b|\bprice",
        ),
        (
            "symptom",
            r"\b(?:error|errors|fails?|failed|failing|broken|stuck|slow(?:er|ly)?|crash\w*|weird|wrong|disappear\w*|lost"
            r"|missing|timeouts?|time out|hang\w*|spik\w*|climb\w*|twice|duplicat\w*|freez\w*|down|404s?|500s?|502s?"
            r"|suddenly|keeps?|complain\w*|what (?:happened|is going on|went wrong)|going on|still shows?|old one)\b",
        ),
        (
            "when",
            r"\bwhen (?:should|do|is|would|not|to|can)\b|\bshould (?:we|i|you|one)\b|\bdo (?:we|i) (?:need|have|really)\b"
            r"|\bis it (?:worth|ok|okay|fine|time|safe|enough)\b|\bworth (?:it|the)\b|\bgood enough\b|\boverkill\b",
        ),
        (
            "example",
            r"\bexamples?\b|\bin (?:practice|real life|the wild|production)\b|\bcase study\b|\bwho (?:uses|did|has)\b",
        ),
        ("why", r"\bwhy\b|\bhow come\b|\bwhat(?:'s| is) the (?:reason|point)\b|\breasons? for\b|\bpurpose of\b"),
        ("how", r"\bhow\b|\bsteps?\b|\bwhat happens\b|\bmechanism\b|\bwalk me through\b"),
        (
            "definition",
            r"\bwhat(?:'s|s| is| are| does)\b|\bwat is\b|\bdefin(?:e|ition)\b|\bmeaning of\b|\bmeans?\b|\bexplain\b"
            r"|\bwhat do you (?:mean|call)\b|\btell me about\b",
        ),
    )
)

ROLE_PREFERENCE: Mapping[str, Mapping[str, float]] = {
    "definition": {"key-terms": 0.5, "short-answer": 1.0, "idea": 0.6},
    "how": {"how-it-works": 1.0, "short-answer": 0.7, "worked-example": 0.2},
    "why": {"idea": 0.5, "short-answer": 0.7, "misreadings": 0.4, "how-it-works": 0.3},
    "when": {"when": 1.0, "short-answer": 0.7, "trade-offs": 0.4},
    "compare": {"trade-offs": 1.0, "short-answer": 0.6, "misreadings": 0.4, "when": 0.4},
    "number": {"worked-example": 1.0, "trade-offs": 0.3, "real-case": 0.3, "short-answer": 0.3},
    "symptom": {"failure-modes": 1.0, "short-answer": 0.4},
    "example": {"real-case": 1.0, "worked-example": 0.6},
    "general": {"short-answer": 0.8},
}
"""Kind of question -> role (the section's anchor) -> how much the role is preferred, 0 to 1."""

AVOIDED_ROLES: Mapping[str, float] = {"check-yourself": -1.0}
"""Self-test answers are found, and lead to the lesson, but are a poor thing to quote: they give the quiz away."""

_LEANS_ON_BEFORE = re.compile(
    r"^(?:and|but|so|or|also|what about|how about|why not|why|then|ok|okay|an? example|more|really|which|when)\b"
    r"|\b(?:it|its|that|this|those|these|they|them|one|ones|the other|former|latter|there|same)\b",
    re.IGNORECASE,
)
_POINTS_BACK = re.compile(
    r"^(?:and|but|so|or|also|what about|how about|why not)\b"
    r"|\b(?:it|its|this|these|those|they|them|their|(?:the other|which|that|this) one|the other|former|latter)\b",
    re.IGNORECASE,
)
_SHORT_WORDS = 4
_CONTEXT_LIMIT_CHARS = 600


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; ``role`` is user or assistant."""

    role: str
    content: str


def kind_of(question: str) -> str:
    """The kind of a question: one of the keys of ROLE_PREFERENCE."""
    return next((kind for kind, pattern in _KINDS if pattern.search(question)), "general")


def role_preference(kind: str, anchor: str) -> float:
    """How much a section with that anchor is preferred for a question of that kind, -1 to 1; 0 for unknown roles."""
    return ROLE_PREFERENCE[kind].get(anchor, AVOIDED_ROLES.get(anchor, 0.0))


def leans_on_before(question: str) -> bool:
    """Whether a question is likely to take its subject from the turns before it."""
    return bool(_LEANS_ON_BEFORE.search(question)) or len(question.split()) < _SHORT_WORDS


def points_back(question: str) -> bool:
    """Whether a question opens as a continuation, or has a pronoun that stands for something said before."""
    return bool(_POINTS_BACK.search(question))


def with_subject(question: str, history: Sequence[Turn]) -> str:
    """The question with the subject of the last question that stands alone put before it; itself where it stands alone."""
    if not leans_on_before(question):
        return question
    asked = [turn.content.strip() for turn in history if turn.role == "user" and turn.content.strip()]
    for earlier in reversed(asked):
        subject = earlier[:_CONTEXT_LIMIT_CHARS]
        if not leans_on_before(earlier) or earlier == asked[0]:
            return f"{subject} {question}"
    return question
