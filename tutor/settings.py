"""The knobs: every ``TUTOR_*`` variable, read once in an entry point, each with its value and where it came from.

Stages never see this object; they receive the values they need. An unknown ``TUTOR_*`` variable is an error, because a
misspelt setting that is silently ignored costs an afternoon.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.embedder import PACKAGED_MODEL
from ingest.errors import SettingsError

SHIPPED_CORPUS = Path(__file__).resolve().parent.parent / "corpus"

KNOBS: Mapping[str, tuple[str, str]] = {
    "TUTOR_HOME": (".tutor", "folder of indexes, runs and records"),
    "TUTOR_COURSE": (str(SHIPPED_CORPUS), "folder of the course"),
    "TUTOR_EMBEDDER": (PACKAGED_MODEL, "embedding model: the packaged one, a folder, or a locally cached name"),
    "TUTOR_CACHE": ("", "folder of exported models; empty: the user's cache folder"),
    "TUTOR_QDRANT_URL": ("", "address of a Qdrant server or cluster; empty: the embedded engine"),
    "TUTOR_QDRANT_API_KEY": ("", "key of that server"),
    "TUTOR_PORT": ("8501", "port of the app"),
    "TUTOR_ADDRESS": ("127.0.0.1", "address the app listens on; 0.0.0.0 opens it to the network"),
}
"""Variable -> (default, meaning)."""

FOR_TESTS = frozenset({"TUTOR_TEST_QDRANT_URL"})
"""Read by the tests alone: a Qdrant server to run the store contract against."""

_SECRET = frozenset({"TUTOR_QDRANT_API_KEY"})


@dataclass(frozen=True, slots=True)
class Settings:
    """The values in force. ``sources`` says for each variable whether it is an option, set, or the default."""

    home: Path
    course: Path
    embedder: str
    cache: Path
    qdrant_url: str
    qdrant_api_key: str = field(repr=False)
    port: int
    address: str
    sources: Mapping[str, str]

    def shown(self) -> list[tuple[str, str, str, str]]:
        """(variable, value, where it came from, meaning) of every knob; secrets are not shown."""
        values = {
            "TUTOR_HOME": str(self.home),
            "TUTOR_COURSE": str(self.course),
            "TUTOR_EMBEDDER": self.embedder,
            "TUTOR_CACHE": str(self.cache),
            "TUTOR_QDRANT_URL": self.qdrant_url,
            "TUTOR_QDRANT_API_KEY": self.qdrant_api_key,
            "TUTOR_PORT": str(self.port),
            "TUTOR_ADDRESS": self.address,
        }
        return [
            (name, "(set)" if name in _SECRET and values[name] else values[name], self.sources[name], KNOBS[name][1])
            for name in KNOBS
        ]


def read_settings(
    environment: Mapping[str, str], *, course: str | None = None, home: str | None = None, port: str | None = None
) -> Settings:
    """Settings from the environment, overridden by options. Raises SettingsError."""
    unknown = sorted(name for name in environment if name.startswith("TUTOR_") and name not in KNOBS and name not in FOR_TESTS)
    if unknown:
        raise SettingsError(f"unknown setting {', '.join(unknown)}", f"Known settings: {', '.join(KNOBS)}. See: tutor doctor")
    options = {"TUTOR_COURSE": course, "TUTOR_HOME": home, "TUTOR_PORT": port}
    values: dict[str, str] = {}
    sources: dict[str, str] = {}
    for name, (default, _) in KNOBS.items():
        option, variable = options.get(name), environment.get(name)
        values[name] = option if option is not None else variable if variable else default
        sources[name] = "option" if option is not None else "environment" if variable else "default"
    return Settings(
        home=Path(values["TUTOR_HOME"]).expanduser(),
        course=Path(values["TUTOR_COURSE"]).expanduser(),
        embedder=values["TUTOR_EMBEDDER"],
        cache=Path(values["TUTOR_CACHE"]).expanduser() if values["TUTOR_CACHE"] else _user_cache(environment, values),
        qdrant_url=values["TUTOR_QDRANT_URL"],
        qdrant_api_key=values["TUTOR_QDRANT_API_KEY"],
        port=_port(values["TUTOR_PORT"]),
        address=values["TUTOR_ADDRESS"],
        sources=sources,
    )


def _user_cache(environment: Mapping[str, str], values: Mapping[str, str]) -> Path:
    """The user's cache folder, so that several homes share one exported model; the home where there is none."""
    base = Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "course-tutor"
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    return folder if os.access(nearest, os.W_OK) else Path(values["TUTOR_HOME"]).expanduser() / "models"


def _port(value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= 5 and 0 < int(value) < 65_536):
        raise SettingsError(f"TUTOR_PORT is '{value}', which is no port", "Use a number from 1 to 65535, such as 8501.")
    return int(value)
