"""The rules of the house, held by the machine: each was broken on purpose once and caught."""

import ast
import functools
import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from state.params import Params
from state.records import Record, layout
from state.units import UNIT_SUFFIXES

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("state", "tools", "agents", "graph", "evals", "infra", "tests")
ROOT_FILES = {
    ".ci", ".env.example", ".gitattributes", ".github", ".gitignore", ".python-version", "CHANGELOG.md", "LICENSE",
    "Makefile", "README.md", "langgraph.json", "pyproject.toml", "uv.lock",
}  # fmt: skip
FILE_LINES_MOST = 400
FUNCTION_LINES_MOST = 59
README_LINES_MOST = 60
FILE_BYTES_MOST = 1_500_000
NO_NOUN = {"utils", "util", "helpers", "helper", "common", "base", "manager", "handler", "handlers", "service", "misc"}
WORLD_WRITERS = {
    "graph/advance.py": "the one entry: every event goes through it",
    "graph/worlds.py": "a world begins here, before its first event",
    "graph/heart.py": "counts the events and keeps the clock for advance",
    "graph/mandates.py": "what the desk gives comes in here, as events",
    "graph/arming.py": "what an operator says, called by advance",
    "graph/fills.py": "matches and fees, called by advance alone (a contract holds it)",
    "graph/merging.py": "complete sets: the wish of the screen, and what advance is told of it",
    "graph/order_life.py": "every step of an order, whoever wants it: the screen, the venue, a window's end",
    "graph/settlement.py": "what a window's end changes, called by advance alone (a contract holds it)",
    "graph/pricing.py": "fair value and averages, kept beside the books that they are reckoned from",
    "graph/placing.py": "an order of the screen's enters the table",
    "graph/queues.py": "places in queues and the churn count, for the screen and for trades that advance sees",
    "graph/taking.py": "takes and exits, for the screen",
    "graph/platform.py": "what is watched of the ground we stand on, called by advance",
    "graph/spot_watch.py": "trades at exchanges, called by advance",
    "graph/screen.py": "the hot loop's own marks: what was sent, asked and last seen",
}
ONE_MACHINE = re.compile(r"/(?:work|farm|root|home/\w+|Users/\w+)/(?!\*)")


@functools.cache
def files() -> tuple[str, ...]:
    """Name every file that git tracks or would track; without git, every file outside hidden and made folders."""
    try:
        told = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT, capture_output=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        made = {"__pycache__", "var", ".git", ".venv", ".cache"}
        found = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
        return tuple(sorted(str(path) for path in found if not made.intersection(path.parts)))
    names = told.stdout.decode().split("\0")
    return tuple(sorted(name for name in names if name and (ROOT / name).is_file()))


@functools.cache
def sources() -> dict[str, tuple[str, ast.Module]]:
    """Read every Python file of ours once: its text and its tree."""
    found = {}
    for name in files():
        if name.endswith(".py"):
            text = (ROOT / name).read_text()
            found[name] = (text, ast.parse(text, name))
    return found


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


# ---- the rules, each as a function from sources to offenders, so that its own test can break it on purpose ----


def silent_files(texts: dict[str, tuple[str, ast.Module]]) -> list[str]:
    """List files that do not open by saying what they own; test files speak by the names of their tests."""
    return [
        name
        for name, (_, tree) in texts.items()
        if not Path(name).name.startswith("test_") and not (ast.get_docstring(tree) or "").strip()
    ]


def long_files(texts: dict[str, tuple[str, ast.Module]]) -> list[str]:
    lengths = {name: text.count("\n") for name, (text, _) in texts.items()}
    return [f"{name}: {lines} lines" for name, lines in lengths.items() if lines > FILE_LINES_MOST]


def long_functions(texts: dict[str, tuple[str, ast.Module]]) -> list[str]:
    """List functions past the tripwire; `# long: why` on the `def` line lifts it."""
    offenders = []
    for name, (text, tree) in texts.items():
        lines = text.splitlines()
        for function in functions(tree):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            marked = re.search(r"# long: \w+", lines[function.lineno - 1])
            if length > FUNCTION_LINES_MOST and not marked:
                offenders.append(f"{name}:{function.lineno} {function.name}: {length} lines")
    return offenders


def broad_excepts(texts: dict[str, tuple[str, ast.Module]]) -> list[str]:
    """List handlers that swallow whatever comes; `# boundary: why` on the line marks the few that must."""
    offenders = []
    for name, (text, tree) in texts.items():
        lines = text.splitlines()
        for node in ast.walk(tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            broad = any(
                kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"})
                for kind in caught
            )
            if broad and not re.search(r"# boundary: \w+", lines[node.lineno - 1]):
                offenders.append(f"{name}:{node.lineno}")
    return offenders


def _root_name(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _worlds_in(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Name what a function holds of the world: by annotation, or as a part taken out of it."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    held = {
        argument.arg
        for argument in arguments
        if argument.annotation is not None and ast.unparse(argument.annotation).strip("\"'") in {"World", "Market"}
    }
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Attribute | ast.Subscript):
            target = node.targets[0]
            if isinstance(target, ast.Name) and _root_name(node.value) in held:
                held.add(target.id)
    return held | {"world"}


def world_writers(texts: dict[str, tuple[str, ast.Module]]) -> list[str]:
    """List assignments into a world outside the files that may make them: best effort, by names and annotations."""
    offenders = []
    for name, (_, tree) in texts.items():
        if name in WORLD_WRITERS or name.startswith("tests/"):
            continue
        for function in functions(tree):
            held = _worlds_in(function)
            for node in ast.walk(function):
                if not isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
                    continue
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                offenders += [
                    f"{name}:{node.lineno} {ast.unparse(target)}"
                    for target in targets
                    if isinstance(target, ast.Attribute | ast.Subscript) and _root_name(target) in held
                ]
    return sorted(set(offenders))


def nameless_numbers(record: type[Record]) -> list[str]:
    """List numbers of a record whose names do not say their unit; flags have none."""
    dtype: Any = layout(record)
    offenders = []
    for name, (field, *_) in dtype.fields.items():
        number = field.base
        bare = re.sub("_(?:max|min)$", "", name) if record is Params else name  # settings may bound what they name
        if number.names is None and number.kind in "iuf" and not _says_unit(bare):
            offenders.append(f"{record.__module__}.{record.__name__}.{name}")
    return offenders


def _says_unit(name: str) -> bool:
    return name.startswith("p_") or f"_{name}".endswith(UNIT_SUFFIXES)


# ---- the house as it stands ----


def test_no_installed_library_takes_a_name_of_ours() -> None:
    # `tests` is a folder of files and never imported as a package: py-order-utils installs one of that name.
    ours = {*FOLDERS, *(path.stem for path in (ROOT / "tests").glob("*.py"))} - {"tests"}
    taken = {name: owners for name, owners in packages_distributions().items() if name in ours}
    assert not taken, f"an installed package would be imported instead of ours: {taken}"


def test_every_file_opens_by_saying_what_it_owns() -> None:
    assert silent_files(sources()) == []


def test_no_file_is_too_long_to_read_at_one_sitting() -> None:
    assert long_files(sources()) == []


def test_no_function_is_longer_than_a_screen_unless_it_says_why() -> None:
    assert long_functions(sources()) == []


def test_nothing_is_swallowed_but_at_a_marked_boundary() -> None:
    assert broad_excepts(sources()) == []


def test_only_the_core_changes_the_world() -> None:
    assert world_writers(sources()) == []
    missing = [name for name in WORLD_WRITERS if not (ROOT / name).is_file()]
    assert not missing, f"files that may change the world but do not exist: {missing}"


def test_every_number_in_a_record_says_its_unit() -> None:
    records = []
    for path in sorted((ROOT / "state").glob("*.py")):
        module = importlib.import_module(f"state.{path.stem}")
        records += [
            kind
            for kind in vars(module).values()
            if isinstance(kind, type)
            and issubclass(kind, Record)
            and kind is not Record
            and kind.__module__ == module.__name__
        ]
    assert len(records) > 10, "the records of the state were not found"
    assert [name for record in records for name in nameless_numbers(record)] == []


def test_files_are_named_after_nouns_of_the_field() -> None:
    offenders = [
        name
        for name in files()
        if name.endswith(".py") and NO_NOUN & set(Path(name).stem.removeprefix("test_").split("_"))
    ]
    offenders += [name for name in files() if NO_NOUN & set(Path(name).parent.parts)]
    assert offenders == []


def test_the_top_level_is_seven_folders_and_the_known_files() -> None:
    assert {name.split("/")[0] for name in files()} - ROOT_FILES - set(FOLDERS) == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_says_on_one_page_what_it_is(folder: str) -> None:
    page = ROOT / folder / "README.md"
    assert page.is_file(), f"{folder} has no README.md"
    text = page.read_text()
    assert text.count("\n") <= README_LINES_MOST
    for heading in ("Belongs here", "May not enter", "Decisions"):
        assert f"## {heading}" in text, f"{folder}/README.md lacks '## {heading}'"
    assert re.search(r"\b20\d\d-\d\d-\d\d\b", text.split("## Decisions")[1]), "decisions carry their date"


def test_tests_is_a_folder_of_files_and_no_package() -> None:
    assert [name for name in files() if name.startswith("tests/") and name.endswith("__init__.py")] == []


def test_no_file_is_heavy() -> None:
    heavy = [f"{name}: {(ROOT / name).stat().st_size} bytes" for name in files() if name != "uv.lock"]
    assert [line for line in heavy if int(line.split(": ")[1].split()[0]) > FILE_BYTES_MOST] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    offenders = []
    for name in files():
        if name == "tests/test_house.py":
            continue
        try:
            text = (ROOT / name).read_text()
        except UnicodeDecodeError:
            continue
        offenders += [
            f"{name}:{number}" for number, line in enumerate(text.splitlines(), 1) if ONE_MACHINE.search(line)
        ]
    assert offenders == []


def test_the_hot_path_starts_without_framework_or_network() -> None:
    foreign = ["langgraph", "langchain_core", "langsmith", "httpx", "websockets", "duckdb", "msgspec", "asyncio"]
    told = subprocess.run(
        [sys.executable, "-c", f"import sys, graph.fast; print([name for name in {foreign} if name in sys.modules])"],
        cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == "[]"


# ---- and each rule, broken on purpose ----


def house_of(text: str, name: str = "evals/made_up.py") -> dict[str, tuple[str, ast.Module]]:
    return {name: (text, ast.parse(text))}


def test_a_silent_file_is_caught() -> None:
    assert silent_files(house_of("x = 1\n")) == ["evals/made_up.py"]
    assert silent_files(house_of('"""Own x."""\n')) == []


def test_a_long_file_is_caught() -> None:
    assert long_files(house_of("x = 1\n" * 401)) == ["evals/made_up.py: 401 lines"]


def test_a_long_function_is_caught_unless_it_says_why() -> None:
    body = "    x = 1\n" * 59
    assert long_functions(house_of(f"def f() -> None:\n{body}")) == ["evals/made_up.py:1 f: 60 lines"]
    assert long_functions(house_of(f"def f() -> None:  # long: one table\n{body}")) == []


@pytest.mark.parametrize("kind", ["", " Exception", " BaseException as error", " (ValueError, Exception)"])
def test_a_broad_except_is_caught_unless_it_is_a_marked_boundary(kind: str) -> None:
    text = f"try:\n    x = 1\nexcept{kind}:\n    pass\n"
    assert broad_excepts(house_of(text)) == ["evals/made_up.py:3"]
    assert broad_excepts(house_of(text.replace(":\n    pass", ":  # boundary: one task\n    pass"))) == []


@pytest.mark.parametrize(
    "line",
    [
        "world.now_ns = 1",
        "world.now_ns += 1",
        "world.markets[0].asked_ns = 1",
        "market.asked_ns = 1",
        "where.now_ns = 1",
        "where.markets[0] = market",
    ],
)
def test_a_change_of_the_world_from_outside_is_caught(line: str) -> None:
    text = f"def f(where: World, world: Any) -> None:\n    market = where.markets[1]\n    {line}\n"
    assert len(world_writers(house_of(text))) == 1
    assert world_writers(house_of(text, "graph/advance.py")) == []


def test_reading_the_world_is_free() -> None:
    text = "def f(world: World) -> int:\n    now = world.now_ns\n    view.now_ns = now\n    return now\n"
    assert world_writers(house_of(text)) == []


def test_a_number_without_a_unit_is_caught() -> None:
    from typing import Annotated

    class Inner(Record):
        price: Annotated[float, np.float64]

    class Bad(Record):
        price: Annotated[float, np.float64]
        sizes: Annotated[np.ndarray, np.int64, (3,)]
        price_usd: Annotated[float, np.float64]
        p_up: Annotated[float, np.float64]
        whole: Annotated[bool, np.bool_]
        inner: Inner

    assert [name.split(".")[-1] for name in nameless_numbers(Bad)] == ["price", "sizes"]
