"""Commands as data: what each takes, before click is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = [
    "COMMANDS",
    "HORIZON",
    "JSON",
    "NOISE",
    "PROBLEM",
    "RULE",
    "RULES",
    "TARGET",
    "Command",
    "Parameter",
    "T",
    "U",
    "W",
    "argument",
    "command",
    "option",
    "several",
]

RULES = ("rate", "normalised")
"""The names in :data:`symguide.tilt.RULES`, known here without SymPy."""


class Parameter(NamedTuple):
    """An argument or an option, before click is imported: its declarations and what click is told about it."""

    names: tuple[str, ...]
    settings: dict[str, Any]


class Command(NamedTuple):
    """A command: its name, what runs it, and what it takes. The docstring of ``run`` is its help."""

    name: str
    run: Callable[..., int]
    parameters: tuple[Parameter, ...]

    @property
    def summary(self) -> str:
        """The first sentence of the help."""
        return (self.run.__doc__ or "").partition("\n")[0].rstrip(".")


COMMANDS: dict[str, Command] = {}
"""Every command by name, in the order of the overview."""


def command(name: str, *parameters: Parameter) -> Callable[[Callable[..., int]], Callable[..., int]]:
    def register(run: Callable[..., int]) -> Callable[..., int]:
        COMMANDS[name] = Command(name, run, parameters)
        return run

    return register


def option(*names: str, **settings: Any) -> Parameter:
    return Parameter(names, settings)


def several(name: str, metavar: str, help: str) -> Parameter:
    return Parameter((name,), {"metavar": f"{metavar}...", "multiple": True, "help": help})


def argument(name: str, **settings: Any) -> Parameter:
    return Parameter((name,), settings)


PROBLEM = argument("problem", metavar="PROBLEM")
TARGET = option("--target", metavar="CLASS", help="The class to guide towards.")
RULE = option("--rule", metavar="|".join(RULES), choices=RULES, default="rate", help="Guidance rule  [rate].")
W = several("--w", "W", "Guidance strengths w >= -1: -1 unconditional, 0 conditional.")
U = several("--u", "U", "Mask fractions in [0, 1]: 1 all masked, 0 the end.")
T = several("--t", "T", "Times, instead of mask fractions; with --noise.")
NOISE = option("--noise", metavar="NAME[:key=value,...]", help="Noise schedule, as `symguide list` names them.")
HORIZON = option("--horizon", metavar="T", help="Horizon of the noise schedule, instead of its own.")
JSON = option("--json", "as_json", is_flag=True, help="Write JSON to stdout, everything for people to stderr.")
