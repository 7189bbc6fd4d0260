"""What is particular to the store on a server: it may not be there. Its answers are tested by the store contract."""

from collections.abc import Callable
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from ingest.errors import StoreError
from ingest.server_store import ServerStore, ServerVersion
from ingest.store import MANIFEST, Nearest, Where
from tests.conftest import Tutor

NOBODY = "http://127.0.0.1:9"
"""The discard port, where nothing listens."""

CALLS: dict[str, Callable[[ServerStore, ServerVersion], object]] = {
    "current": lambda store, version: store.current(),
    "build": lambda store, version: store.build("one", 2, [], {}),
    "publish": lambda store, version: store.publish("one"),
    "open": lambda store, version: store.open("one"),
    "nearest": lambda store, version: version.nearest([Nearest("chunk", [1.0, 0.0], 1)]),
    "points": lambda store, version: version.points(Where(), "chunk"),
    "artifact": lambda store, version: version.artifact(MANIFEST),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_has_gone_away_is_an_error_with_a_cure(call: str) -> None:
    client = QdrantClient(url=NOBODY, check_compatibility=False)
    with pytest.raises(StoreError) as caught:
        CALLS[call](ServerStore(client, "bread"), ServerVersion(client, "tutor-bread--one", "one"))
    client.close()
    assert caught.value.hint


@pytest.mark.parametrize("address", [NOBODY, "not a url", "ftp://127.0.0.1"])
def test_an_address_without_a_server_is_explained_by_the_command(tutor: Tutor, small_course: Path, address: str) -> None:
    done = tutor("search", "salt", "--course", str(small_course), TUTOR_QDRANT_URL=address)
    assert (done.returncode, done.stdout) == (1, "")
    complaint, cure = done.stderr.splitlines()
    assert complaint.startswith(f"tutor: no Qdrant server answers at {address}")
    assert "TUTOR_QDRANT_URL" in cure
