"""Exporting an embedding model: done once, done again when it is damaged or out of date, refused with a cure.

The models are tiny ones of random weights, made here, because exporting them takes a moment.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ingest.embedder import Matrix, load_embedder
from ingest.errors import EmbedderError

VOCABULARY = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "flour", "water", "salt", "oven", "query", "passage", ":")
TEXTS = ["salt and flour", "water: flour oven salt", ""]


def make_tiny_model(folder: Path, seed: int, prompts: dict[str, str] | None = None) -> None:
    """Save a BERT of one layer and random weights as a sentence-transformers model that reads 16 tokens."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizer

    bare = folder.parent / f"{folder.name}-bare"
    BertTokenizer(vocab={word: number for number, word in enumerate(VOCABULARY)}).save_pretrained(bare)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=1.0,
    )
    BertModel(config).save_pretrained(bare)
    modules = [Transformer(str(bare), max_seq_length=16), Pooling(16)]
    SentenceTransformer(modules=modules, prompts=prompts or {}, device="cpu").save(str(folder))


@pytest.fixture(scope="module")
def made_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    make_tiny_model(folder, seed=1)
    return folder


@pytest.fixture(scope="module")
def made_export(made_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that holds the export of the tiny model."""
    cache = tmp_path_factory.mktemp("cache")
    load_embedder(str(made_model), cache)
    return cache


@pytest.fixture
def cache(made_export: Path, tmp_path: Path) -> Path:
    """A copy of that cache for a test to damage."""
    return Path(shutil.copytree(made_export, tmp_path / "cache"))


def pointer_of(cache: Path) -> Path:
    (pointer,) = cache.glob("*.json")
    return pointer


def cosines(first: Matrix, second: Matrix) -> list[float]:
    return [float(value) for value in (first * second).sum(axis=1)]


def test_a_folder_without_weights_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(EmbedderError, match="no model weights") as caught:
        load_embedder(str(tmp_path), tmp_path / "cache")
    assert "model.safetensors" in caught.value.hint


def test_a_folder_that_holds_no_model_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(EmbedderError, match="cannot be loaded") as caught:
        load_embedder(str(tmp_path), tmp_path / "cache")
    assert "TUTOR_EMBEDDER" in caught.value.hint


def test_a_model_is_exported_once(made_model: Path, tmp_path: Path) -> None:
    said: list[str] = []
    first = load_embedder(str(made_model), tmp_path / "cache", said.append)
    again = load_embedder(str(made_model), tmp_path / "cache", said.append)
    assert len(said) == 1
    assert again.embed(["salt"], "query").tolist() == first.embed(["salt"], "query").tolist()
    assert (again.name, again.fingerprint, again.dimension) == (str(made_model), first.fingerprint, 16)


def test_the_same_weights_have_one_fingerprint_wherever_they_are_exported(
    made_model: Path, cache: Path, tmp_path: Path
) -> None:
    moved = Path(shutil.copytree(made_model, tmp_path / "moved"))
    assert load_embedder(str(moved), tmp_path / "other").fingerprint == load_embedder(str(made_model), cache).fingerprint


POINTERS = [
    b"",
    b'{"folder": "tin',
    b"\xff\xfe\x00",
    b"null",
    b'"folder"',
    b"[1]",
    b"{}",
    b'{"folder": "gone"}',
    b'{"folder": 5}',
]


@pytest.mark.parametrize("content", POINTERS, ids=repr)
def test_a_damaged_pointer_to_an_export_is_written_anew(made_model: Path, cache: Path, content: bytes) -> None:
    expected = load_embedder(str(made_model), cache).embed(TEXTS, "query")
    pointer_of(cache).write_bytes(content)
    assert load_embedder(str(made_model), cache).embed(TEXTS, "query").tolist() == expected.tolist()
    assert (cache / json.loads(pointer_of(cache).read_text("utf-8"))["folder"] / "export.json").is_file()


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json", "export.json"])
@pytest.mark.parametrize("fault", ["cut", "missing"])
def test_a_damaged_export_is_made_anew(made_model: Path, cache: Path, name: str, fault: str) -> None:
    expected = load_embedder(str(made_model), cache).embed(TEXTS, "query")
    (file,) = cache.glob(f"*/{name}")
    content = file.read_bytes()
    file.unlink()
    if fault == "cut":
        file.write_bytes(content[: len(content) // 2])
    assert load_embedder(str(made_model), cache).embed(TEXTS, "query").tolist() == expected.tolist()


def test_an_export_leaves_nothing_else_in_the_cache(made_export: Path) -> None:
    folder = json.loads(pointer_of(made_export).read_text("utf-8"))["folder"]
    assert {path.name for path in made_export.iterdir()} == {pointer_of(made_export).name, folder}


def test_a_model_that_was_trained_further_is_exported_again(tmp_path: Path) -> None:
    make_tiny_model(tmp_path / "model", seed=1)
    before = load_embedder(str(tmp_path / "model"), tmp_path / "cache")
    make_tiny_model(tmp_path / "further", seed=2)
    shutil.copy(tmp_path / "further" / "model.safetensors", tmp_path / "model" / "model.safetensors")
    after = load_embedder(str(tmp_path / "model"), tmp_path / "cache")
    assert after.fingerprint != before.fingerprint
    assert cosines(after.embed(["salt"], "query"), before.embed(["salt"], "query"))[0] < 0.99


def test_the_prompts_of_a_model_are_put_before_its_texts(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    make_tiny_model(tmp_path / "model", seed=3, prompts={"query": "query: ", "document": "passage: "})
    reference = SentenceTransformer(str(tmp_path / "model"), device="cpu", local_files_only=True)
    model = load_embedder(str(tmp_path / "model"), tmp_path / "cache")
    query = reference.encode(TEXTS, prompt="query: ", normalize_embeddings=True)
    document = reference.encode(TEXTS, prompt="passage: ", normalize_embeddings=True)
    assert cosines(model.embed(TEXTS, "query"), query) == pytest.approx([1.0, 1.0, 1.0], abs=1e-5)
    assert cosines(model.embed(TEXTS, "document"), document) == pytest.approx([1.0, 1.0, 1.0], abs=1e-5)
    assert min(cosines(query, document)) < 0.99


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Makes a copy of a folder that nobody, root included, may write into."""
    folder = tmp_path / "unwritable"
    folder.mkdir()

    def mount(*options: str) -> None:
        done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"root may write everywhere, and a read-only disk cannot be mounted here: {done.stderr.strip()}")

    def make(source: Path) -> Path:
        if os.geteuid() == 0:
            mount("-t", "tmpfs", "tmpfs")
        shutil.copytree(source, folder, dirs_exist_ok=True)
        folder.chmod(0o555)
        if os.geteuid() == 0:
            mount("-o", "remount,ro")
        return folder

    yield make
    if folder.is_mount():
        subprocess.run(["umount", str(folder)], check=True)
    folder.chmod(0o755)


def test_a_cache_that_cannot_be_written_is_an_error_that_says_what_to_do(
    made_model: Path, tmp_path: Path, unwritable: Callable[[Path], Path]
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(EmbedderError) as caught:
        load_embedder(str(made_model), unwritable(tmp_path / "empty"))
    assert str(tmp_path / "unwritable") in caught.value.message
    assert "TUTOR_CACHE" in caught.value.hint


def test_a_cache_below_a_file_is_an_error_that_says_what_to_do(made_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(EmbedderError) as caught:
        load_embedder(str(made_model), tmp_path / "file" / "cache")
    assert "TUTOR_CACHE" in caught.value.hint


def test_an_export_is_read_from_a_cache_that_cannot_be_written(
    made_model: Path, cache: Path, unwritable: Callable[[Path], Path]
) -> None:
    expected = load_embedder(str(made_model), cache).embed(["salt"], "query")
    assert load_embedder(str(made_model), unwritable(cache)).embed(["salt"], "query").tolist() == expected.tolist()
