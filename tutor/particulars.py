"""Signs that a question asks for a particular that lessons do not hold, whatever words it shares with them.

Four kinds: names the course never mentions, code it never shows, a request for the exact form of something (a command, a
parameter, a proof), and the state of the asker's own systems, team or bills. None decides alone: their number is one of
the signals of ``coverage``. The patterns are English.
"""

import re
from collections.abc import Callable

MOST = 4

_WORD = re.compile(r"[A-Za-z][\w'’-]+")
_SENTENCE = re.compile(r"(?<=[.?!:])\s+")
_INNER_CAPITAL = re.compile(r"[a-z][A-Z]")
_PRONOUNS = frozenset({"I", "I'm", "I've", "I'd", "I'll"})
_CODE = re.compile(
    r"`[^`]+`"  # quoted code
    r"|\b\w+\([^)]*\)"  # call(…)
    r"|\b\w*_\w+\b"  # snake_case
    r"|\b[a-z]+(?:\.[a-z0-9]+)+\b"  # dotted.name
    r"|(?<!\w)--?[a-z][\w-]+\b"  # --flag
    r"|\b[A-Z]+-?\d{2,}\b"  # E155037, PROJ-12
    r"|\b[a-z]+[A-Z]\w+\b"  # camelCase
    r"|\b\d+\.\d+\.\d+\b",  # 1.2.3
    re.ASCII,
)
_EXACT = re.compile(
    r"\b(?:exact(?:ly)? (?:syntax|command|query|line|name|wording)|syntax|commands?|flags?|keywords?|parameters?|arguments?"
    r"|options?|exit code|error codes?|status code|config(?:uration)? (?:key|file)|setting|snippet|yaml|json|regex"
    r"|one-?liner|api call|function|method|class|attribute|annotation|header|shortcut|button|menu|plugin|cli|sdk|script"
    r"|code for|write (?:me )?(?:a|an|the)|show me the|formula|derive|prove|proof|compute)\b",
    re.IGNORECASE,
)
_LIVE = re.compile(
    r"\b(?:yesterday|tonight|right now|at the moment|currently|today|this (?:morning|week|afternoon|evening|month)"
    r"|last (?:nights?|week|month|year|sprint|quarter|monday|tuesday|wednesday|thursday|friday)|calendar week"
    r"|in (?:january|february|march|april|may|june|july|august|september|october|november|december))\b"
    r"|\b(?:my|our) (?:colleagues?|team|account|bill|invoice|grafana|dashboard|repo|repository|staging|jira|slack|grade|boss"
    r"|manager|lead)\b"
    r"|\bI attached\b|\b(?:for me|please (?:run|restart|check|open|fix|do))\b|\bcan (?:you|u)\b",
    re.IGNORECASE,
)


def count_particulars(question: str, known: Callable[[str], bool]) -> int:
    """The number of signs in ``question``, at most 4; ``known`` tells whether the course uses a word."""
    names = min(sum(not known(name) for name in _names(question)), 3)
    codes = min(sum(not known(code) for code in _CODE.findall(question)), 2)
    exact = bool(_EXACT.search(question))
    live = bool(_LIVE.search(question))
    return min(names + codes + exact + live, MOST)


def _names(question: str) -> list[str]:
    """Words with a capital that no sentence begins with, and words in capitals wherever they stand."""
    return [
        word
        for sentence in _SENTENCE.split(question)
        for place, word in enumerate(_WORD.findall(sentence))
        if word[0].isupper() and word not in _PRONOUNS and (place > 0 or word.isupper() or _INNER_CAPITAL.search(word))
    ]
