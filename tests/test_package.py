"""The package's front door: names, their homes, and what importing costs."""

import subprocess
import sys
from importlib import import_module

import pytest

import symguide


def test_every_name_resolves_to_its_home() -> None:
    for name, home in symguide._HOME_OF.items():
        assert getattr(symguide, name) is getattr(import_module(f"symguide.{home}"), name)
    assert sorted(symguide._HOME_OF) == sorted(symguide.__all__) == dir(symguide)


def test_the_front_door_is_narrow() -> None:
    assert len(symguide.__all__) <= 30


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'sovle'"):
        _ = symguide.sovle  # pyright: ignore[reportAttributeAccessIssue]


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, symguide; print(*[m for m in ('sympy', 'numpy', 'matplotlib', 'flint') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_using_it_loads_no_plotting_or_example_data() -> None:
    heavy = ("matplotlib", "scipy", "sklearn", "wordfreq", "click", "rich", "IPython")
    use = "[getattr(symguide, name) for name in symguide.__all__]"
    code = f"import sys, symguide; {use}; print(*[m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""
