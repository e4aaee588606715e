"""Exact laws of guided masked diffusion: closed forms, verification, compiled functions, LaTeX.

Data → guidance → guided reverse chain → SymPy equations → closed form → compiled function → check → LaTeX:

>>> import symguide
>>> problem = symguide.load("squares-overlap")
>>> chain = symguide.guided_chain(symguide.guidance(problem, "rate"))
>>> solution = symguide.solve(chain)
>>> solution[(2, None)]
exp_dd((Lambda_(M,M), d_2), s)/3
>>> round(float(symguide.compile_solution(solution, solution.tv)(1.0, 0.5)), 12)
0.643562426441

Names are loaded on first use, so that the command line answers before SymPy is imported.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symguide.answers import answer
    from symguide.chain import Chain, guided_chain
    from symguide.compiled import compile_expression, compile_solution, enclose
    from symguide.datasets import load, load_mixture
    from symguide.errors import SymguideError
    from symguide.evidence import Evidence, Verdict
    from symguide.functionals import Distribution, terminal_law, tilted_law
    from symguide.law import TableLaw
    from symguide.mixture import ClassMixture, Problem
    from symguide.ode import kolmogorov
    from symguide.problem_file import read_problem, write_problem
    from symguide.schedule import NoiseSchedule
    from symguide.solution import Solution, powers_of_u, solve
    from symguide.tilt import Tilt, guidance
    from symguide.verification import verify

__all__ = [
    "Chain",
    "ClassMixture",
    "Distribution",
    "Evidence",
    "NoiseSchedule",
    "Problem",
    "Solution",
    "SymguideError",
    "TableLaw",
    "Tilt",
    "Verdict",
    "answer",
    "compile_expression",
    "compile_solution",
    "enclose",
    "guidance",
    "guided_chain",
    "kolmogorov",
    "load",
    "load_mixture",
    "powers_of_u",
    "read_problem",
    "solve",
    "terminal_law",
    "tilted_law",
    "verify",
    "write_problem",
]

_HOMES = {
    "answers": ("answer",),
    "chain": ("Chain", "guided_chain"),
    "compiled": ("compile_expression", "compile_solution", "enclose"),
    "datasets": ("load", "load_mixture"),
    "errors": ("SymguideError",),
    "evidence": ("Evidence", "Verdict"),
    "functionals": ("Distribution", "terminal_law", "tilted_law"),
    "law": ("TableLaw",),
    "mixture": ("ClassMixture", "Problem"),
    "ode": ("kolmogorov",),
    "problem_file": ("read_problem", "write_problem"),
    "schedule": ("NoiseSchedule",),
    "solution": ("Solution", "powers_of_u", "solve"),
    "tilt": ("Tilt", "guidance"),
    "verification": ("verify",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'symguide' has no attribute {name!r}")
    return getattr(import_module(f"symguide.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
