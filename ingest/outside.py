"""Subjects that a course is probably not about, as points of comparison for questions it should decline.

A question about hooks in a front-end framework shares words with a course on architecture and is near it in meaning,
but it is nearer still to "front-end frameworks". The subjects are broad, cover daily life, school, science and the
neighbourhood of software, and were written down before any case was looked at. Those that a course does teach (cooking,
for a course on bread) are left out of its index: they are found by how near the course's own sentences come to them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ingest.embedder import Matrix

SUBJECTS_FILE = Path(__file__).parent / "outside_subjects.txt"
NEAREST_SENTENCES = 20
TAUGHT_DEVIATIONS = 4.5
"""A subject is the course's own when its nearest sentences are nearer to it than to the mean subject by this many standard
deviations. On the shipped course no subject is, on a course on bread five are (baking, recipes, dough...)."""


def outside_subjects() -> list[str]:
    """The subjects, one a line of the file."""
    return [line.strip() for line in SUBJECTS_FILE.read_text("utf-8").splitlines() if line.strip()]


def not_taught(subjects: Sequence[str], vectors: Matrix, sentences: Matrix) -> list[int]:
    """Places of the subjects that a course with these sentences (unit vectors, as rows) does not teach."""
    if not len(sentences):
        return list(range(len(subjects)))
    nearness = np.sort(vectors @ sentences.T, axis=1)[:, -NEAREST_SENTENCES:].mean(axis=1)
    limit = nearness.mean() + TAUGHT_DEVIATIONS * nearness.std()
    return [place for place, value in enumerate(nearness) if value < limit]
