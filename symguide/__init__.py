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
    from symguide.answers.answer import answer
    from symguide.chains.chain import Chain, guided_chain
    from symguide.chains.functionals import Distribution, terminal_law, tilted_law
    from symguide.chains.ode import kolmogorov
    from symguide.checks.verification import verify
    from symguide.closed_forms.compiled import compile_expression, compile_solution, enclose
    from symguide.closed_forms.solution import Solution, powers_of_u, solve
    from symguide.errors import SymguideError
    from symguide.evidence import Evidence, Verdict
    from symguide.instances.datasets import load, load_mixture
    from symguide.instances.problem_file import read_problem, write_problem
    from symguide.laws.law import TableLaw
    from symguide.laws.mixture import ClassMixture, Problem
    from symguide.laws.tilt import Tilt, guidance
    from symguide.schedules.noise_schedule import NoiseSchedule

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
    "answers.answer": ("answer",),
    "chains.chain": ("Chain", "guided_chain"),
    "closed_forms.compiled": ("compile_expression", "compile_solution", "enclose"),
    "instances.datasets": ("load", "load_mixture"),
    "errors": ("SymguideError",),
    "evidence": ("Evidence", "Verdict"),
    "chains.functionals": ("Distribution", "terminal_law", "tilted_law"),
    "laws.law": ("TableLaw",),
    "laws.mixture": ("ClassMixture", "Problem"),
    "chains.ode": ("kolmogorov",),
    "instances.problem_file": ("read_problem", "write_problem"),
    "schedules.noise_schedule": ("NoiseSchedule",),
    "closed_forms.solution": ("Solution", "powers_of_u", "solve"),
    "laws.tilt": ("Tilt", "guidance"),
    "checks.verification": ("verify",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'symguide' has no attribute {name!r}")
    return getattr(import_module(f"symguide.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
