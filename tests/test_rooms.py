"""The house rules that a machine can check: one door a library, imports that point left only, nothing happens on import."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
ROOMS = ("ingest", "tutor", "evals", "ui")
DOORS = {
    "qdrant_edge": {"ingest/edge_store.py", "ingest/edge_build.py", "ingest/sparse.py"},
    "qdrant_client": {"ingest/server_store.py"},
    "sentence_transformers": {"ingest/embedder.py"},
    "onnxruntime": {"ingest/embedder.py"},
    "torch": {"ingest/embedder.py"},
    "tokenizers": {"ingest/embedder.py"},
    "markdown_it": {"ingest/markdown.py", "ui/lesson_html.py"},
    "sentencex": {"ingest/sentences.py"},
    "ir_measures": {"evals/retrieval.py"},
    "sklearn": {"evals/calibrate.py"},
    "jinja2": {"evals/report.py"},
}
HEAVY = {"torch", "sentence_transformers", "streamlit", "langchain", "sklearn", "scipy", "onnxruntime", "qdrant_client"}


def _sources() -> list[Path]:
    return [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(module, whether it is imported when the file is) of every import, typing imports included."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {id(node) for function in ast.walk(tree) if isinstance(function, ast.FunctionDef) for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, id(node) not in inside


def _name(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")


def test_each_library_has_one_door() -> None:
    strays = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in _sources()
        for module, _ in _imports(path)
        if (doors := DOORS.get(module.split(".")[0])) and path.relative_to(ROOT).as_posix() not in doors
    ]
    assert strays == []


def test_streamlit_is_imported_by_the_app_alone() -> None:
    users = {path.relative_to(ROOT).parts[0] for path in _sources() for module, _ in _imports(path) if module == "streamlit"}
    assert users == {"ui"}


def test_imports_point_left_only() -> None:
    strays = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in _sources()
        for module, _ in _imports(path)
        if (room := module.split(".")[0]) in ROOMS and ROOMS.index(room) > ROOMS.index(path.relative_to(ROOT).parts[0])
    ]
    assert strays == []


def test_no_import_circle() -> None:
    graph = {_name(path): {module for module, _ in _imports(path)} for path in _sources()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail, module))
        if module not in done:
            for target in graph.get(module, set()) & graph.keys():
                visit(target, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_importing_the_command_line_loads_nothing_heavy_and_reads_nothing() -> None:
    probe = (
        "import sys, builtins, io\n"
        "import ui.cli, ui.commands, tutor.answer, evals.run, ingest.publish, ingest.edge_store\n"
        f"print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout.strip() == "[]"
