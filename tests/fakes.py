"""A stand-in embedder whose vectors a reader can compute: each known word is one axis."""

from collections.abc import Callable, Sequence

import numpy as np

from ingest.embedder import Matrix, Role

WORDS = ("flour", "water", "salt", "starter", "oven", "steam", "crust", "gluten", "acid", "knead", "proof", "dough")


class WordEmbedder:
    """Counts the words of WORDS, one axis each, plus one axis that every text has; vectors have length 1."""

    def __init__(self, name: str = "words", fingerprint: str = "words-1") -> None:
        self._name = name
        self._fingerprint = fingerprint
        self.embedded: list[str] = []

    @property
    def name(self) -> str:
        return self._name

    @property
    def fingerprint(self) -> str:
        return self._fingerprint

    @property
    def dimension(self) -> int:
        return len(WORDS) + 1

    @property
    def limit_tokens(self) -> int:
        return 256

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def embed(self, texts: Sequence[str], role: Role, progress: Callable[[int], None] | None = None) -> Matrix:
        if role not in {"document", "query"}:
            raise ValueError(f"no role '{role}'")
        if role == "document":
            self.embedded += texts
        rows = np.array([[*(text.lower().count(word) for word in WORDS), 1.0] for text in texts], np.float32)
        if progress:
            progress(len(texts))
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
