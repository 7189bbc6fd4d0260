"""The lesson reader: contents by module, the lesson with drawn diagrams, a quotation marked, previous and next.

Address: ``/lesson?id=ID`` (or ``n=NUMBER``), with ``from`` and ``to`` (a span to mark) or ``at`` (an anchor).
"""

import json

import streamlit as st

from ingest.errors import TutorError
from tutor.course_index import CourseIndex, LessonEntry
from ui.lesson_html import render_lesson
from ui.shared import course_index, escape, show_error


def main() -> None:
    """Show the lesson of the address, or the first."""
    index = course_index()
    # A link from this page to itself changes what the server knows, not what the browser shows: tell it.
    st.query_params.from_dict(st.query_params.to_dict())
    lesson = _chosen(index)
    _contents(index, lesson)
    _heading(index, lesson)
    addresses = {entry.path: f"lesson?id={entry.lesson_id}" for entry in index.lessons}
    for part in render_lesson(lesson, index.source(lesson.path), addresses, _quote()):
        if part.kind == "diagram":
            st.mermaid_chart(part.text)
        else:
            st.html(f'<article class="lesson">{part.text}</article>')
    _neighbours(index, lesson)
    _go_to(st.query_params.get("at", ""))


def _chosen(index: CourseIndex) -> LessonEntry:
    name = st.query_params.get("id") or st.query_params.get("n")
    if not name:
        return index.lessons[0]
    try:
        return index.lesson(name)
    except TutorError as error:
        show_error(error)
        return index.lessons[0]


def _quote() -> tuple[int, int] | None:
    start, end = st.query_params.get("from", ""), st.query_params.get("to", "")
    return (int(start), int(end)) if start.isdecimal() and end.isdecimal() else None


def _contents(index: CourseIndex, lesson: LessonEntry) -> None:
    """The course's contents in the sidebar: a module is open when the lesson is in it."""
    written = {entry.lesson_id: entry for entry in index.lessons}
    with st.sidebar:
        for module in index.outline["modules"]:
            inside = [entry for entry in index.lessons if entry.kind == "lesson" and entry.module == module["id"]]
            planned = [entry for entry in index.outline["planned"] if entry["module"] == module["id"]]
            waiting = [entry for entry in planned if entry["lesson_id"] not in written]
            if not inside and not waiting:
                continue
            with st.expander(escape(module["title"]), expanded=lesson.module == module["id"]):
                for entry in inside:
                    _link(entry, lesson)
                if waiting:
                    st.caption(f"{len(waiting)} more announced")
        for entry in index.lessons:
            if entry.kind != "lesson" or not entry.module:
                _link(entry, lesson)


def _link(entry: LessonEntry, shown: LessonEntry) -> None:
    label = f"{entry.number}  {entry.title}" if entry.number is not None else entry.title
    st.page_link(
        "pages/lesson.py",
        label=escape(f"**{label}**" if entry == shown else label),
        query_params={"id": entry.lesson_id},
    )


def _heading(index: CourseIndex, lesson: LessonEntry) -> None:
    titles = {module["id"]: module["title"] for module in index.outline["modules"]}
    facts = [titles.get(lesson.module, "Essay" if lesson.kind == "essay" else "")]
    facts += [f"lesson {lesson.number}"] if lesson.number is not None else []
    facts += [f"{lesson.minutes} minutes"] if lesson.minutes else []
    st.caption(escape(" · ".join(fact for fact in facts if fact)))
    if lesson.summary:
        st.markdown(f"*{escape(lesson.summary)}*")
    before = [entry for entry in index.lessons if entry.lesson_id in lesson.prerequisites]
    if before:
        with st.container(horizontal=True):
            st.caption("Read before:")
            for entry in before:
                _link(entry, lesson)


def _neighbours(index: CourseIndex, lesson: LessonEntry) -> None:
    place = index.lessons.index(lesson)
    left, right = st.columns(2)
    if place > 0:
        with left:
            st.caption("Previous")
            _link(index.lessons[place - 1], lesson)
    if place + 1 < len(index.lessons):
        with right:
            st.caption("Next")
            _link(index.lessons[place + 1], lesson)


def _go_to(anchor: str) -> None:
    """Scroll to the marked quotation, else to the anchor, once the page has been drawn."""
    st.html(
        f"""<script>
        (() => {{
          const anchor = {json.dumps(anchor)} || decodeURIComponent(location.hash.slice(1));
          let tries = 0;
          const go = () => {{
            const target = document.getElementById("quote") || (anchor && document.getElementById(anchor));
            if (target) target.scrollIntoView({{block: "center"}});
            else if (tries++ < 40) setTimeout(go, 100);
          }};
          setTimeout(go, 150);
        }})();
        </script>""",
        unsafe_allow_javascript=True,
    )


main()
