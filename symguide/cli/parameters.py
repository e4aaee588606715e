"""Commands as data: what each takes, before click is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from symguide.laws.rules import RULES

__all__ = [
    "DONE",
    "FAILED",
    "GUIDANCE",
    "HORIZON",
    "JSON",
    "NOISE",
    "PROBLEM",
    "RULE",
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

DONE, FAILED = 0, 1
"""Exit statuses of a command: all well; a check failed."""


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


def command(name: str, *parameters: Parameter) -> Callable[[Callable[..., int]], Command]:
    """Make a command of what runs it."""
    return lambda run: Command(name, run, parameters)


def option(*names: str, **settings: Any) -> Parameter:
    return Parameter(names, settings)


def several(name: str, metavar: str, help: str) -> Parameter:
    return Parameter((name,), {"metavar": f"{metavar}...", "multiple": True, "help": help})


def argument(name: str, **settings: Any) -> Parameter:
    return Parameter((name,), settings)


PROBLEM = argument("problem", metavar="PROBLEM")
TARGET = option("--target", metavar="CLASS", help="The class to guide towards.")
RULE = option("--rule", metavar="|".join(RULES), choices=tuple(RULES), default="rate", help="Guidance rule  [rate].")
W = several("--w", "W", "Guidance strengths w >= -1: -1 unconditional, 0 conditional.")
U = several("--u", "U", "Mask fractions in [0, 1]: 1 all masked, 0 the end.")
T = several("--t", "T", "Times, instead of mask fractions; with --noise.")
NOISE = option("--noise", metavar="NAME[:key=value,...]", help="Noise schedule, as `symguide list` names them.")
HORIZON = option("--horizon", metavar="T", help="Horizon of the noise schedule, instead of its own.")
GUIDANCE = option(
    "--guidance-schedule",
    metavar="SPEC",
    help="Guidance in time instead of --w: windows w@u_hi:u_lo,... or a name such as ramp-up:3.",
)
JSON = option("--json", "as_json", is_flag=True, help="Write JSON to stdout, everything for people to stderr.")
