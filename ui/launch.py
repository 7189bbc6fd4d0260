"""``tutor ui``: index the course if that is needed, then serve the app. Prints the address once it answers."""

import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from ingest.errors import IndexMismatch, IndexMissing, SettingsError
from tutor.settings import Settings
from ui.opening import ingest_course, open_index, say

APP = Path(__file__).resolve().parent / "app.py"
READY_TIMEOUT_S = 60


def serve(settings: Settings) -> int:
    """Serve the app until it is stopped; returns the server's exit code. Raises TutorError."""
    _check_port(settings)
    _ensure_index(settings)
    options = {
        "server.address": settings.address,
        "server.port": settings.port,
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "logger.hideWelcomeMessage": "true",
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    environment = {
        **os.environ,
        "TUTOR_HOME": str(settings.home.resolve()),
        "TUTOR_COURSE": str(settings.course.resolve()),
        "STREAMLIT_CONFIG_DIR": str(APP.parent),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", str(APP), *flags],
        env=environment,
        cwd=APP.parent,
        stdout=sys.stderr,
    )
    threading.Thread(target=_announce, args=(settings, process), daemon=True).start()
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.terminate()
        process.wait(timeout=10)
        return 0


def _ensure_index(settings: Settings) -> None:
    try:
        open_index(settings).close()
    except (IndexMissing, IndexMismatch) as reason:
        say(f"{reason.message}: indexing it now")
    report = ingest_course(settings)
    if report.embedded or report.reused:
        say(f"indexed {report.lessons} lessons in {report.seconds:.0f} s")


def _check_port(settings: Settings) -> None:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.address, settings.port))
        except OSError as error:
            raise SettingsError(
                f"port {settings.port} of {settings.address} cannot be used: {error.strerror}",
                f"Choose another: tutor ui --port {settings.port + 1}",
            ) from error


def _announce(settings: Settings, process: subprocess.Popen[bytes]) -> None:
    """Print the address as soon as the app answers."""
    host = "localhost" if settings.address in {"127.0.0.1", "0.0.0.0"} else settings.address
    address = f"http://{host}:{settings.port}"
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
            continue
        print(f"The tutor is open at {address}   (stop it with Ctrl-C)", flush=True)
        return
