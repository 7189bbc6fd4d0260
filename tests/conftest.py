"""What the tests share: the small course, the shipped one indexed once, the real model, the command line."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.course import read_course
from ingest.edge_store import EdgeStore
from ingest.embedder import OnnxEmbedder, load_embedder
from ingest.publish import publish_index
from tests.fakes import WordEmbedder
from tutor.course_index import CourseIndex, edge_store
from tutor.settings import SHIPPED_CORPUS, Settings, read_settings

SMALL_COURSE = Path(__file__).parent / "corpus"

Tutor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests do not see the settings of whoever runs them."""
    for name in [name for name in os.environ if name.startswith("TUTOR_") and name != "TUTOR_TEST_QDRANT_URL"]:
        monkeypatch.delenv(name)


@pytest.fixture
def words() -> WordEmbedder:
    """The computable embedder."""
    return WordEmbedder()


@pytest.fixture
def small_course(tmp_path: Path) -> Path:
    """A copy of the small course that a test may change."""
    return Path(shutil.copytree(SMALL_COURSE, tmp_path / "bread"))


@pytest.fixture
def small_store(tmp_path: Path) -> EdgeStore:
    """An empty embedded store."""
    return EdgeStore(tmp_path / "store")


@pytest.fixture
def small_index(small_course: Path, small_store: EdgeStore, words: WordEmbedder) -> Iterator[CourseIndex]:
    """The small course, indexed with the computable embedder, open."""
    publish_index(read_course(small_course), small_store, words)
    index = CourseIndex(small_store, words)
    yield index
    index.close()


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that keeps the index of the shipped course for the whole session."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def settings(shared_home: Path) -> Settings:
    """Settings of that home; the exported model is cached where the user's is."""
    return read_settings({name: value for name, value in os.environ.items() if name == "XDG_CACHE_HOME"}, home=str(shared_home))


@pytest.fixture(scope="session")
def embedder(settings: Settings) -> OnnxEmbedder:
    """The packaged model."""
    return load_embedder(settings.embedder, settings.cache)


@pytest.fixture(scope="session")
def shipped_store(settings: Settings, embedder: OnnxEmbedder) -> EdgeStore:
    """The shipped course, indexed with the packaged model."""
    store = edge_store(SHIPPED_CORPUS, settings.home)
    with store.locked():
        publish_index(read_course(SHIPPED_CORPUS), store, embedder)
    return store


@pytest.fixture(scope="session")
def shipped(shipped_store: EdgeStore, embedder: OnnxEmbedder) -> Iterator[CourseIndex]:
    """The shipped course, open."""
    index = CourseIndex(shipped_store, embedder)
    yield index
    index.close()


@pytest.fixture
def tutor(shared_home: Path) -> Tutor:
    """Run the real command in a process of its own; ``home`` and ``environment`` may be given."""

    def run(*arguments: str, home: Path = shared_home, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TUTOR_")}
        return subprocess.run(
            [sys.executable, "-m", "ui.cli", *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            input=stdin,
            timeout=180,
            check=False,
            env={**kept, "TUTOR_HOME": str(home), **environment},
            cwd=Path(__file__).parent.parent,
        )

    return run
