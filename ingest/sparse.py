"""Text to BM25 sparse vectors, with Qdrant's own encoder (tokens, stop words, stemming), the same for every store.

Weights of a document depend on the average length of all documents, so they are made anew for each version; the inverse
document frequency is applied by the store when it searches (the IDF modifier of the sparse vector).
Source: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009; k1 = 1.2, b = 0.75.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SparseVector:
    """Weights by token id; the ids are hashes of stemmed tokens."""

    indices: tuple[int, ...]
    values: tuple[float, ...]


class Bm25Encoder:
    """Encodes documents against an average length in tokens, and questions with weight 1 a token."""

    def __init__(self, average_tokens: float = 256.0) -> None:
        import qdrant_edge

        self._model = qdrant_edge.Bm25(qdrant_edge.Bm25Config(language="english", avg_len=max(average_tokens, 1.0)))

    def document(self, text: str) -> SparseVector:
        """BM25 term weights of a document, without the inverse document frequency."""
        vector = self._model.embed_document(text)
        return SparseVector(tuple(vector.indices), tuple(vector.values))

    def query(self, text: str) -> SparseVector:
        """Each distinct token of a question, weight 1."""
        vector = self._model.embed_query(text)
        return SparseVector(tuple(vector.indices), tuple(vector.values))

    def tokens(self, text: str) -> frozenset[int]:
        """Ids of the distinct tokens of ``text`` that are no stop words."""
        return frozenset(self._model.embed_query(text).indices)


def average_tokens(texts: Sequence[str]) -> float:
    """Mean number of the encoder's tokens in ``texts``, the length that BM25 normalises by; stop words are none."""
    import qdrant_edge

    # With b = 0 and a large k a term's weight is its count, tf (k + 1) / (tf + k); the encoder tells no lengths itself.
    counter = qdrant_edge.Bm25(qdrant_edge.Bm25Config(language="english", k=1e6, b=0.0))
    tokens = sum(round(count) for text in texts for count in counter.embed_document(text).values)
    return tokens / max(len(texts), 1)


def document_frequencies(encoder: Bm25Encoder, texts: Iterable[str]) -> dict[int, int]:
    """In how many of ``texts`` each token occurs."""
    counts: dict[int, int] = {}
    for text in texts:
        for token in encoder.tokens(text):
            counts[token] = counts.get(token, 0) + 1
    return counts
