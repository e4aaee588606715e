"""``symguide export``: closed forms as a document or as code."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from symguide.cli.arguments import context_of, problem_of, schedule_of, strengths_of
from symguide.cli.code import python_module
from symguide.cli.outputs import busy, otherwise, write
from symguide.cli.parameters import DONE, HORIZON, NOISE, PROBLEM, RULE, TARGET, command, option, several
from symguide.errors import DataError, StrengthError

if TYPE_CHECKING:
    from fractions import Fraction

    from symguide.laws.mixture import Problem
    from symguide.schedules.noise_schedule import NoiseSchedule

__all__ = ["export_command"]


@command(
    "export",
    PROBLEM,
    option("--latex", metavar="FILE", help="A LaTeX document; `-` is stdout."),
    option("--python", metavar="FILE", help="A Python module of NumPy functions; `-` is stdout."),
    several("--w", "W", "One guidance strength  [left open, as a symbol]."),
    option("--all", "everything", is_flag=True, help="Every context and every term, in LaTeX too."),
    option("--context", metavar="TOKENS", help="LaTeX of one context in full: `2,M`, or `co__e` for letters."),
    NOISE,
    HORIZON,
    TARGET,
    RULE,
)
def export_command(
    problem: str,
    latex: str | None,
    python: str | None,
    w: Sequence[str],
    everything: bool,
    context: str | None,
    noise: str | None,
    horizon: str | None,
    target: str | None,
    rule: str,
) -> int:
    """Closed forms as a LaTeX document or as Python code.

    The law of every context, its distance to the terminal law, and what the abbreviations stand for, with the guidance
    strength open unless --w gives it. A noise schedule is spelled out in time. Long lists are abridged in LaTeX, and
    say so; --all writes everything, --context one context in full.
    """
    places = [place for place in (latex, python) if place is not None]
    if not places:
        raise DataError("no output is named, so nothing would be written; add --latex FILE or --python FILE")
    if len({place if place == "-" else os.path.realpath(place) for place in places}) < len(places):
        raise DataError(f"--latex and --python both name {places[0]!r}, so one would be lost; name two places")
    if context is not None and (python is not None or everything):
        other = "--all" if everything else "--python"
        raise DataError(f"--context asks for one context and {other} for all, so it is open which is meant; drop one")
    strengths = strengths_of(w)
    if len(strengths) > 1:
        raise StrengthError(
            f"--w has {len(strengths)} values, but one document holds one strength; give one, or none to leave it open"
        )
    strength = strengths[0] if strengths else None
    schedule = schedule_of(noise, horizon)
    texts: dict[str, str] = {}
    with busy(f"solving {problem}"):
        loaded = problem_of(problem, target)
        if latex is not None:
            texts[latex] = _document(loaded, rule, strength, schedule, everything, context)
        if python is not None:
            texts[python] = _module(loaded, rule, strength, noise, horizon)
    write(texts)
    return DONE


def _document(
    problem: Problem,
    rule: str,
    strength: Fraction | None,
    schedule: NoiseSchedule | None,
    everything: bool,
    context: str | None,
) -> str:
    from symguide.chains.chain import guided_chain
    from symguide.closed_forms.documents import context_document, solution_document
    from symguide.closed_forms.forms import excerpt
    from symguide.closed_forms.solution import solve
    from symguide.latex.formulas import SHOWN
    from symguide.laws.law import format_context
    from symguide.laws.tilt import guidance
    from symguide.numbers.number import to_sympy
    from symguide.symbols import w

    tilt = guidance(problem, rule)
    chain = guided_chain(tilt if strength is None else tilt.at(strength))
    symbol = w if strength is None else to_sympy(strength)
    if context is not None:
        shown = context_of(problem, context)
        if shown not in chain.index:
            raise DataError(
                f"--context is {context!r}: {format_context(shown)} has probability zero under guidance, so there is "
                "no form to write; name tokens of the support"
            )
        with otherwise("show fewer tokens in --context"):
            solution = solve(chain.ancestors([shown]), symbol)
        return context_document(solution, shown, problem, rule, schedule, chain)
    if everything:
        with otherwise("drop --all for an abridged document, or name one context with --context"):
            solution = solve(chain, symbol)
        return solution_document(solution, problem, rule, schedule, None)
    solution = solve(excerpt(chain), symbol, limit=10**9)
    return solution_document(solution, problem, rule, schedule, SHOWN, chain)


def _module(problem: Problem, rule: str, strength: Fraction | None, noise: str | None, horizon: str | None) -> str:
    from symguide.chains.chain import guided_chain
    from symguide.closed_forms.solution import solve
    from symguide.laws.tilt import guidance
    from symguide.numbers.number import to_sympy
    from symguide.symbols import w

    tilt = guidance(problem, rule)
    chain = guided_chain(tilt if strength is None else tilt.at(strength))
    with otherwise("use fewer positions or a smaller support, or symguide solve, which spells nothing out"):
        solution = solve(chain, w if strength is None else to_sympy(strength))
    return python_module(solution, problem, rule, noise, horizon)
