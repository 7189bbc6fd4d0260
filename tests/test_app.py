"""The pages by Streamlit's own AppTest: what they show, and that a conversation is kept."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ingest.edge_store import EdgeStore
from ui import shared

APP = str(Path(__file__).parent.parent / "ui" / "app.py")
TIMEOUT_S = 60

pytestmark = pytest.mark.usefixtures("shipped_store")


@pytest.fixture(autouse=True)
def fresh_server(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The app reads its home from the environment; what one server process holds open is closed afterwards."""
    monkeypatch.setenv("TUTOR_HOME", str(shared_home))
    shared.release()
    yield
    shared.release()


def start(page: str = "", **query: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=TIMEOUT_S)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    if page:
        app.switch_page(page)
        app.run()
    assert not app.exception, app.exception
    return app


def texts(app: AppTest) -> str:
    return "\n".join(element.value for element in (*app.markdown, *app.caption, *app.error, *app.info))


def test_an_empty_chat_suggests_questions_and_a_click_asks_one() -> None:
    app = start()
    suggestions = [button for button in app.button if button.key and button.key.startswith("suggestion")]
    assert len(suggestions) == 4
    question = suggestions[0].label
    suggestions[0].click().run()
    assert app.chat_message[0].markdown[0].value == question
    assert "[1]" in app.chat_message[1].markdown[0].value


def test_a_conversation_is_kept_and_a_follow_up_stays_with_its_subject() -> None:
    app = start()
    app.chat_input[0].set_value("What is two-phase commit?").run()
    app.chat_input[0].set_value("and when should I not use it?").run()
    asked = [message.markdown[0].value for message in app.chat_message if message.name == "user"]
    assert asked == ["What is two-phase commit?", "and when should I not use it?"]
    assert "commit" in app.chat_message[3].markdown[0].value.lower()
    next(button for button in app.button if button.label == "New chat").click().run()
    assert len(app.chat_message) == 0


def test_a_declined_question_shows_the_nearest_lessons() -> None:
    app = start()
    app.chat_input[0].set_value("Which wine goes with grilled salmon?").run()
    assert "does not answer" in app.chat_message[1].markdown[0].value
    assert app.chat_message[1].caption[0].value == "Nearest lessons"


def test_a_dollar_sign_stays_a_dollar_sign() -> None:
    app = start()
    app.chat_input[0].set_value("What does the 80% architecture cost per month?").run()
    shown = app.chat_message[1].markdown[0].value
    assert "\\$" in shown
    assert "$" not in shown.replace("\\$", "")


def test_the_reader_marks_the_quotation_and_draws_the_diagrams(shipped_store: EdgeStore) -> None:
    version = shipped_store.open(str(shipped_store.current()))
    source = version.artifact("sources/lessons/26-replication-lag-and-read-after-write.md")
    version.close()
    quote = "Replication lag is the age of the oldest change"
    start_at = source.index(quote)
    query = {"id": "replication-lag-and-read-after-write", "from": str(start_at), "to": str(start_at + len(quote))}
    app = start("pages/lesson.py", **query)
    page = "".join(element.proto.body for element in app.get("html"))
    assert f'<mark id="quote">{quote}</mark>' in page
    assert '<h2 id="failure-modes">Failure modes and symptoms</h2>' in page
    assert "{#" not in page


@pytest.mark.parametrize("name", ["n", "id"])
def test_an_unknown_lesson_is_said_and_the_first_is_shown(name: str) -> None:
    app = start("pages/lesson.py", **{name: "nowhere"})
    assert "no lesson 'nowhere'" in app.error[0].value


@pytest.mark.parametrize(("begin", "end"), [("x", "y"), ("99999999", "99999999"), ("-5", "3"), ("10", "5")])
def test_a_wrong_span_marks_nothing_and_breaks_nothing(begin: str, end: str) -> None:
    app = start("pages/lesson.py", n="9", **{"from": begin, "to": end})
    assert "<mark" not in "".join(element.proto.body for element in app.get("html"))


def test_without_an_index_the_page_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUTOR_HOME", str(tmp_path))
    app = start()
    assert "has not been indexed yet" in app.error[0].value
    assert "tutor ingest" in app.info[0].value
