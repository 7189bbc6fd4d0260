"""The chat page: a conversation with the course. Answers are stored before they are shown, so a rerun loses nothing."""

import streamlit as st

from ingest.errors import TutorError
from tutor.answer import Answer, Citation, ask, name_of
from tutor.question import Turn
from tutor.search import QUESTION_LIMIT_CHARS
from ui.shared import course_index, escape, show_error

SUGGESTIONS = 4
SUGGESTION_CHARS = 50
"""The length of a question that fits a button."""


def main() -> None:
    """Show the conversation, then take the next question."""
    index = course_index()
    turns: list[tuple[str, Answer | TutorError]] = st.session_state.setdefault("turns", [])
    question = st.chat_input("Ask about the course", max_chars=QUESTION_LIMIT_CHARS)
    header, button = st.columns([4, 1], vertical_alignment="bottom")
    header.title("Ask the course")
    welcome = st.empty()
    if not turns and not question:
        with welcome.container():
            question = _welcome(index.outline["title"], [lesson.asks for lesson in index.lessons])
        if question:
            welcome.empty()
    if turns or question:
        button.button("New chat", icon=":material/edit_square:", width="stretch", on_click=turns.clear)
    for asked, answer in turns:
        _show_question(asked)
        _show_answer(answer)
    if question:
        _show_question(question)
        with st.spinner("Reading the course"):
            turns.append((question, _answer(question, turns)))
        _show_answer(turns[-1][1])


def _answer(question: str, turns: list[tuple[str, Answer | TutorError]]) -> Answer | TutorError:
    history = [
        turn
        for asked, answer in turns
        if isinstance(answer, Answer)
        for turn in (Turn("user", asked), Turn("assistant", answer.answer))
    ]
    try:
        return ask(course_index(), question, history)
    except TutorError as error:
        return error


def _welcome(title: str, asks: list[tuple[str, ...]]) -> str | None:
    """An empty conversation: what this is, and some questions to begin with. Returns the one that was clicked."""
    st.markdown(
        f"Answers come from the course *{escape(title)}*, word for word, and every statement says where it stands. "
        "Ask in your own words, or start with one of these:"
    )
    spread = [min(lesson_asks, key=lambda ask: abs(len(ask) - SUGGESTION_CHARS)) for lesson_asks in asks if lesson_asks]
    step = max(len(spread) // SUGGESTIONS, 1)
    columns = st.columns(2)
    for place, suggestion in enumerate(spread[::step][:SUGGESTIONS]):
        if columns[place % 2].button(escape(suggestion), key=f"suggestion-{place}", width="stretch"):
            return suggestion
    return None


def _show_question(asked: str) -> None:
    with st.chat_message("user"):
        st.markdown(escape(asked))


def _show_answer(answer: Answer | TutorError) -> None:
    with st.chat_message("assistant"):
        if isinstance(answer, TutorError):
            show_error(answer)
            return
        st.markdown(escape(answer.answer))
        for citation in answer.citations:
            _show_citation(citation)
        _show_related(answer)


def _show_citation(citation: Citation) -> None:
    place = name_of(citation.lesson, citation.title).replace("*", "")
    label = f"[{citation.n}]  {place[:1].upper()}{place[1:]} · {citation.section}"
    st.page_link(
        "pages/lesson.py",
        label=escape(label),
        query_params={"id": citation.lesson_id, "from": str(citation.start), "to": str(citation.end)},
        help="Open the lesson with these words marked",
        icon=":material/format_quote:",
    )


def _show_related(answer: Answer) -> None:
    if not answer.related:
        return
    st.caption("Nearest lessons" if answer.refused else "Read next")
    for entry in answer.related:
        name = name_of(entry.lesson, entry.title).replace("*", "")
        st.page_link(
            "pages/lesson.py",
            label=escape(f"{name[:1].upper()}{name[1:]}"),
            query_params={"id": entry.lesson_id, "at": entry.anchor},
            icon=":material/menu_book:",
        )


main()
