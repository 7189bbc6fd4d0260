"""What the pages share: the open course, one for all sessions, and the look."""

import os
import threading
from pathlib import Path

import streamlit as st

from ingest.embedder import OnnxEmbedder, load_embedder
from ingest.errors import TutorError
from tutor.course_index import CourseIndex, open_store
from tutor.settings import Settings, read_settings

STYLE = Path(__file__).parent / "style.css"
FAVICON = str(Path(__file__).parent / "favicon.svg")
"""A file of ours: Streamlit would fetch the picture of a named icon from another host."""
_opening = threading.Lock()


def settings() -> Settings:
    """The settings this server was started with."""
    return read_settings(os.environ)


@st.cache_resource(show_spinner="Loading the language model")
def _embedder(name: str, cache: str) -> OnnxEmbedder:
    return load_embedder(name, Path(cache))


_held: list[CourseIndex] = []
"""The open index of this server process: none or one, replaced when a new version is published."""


def course_index() -> CourseIndex:
    """The published version, shared by all sessions; reopened when another is published. Stops the page on an error."""
    try:
        with _opening:
            if not _held or not _held[0].is_current():
                chosen = settings()
                store = open_store(chosen.course, chosen.home, chosen.qdrant_url, chosen.qdrant_api_key)
                # The one before is not closed: a session may be reading from it, and it ends with its last reader.
                _held[:] = [CourseIndex(store, _embedder(chosen.embedder, str(chosen.cache)))]
            return _held[0]
    except TutorError as error:
        show_error(error)
        st.stop()


def release() -> None:
    """Let go of the open index; the next page opens it anew."""
    with _opening:
        for index in _held:
            index.close()
        _held.clear()


def show_error(error: TutorError) -> None:
    """An error as message and cure."""
    st.error(error.message, icon=":material/error:")
    if error.hint:
        st.info(error.hint, icon=":material/build:")


def apply_style() -> None:
    """The app's style sheet."""
    st.html(STYLE)


def escape(text: str) -> str:
    """Text for st.markdown in which '$' stays a dollar sign (it would begin a formula) and ':' no emoji or colour."""
    return text.replace("$", "\\$").replace(":material", ":\u200bmaterial")
