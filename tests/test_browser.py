"""The app as a student meets it: the real server, a real Chromium, two people at once, nothing fetched from elsewhere."""

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ingest.edge_store import EdgeStore
from tests.browser import FLAGS, find_chromium
from tutor.course_index import CourseIndex

CHROMIUM = find_chromium()
STREAMLIT_PROBES = re.compile(r"/_stcore/(?:health|host-config)$")
"""Streamlit asks for these below a page's own path first; the answer 404 is part of how it finds its root."""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install it and run make test again")


@pytest.fixture(scope="module")
def address(shared_home: Path, shipped_store: EdgeStore) -> Iterator[str]:
    """The address of a real ``tutor ui``."""
    assert shipped_store.current()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TUTOR_")}
    command = [sys.executable, "-m", "ui.cli", "ui", "--port", str(port), "--home", str(shared_home)]
    server = subprocess.Popen(command, env=kept, cwd=Path(__file__).parent.parent, stdout=subprocess.DEVNULL)
    base = f"http://127.0.0.1:{port}"
    _wait_for(f"{base}/_stcore/health")
    yield base
    server.terminate()
    server.wait(timeout=20)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 90
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"{url} does not answer"
            time.sleep(0.3)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that fails its test when anything is asked of another host, or fails to load."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    strays: list[str] = []
    faults: list[str] = []
    opened.on("request", lambda request: strays.append(request.url) if not _is_local(request.url, address) else None)
    opened.on("response", lambda response: faults.append(response.url) if response.status >= 400 else None)
    opened.on("pageerror", lambda error: faults.append(str(error)))
    yield opened
    context.close()
    assert strays == []
    assert [fault for fault in faults if not STREAMLIT_PROBES.search(fault)] == []


def _is_local(url: str, address: str) -> bool:
    return url.startswith((address, address.replace("http", "ws"), "data:", "blob:"))


def ask(page: Page, question: str) -> None:
    box = page.get_by_placeholder("Ask about the course")
    box.fill(question)
    box.press("Enter")


def answers(page: Page) -> list[str]:
    shown = page.locator('[data-testid="stChatMessage"]:has([data-testid="stChatMessageAvatarAssistant"])')
    return shown.all_inner_texts()


def test_a_question_is_answered_and_its_citation_opens_the_lesson_at_the_marked_words(page: Page, address: str) -> None:
    page.goto(address)
    ask(page, "I saved my profile, and after a reload the old value was back. Why?")
    chip = page.locator('[data-testid="stPageLink"] a').filter(has_text="[1]").first
    chip.click(timeout=30_000)
    mark = page.locator("mark#quote")
    expect(mark).to_be_visible(timeout=30_000)
    expect(mark).to_be_in_viewport(timeout=15_000)
    assert "saved it, reloaded" in " ".join(page.locator("mark").all_inner_texts())
    page.get_by_role("link", name="Ask").first.click()
    expect(page.get_by_text("I saved my profile, and after a reload")).to_be_visible(timeout=15_000)


def test_a_link_to_a_section_opens_it_there(page: Page, address: str) -> None:
    page.goto(f"{address}/lesson?n=26&at=failure-modes")
    expect(page.locator("h2#failure-modes")).to_be_in_viewport(timeout=30_000)


def test_every_diagram_of_the_course_is_drawn(page: Page, address: str, shipped: CourseIndex) -> None:
    for lesson in shipped.lessons:
        wanted = shipped.source(lesson.path).count("```mermaid")
        page.goto(f"{address}/lesson?id={lesson.lesson_id}")
        expect(page.get_by_role("heading", level=1, name=lesson.title)).to_be_visible(timeout=30_000)
        charts = page.locator('[data-testid="stMermaidChart"]')
        expect(charts).to_have_count(wanted, timeout=30_000)
        for place in range(wanted):
            expect(charts.nth(place).locator("svg, img").first).to_be_visible(timeout=30_000)
        assert page.get_by_text("Syntax error").count() == 0, lesson.path


def test_two_students_at_once_each_get_their_own_answers(browser: Browser, address: str) -> None:
    contexts = [browser.new_context() for _ in range(2)]
    pages = [context.new_page() for context in contexts]
    questions = ["What is two-phase commit?", "What is an architectural decision record?"]
    for opened in pages:
        opened.goto(address)
        expect(opened.get_by_placeholder("Ask about the course")).to_be_visible(timeout=30_000)
    for opened, question in zip(pages, questions, strict=True):
        ask(opened, question)
    for opened in pages:
        expect(opened.get_by_text("Read next")).to_be_visible(timeout=30_000)
    first, second = (answers(opened) for opened in pages)
    assert len(first) == len(second) == 1
    assert "participants" in first[0]
    assert "participants" not in second[0]
    assert "ADR" in second[0]
    for context in contexts:
        context.close()


def test_the_chat_fits_a_phone(page: Page, address: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(address)
    ask(page, "Compare a Lamport clock with a vector clock")
    expect(page.get_by_text("Read next")).to_be_visible(timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_lesson_reader_walks_to_the_next_lesson(page: Page, address: str) -> None:
    page.goto(f"{address}/lesson?n=1")
    expect(page.get_by_text("What software architecture actually is").first).to_be_visible(timeout=30_000)
    page.locator('[data-testid="stMain"]').get_by_role("link", name="2 Functional vs non-functional requirements").click()
    expect(page).to_have_url(re.compile(r"id=functional-and-non-functional-requirements"), timeout=15_000)
    expect(page.get_by_role("heading", level=1, name="Functional vs non-functional requirements")).to_be_visible(timeout=15_000)
