"""Closed forms as Python source."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symguide.closed_forms.solution import Solution
    from symguide.laws.mixture import Problem

__all__ = ["python_module"]

_MODULE = '''\
"""Guided masked diffusion in closed form, as functions of {arguments}; PROBLEM and SOURCE say of what.

probabilities({arguments}) is the law of STATES at mask fraction u, from 1 (all masked) to 0 (the end), and
tv({arguments}) its distance to the terminal law. Arguments broadcast. {domain}
"""

from fractions import Fraction

import numpy

from symguide.numbers.arithmetic import power_float
from symguide.numbers.divided_differences import exp_dd_float as exp_dd
{imports}
PROBLEM = {problem!a}
SOURCE = {source!a}
STATES = [  # None is the mask
{states}
]
{rates}

def probabilities({arguments}):
    """P_x(u) of every context, along the first axis."""
    s = clock(u)
{unpack}    return numpy.array(
        numpy.broadcast_arrays(
{values}
        )
    )


def tv({arguments}):
    """TV(P(u), P(0)), the probability that a reveal is still to come."""
    s = clock(u)
{unpack}    return {tv}


def clock(u):
    """s = -ln u."""
    with numpy.errstate(divide="ignore"):
        return -numpy.log(numpy.asarray(u, dtype=float))
{schedule}'''

_RATES = '''

def rates({w}):
    """Exit rates and normalisers that the formulas share."""
{lines}
    return {names}
'''

_SCHEDULE = '''

SCHEDULE = parse_schedule({noise!a}, {horizon!a})


def mask_fraction(t):
    """u(t) under the noise schedule."""
    return SCHEDULE.mask_fraction_at(numpy.asarray(t, dtype=float))
'''


def python_module(solution: Solution, problem: Problem, rule: str, noise: str | None, horizon: str | None) -> str:
    """A Python module that spells a solution out; its two kernels, power and divided difference, stay symguide's.

    What a problem file may choose freely goes into it as quoted text only.
    """
    from sympy import Symbol

    from symguide.closed_forms.compiled import TARGETS
    from symguide.laws.law import format_context

    printer = TARGETS["numpy"][0]({"fully_qualified_modules": True, "allow_unknown_functions": True})
    names: dict[Any, Any] = {}
    for key in solution.definitions:
        plain = re.sub(r"[\W_]+", "_", str(key)).strip("_")
        unique = plain if plain not in map(str, names.values()) else f"{plain}_{len(names)}"
        names[key] = Symbol(unique, positive=True)

    def code(expression: Any) -> str:
        return printer.doprint(expression.xreplace(names))

    w = "w" if solution.named.w.free_symbols else ""
    domain = "For every w > -1" + ("; w = -1 included." if solution.named.chain.includes_unconditional else ".")
    listed = ", ".join(map(str, names.values())) + "," * (len(names) == 1)
    lines = "\n".join(f"    {names[key]} = {code(value)}" for key, value in solution.definitions.items())
    strength = "" if w else f", w = {solution.named.w}"
    goal = "a pair of laws" if problem.target is None else f"target {problem.target}"
    return _MODULE.format(
        arguments=f"{w}, u" if w else "u",
        domain=domain if w else "The strength is fixed.",
        imports="from symguide.schedules.published import parse_schedule\n" if noise else "",
        problem=f"{problem.name}, {goal}, {rule} rule{strength}",
        source=problem.source,
        states="\n".join(f"    {state!r}," for state in solution.states),
        rates=_RATES.format(w=w, lines=lines, names=listed) if names else "",
        unpack=f"    {listed} = rates({w})\n" if names else "",
        values="\n".join(
            f"            {code(value)},  # {format_context(state)}"
            for state, value in zip(solution.states, solution.probabilities, strict=True)
        ),
        tv=code(solution.tv),
        schedule=_SCHEDULE.format(noise=noise, horizon=horizon) if noise else "",
    )
