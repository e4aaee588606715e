"""The project as a newcomer meets it: what is packed, what is documented, what the README promises."""

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from zipfile import ZipFile

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

import symguide

ROOT = Path(__file__).parents[1]
FOUND = [m for m in pkgutil.walk_packages(symguide.__path__, "symguide.") if not m.name.startswith("symguide.cli.")]
ROOMS = sorted(m.name for m in FOUND if m.ispkg and m.name != "symguide.cli")
MODULES = sorted({m.name for m in FOUND} - {*ROOMS, "symguide.__main__"})
COMMANDS = ('pip install ".[examples]"', 'pip install ".[test]"')


def _text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _own(module: ModuleType) -> Iterator[tuple[str, object]]:
    """The functions and classes that a module makes public and defines itself."""
    for name in module.__all__:
        thing = getattr(module, name)
        if (inspect.isfunction(thing) or inspect.isclass(thing)) and thing.__module__ == module.__name__:
            yield name, thing


def _public_members(cls: type) -> Iterator[tuple[str, str]]:
    """The methods and properties that a class defines, with what ``help`` says of each."""
    for name, member in vars(cls).items():
        described = inspect.isroutine(member) or isinstance(member, property) or hasattr(member, "attrname")
        if described and not name.startswith("_"):
            yield name, inspect.getdoc(getattr(cls, name)) or ""


@pytest.mark.parametrize("name", ROOMS)
def test_room_says_what_it_holds_and_loads_nothing(name: str) -> None:
    room = importlib.import_module(name)
    assert inspect.getsource(room) == f'"""{room.__doc__}"""\n'


@pytest.mark.parametrize("name", MODULES)
def test_module_says_what_it_is_and_what_is_public(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    assert module.__all__, f"{name} makes nothing public"
    missing = [public for public in module.__all__ if not hasattr(module, public)]
    assert not missing, f"{name}.__all__ lists {missing}, which do not exist"


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_is_explained(name: str) -> None:
    silent = []
    for public, thing in _own(importlib.import_module(name)):
        members = _public_members(thing) if inspect.isclass(thing) else ()
        silent += [public] * (not thing.__doc__) + [f"{public}.{member}" for member, text in members if not text]
    assert not silent, f"{name}: no docstring for {silent}"


@pytest.mark.parametrize("name", [name for name in MODULES if name not in ("symguide.cli", "symguide.display.tables")])
def test_everything_public_has_a_running_example(name: str) -> None:
    without = []
    for public, thing in _own(importlib.import_module(name)):
        texts = [thing.__doc__ or ""]
        if inspect.isclass(thing):
            if issubclass(thing, BaseException) or inspect.isabstract(thing):
                continue  # shown by what raises the one, and by what fills in the other
            texts += [text for _, text in _public_members(thing)]
        without += [public] * (not any(">>>" in text for text in texts))
    assert not without, f"{name}: no example for {without}"


def test_importing_the_package_is_light() -> None:
    heavy = {"matplotlib", "scipy", "sklearn", "wordfreq", "click", "rich", "IPython", "nbformat"}
    script = f"import symguide, sys; print(*sorted({heavy!r} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
    assert done.stderr == ""


def test_wheel_carries_types_licence_and_derivations(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    with ZipFile(wheel) as archive:
        packed = {name: archive.read(name) for name in archive.namelist()}
    assert "symguide/py.typed" in packed
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in packed)
    assert {name.split("/")[0] for name in packed if ".dist-info/" not in name} == {"symguide"}
    derivations = {f"symguide/derivations/{path.name}": path for path in (ROOT / "derivations").glob("*.py")}
    assert derivations
    assert {name: packed.get(name) for name in derivations} == {n: p.read_bytes() for n, p in derivations.items()}


def test_source_archive_holds_what_the_tests_need(tmp_path: Path) -> None:
    (sdist,) = SdistBuilder(str(ROOT)).build(directory=str(tmp_path))
    with tarfile.open(sdist) as archive:
        packed = {name.split("/", 1)[1] for name in archive.getnames()}
    here = {
        path.relative_to(ROOT).as_posix()
        for folder, kind in (("symguide", "py"), ("derivations", "py"), ("notebooks", "ipynb"), ("tests", "py"))
        for path in (ROOT / folder).rglob(f"[!.]*.{kind}")
        if ".ipynb_checkpoints" not in path.parts
    }
    wanted = here | {"README.md", "LICENSE", "CITATION.cff", "pyproject.toml", "symguide/py.typed", ".ci/run"}
    assert wanted <= packed, f"not in the source archive: {sorted(wanted - packed)}"


@pytest.mark.parametrize("start", COMMANDS)
def test_continuous_integration_runs_the_command_of_the_readme(start: str) -> None:
    blocks = re.findall(r"^```\w*\n(.*?)^```$", _text("README.md"), re.DOTALL | re.MULTILINE)
    lines = [block.splitlines()[0] for block in blocks if block.startswith(start)]
    assert len(lines) == 1, f"README.md has {len(lines)} blocks that start with {start}; it should have one"
    script = [line.strip() for line in _text(".ci/run").splitlines()]
    assert script.count(lines[0]) == 1, f".ci/run does not run the README's line: {lines[0]}"


def test_version_is_the_same_everywhere() -> None:
    version = tomllib.loads(_text("pyproject.toml"))["project"]["version"]
    citation = re.search(r"^version: (\S+)$", _text("CITATION.cff"), re.MULTILINE)
    changes = re.search(r"^## \[(\d\S*)\]", _text("CHANGELOG.md"), re.MULTILINE)
    assert citation is not None
    assert changes is not None
    assert version == citation[1] == changes[1]


def test_references_between_docstrings_lead_somewhere() -> None:
    lost = []
    for path in (ROOT / "symguide").rglob("*.py"):
        for name in re.findall(r":(?:mod|func|class|data|meth|attr):`~?(symguide[\w.]*)`", path.read_text("utf-8")):
            try:
                pkgutil.resolve_name(name)
            except (ImportError, AttributeError):
                lost.append(f"{path.name}: {name}")
    assert not lost
