"""How fast closed forms come, one symbol per rate: against SymPy merely building them, Maxima, and SymPy's solvers.

Run ``python tests/benchmarks/solve_symbolic.py``; it takes a few minutes, most of them spent waiting for the others.
Every ratio is of two times measured side by side in this run, with fresh symbols and an empty SymPy cache per
repetition. Maxima rows need ``maxima`` on the path.
"""

import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sympy import Add, Expr, Mul, Symbol, Tuple
from sympy.core.cache import clear_cache

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import best, command_seconds, show, text

from symguide.chains.chain import Chain
from symguide.chains.family import rate_symbols
from symguide.closed_forms.solution import Solution, solve
from symguide.numbers.exp_dd import exp_dd
from symguide.symbols import s, symbol

__all__ = ["main"]

LIMIT = 60.0
"""Seconds after which another system is given up."""


def fresh_chain(vocabulary: int, length: int) -> Chain[Any]:
    """The chain with one symbol per rate, no symbol of it known to SymPy."""
    clear_cache()
    return rate_symbols(vocabulary, length)


def closed_forms(chain: Chain[Any]) -> tuple[Expr, ...]:
    """The work that is timed: from rates to every context's probability."""
    return solve(chain).probabilities


@dataclass(frozen=True)
class Parts:
    """What closed forms are made of: per context its terms, as factors and nodes; per abbreviation its summands."""

    terms: Sequence[Sequence[tuple[Sequence[Expr], Sequence[Expr]]]]
    sums: Sequence[Sequence[Expr]]

    @classmethod
    def of(cls, solution: Solution) -> "Parts":
        """Taken apart."""
        rates = solution.named.chain.exit_rates
        terms = [
            [(Mul.make_args(factor), [rates[j] for j in nodes]) for nodes, factor in row.items()]
            for row in solution.expansion.terms
        ]
        return cls(terms, [Add.make_args(value) for value in solution.definitions.values()])

    def fresh(self) -> "Parts":
        """The same of new symbols, none of them known to SymPy."""
        clear_cache()
        known: dict[Expr, Expr] = {}

        def renewed(part: Expr) -> Expr:
            if not isinstance(part, Symbol):
                return part
            return known.setdefault(part, symbol(part.name, positive=True))

        terms = [[(list(map(renewed, f)), list(map(renewed, nodes))) for f, nodes in row] for row in self.terms]
        return Parts(terms, [list(map(renewed, row)) for row in self.sums])

    def build(self) -> tuple[Expr, ...]:
        """Put together: what SymPy cannot do without."""
        for summands in self.sums:
            Add(*summands)
        return tuple(Add(*(Mul(*f, exp_dd(Tuple(*nodes), s)) for f, nodes in row)) for row in self.terms)


def compare_with_building() -> None:
    """Two tokens: solving against building the same expressions from ready-made parts."""
    rows = []
    for vocabulary in (3, 4, 10, 20):
        solution = solve(fresh_chain(vocabulary, 2))
        parts = Parts.of(solution)
        assert list(map(str, parts.fresh().build())) == list(map(str, solution.probabilities))
        solving = best(closed_forms, lambda n=vocabulary: fresh_chain(n, 2))
        building = best(Parts.build, parts.fresh)
        terms = solution.expansion.size
        ratio = f"{solving / building:.2f}"
        rows.append((vocabulary, terms, text(solving), text(building), ratio, f"{solving / terms * 1e6:.0f} µs"))
    show(
        "Two tokens, one symbol per rate",
        ("N", "terms", "solve", "SymPy builds them", "ratio", "per term"),
        rows,
        "Goal: ratio at most 5, and a time per term that does not grow with N.",
    )


def system(chain: Chain[Any]) -> tuple[list[str], list[list[tuple[int, str]]], list[str]]:
    """The Kolmogorov equations for others: state names, inflows as (source, rate), exit rates; rates are ``r1 …``."""
    names: dict[Any, str] = {}
    inflows = [
        [(reveal.source, names.setdefault(reveal.rate, f"r{len(names) + 1}")) for reveal in reveals]
        for reveals in chain.incoming
    ]
    leaving: list[list[str]] = [[] for _ in chain.states]
    for row in inflows:
        for source, rate in row:
            leaving[source].append(rate)
    return [f"p{j}" for j in range(len(chain.states))], inflows, ["+".join(row) or "0" for row in leaving]


def maxima_desolve(chain: Chain[Any]) -> str:
    """Maxima's solver of linear systems, by Laplace transforms."""
    names, inflows, exits = system(chain)
    lines = []
    for name, row, leaving in zip(names, inflows, exits, strict=True):
        gain = "".join(f"+{rate}*{names[source]}(s)" for source, rate in row)
        lines.append(f"'diff({name}(s),s) = -({leaving})*{name}(s){gain}")
    begin = "".join(f"atvalue({name}(s), s=0, {int(j == 0)})$\n" for j, name in enumerate(names))
    unknowns = ", ".join(f"{name}(s)" for name in names)
    rates = sorted({rate for row in inflows for _, rate in row})
    assume = f"assume({', '.join(f'{rate} > 0' for rate in rates)})$\n"
    return f"{assume}{begin}answer: desolve([{', '.join(lines)}], [{unknowns}])$\n"


def maxima_triangular(chain: Chain[Any]) -> str:
    """A program that knows the system to be triangular and integrates context by context.

    ``P_x = e^{−Λ s} ∫_0^s e^{Λ σ} Σ r P_source dσ``, the integrand expanded into exponentials.
    """
    names, inflows, exits = system(chain)
    program = "p0: exp(-l0*s)$\n"
    sums = "".join(f"l{j}: {leaving}$\n" for j, leaving in enumerate(exits))
    for j, row in enumerate(inflows):
        if row:
            gain = "+".join(f"{rate}*{names[source]}" for source, rate in row)
            program += f"q: integrate(expand(exp(l{j}*s)*({gain})), s)$\n"
            program += f"p{j}: expand(exp(-l{j}*s)*(q-subst(0, s, q)))$\n"
    return sums + program


def maxima_seconds(program: str) -> float | None:
    """What Maxima itself says the program took."""
    timed = f't0: elapsed_real_time()$\n{program}print("seconds", elapsed_real_time()-t0)$\n'
    with tempfile.NamedTemporaryFile("w", suffix=".mac") as file:
        file.write(timed)
        file.flush()
        load = f'batchload("{file.name}")$ quit()$'
        done = command_seconds(["maxima", "--very-quiet", "--run-string", load], LIMIT)
    return None if done is None else float(done[1].split("seconds")[1].split()[0])


def compare_with_maxima() -> None:
    """Two tokens: Maxima's solver, and a triangular program written by hand in Maxima."""
    rows = []
    for title, write, sizes in (
        ("desolve", maxima_desolve, (2, 3)),
        ("triangular program", maxima_triangular, (2, 3, 4, 10)),
    ):
        for vocabulary in sizes:
            solving = best(closed_forms, lambda n=vocabulary: fresh_chain(n, 2))
            theirs = maxima_seconds(write(rate_symbols(vocabulary, 2)))
            rows.append((f"Maxima, {title}", vocabulary, text(solving), *_against(theirs, solving)))
            if theirs is None:
                break
    show("Two tokens, against Maxima", ("system", "N", "solve", "theirs", "ratio"), rows)


_SYMPY_SETUP = """
import sys, time
sys.path.insert(0, {path!r})
from benchmarks.solve_symbolic import fresh_chain, system
from sympy import Add, Eq, Function, Integer, Matrix, Symbol, symbols
from sympy.solvers.ode.systems import dsolve_system
names, inflows, exits = system(fresh_chain({vocabulary}, 1))
s = Symbol("s", nonnegative=True)
rate = lambda text: Add(*(Symbol(name, positive=True) if name != "0" else Integer(0) for name in text.split("+")))
begun = time.perf_counter()
"""
_SYMPY = {
    "dsolve_system": """
p = [Function(name)(s) for name in names]
flow = [Add(-rate(exits[j]) * p[j], *(rate(r) * p[source] for source, r in row)) for j, row in enumerate(inflows)]
initial = {x.subs(s, 0): int(j == 0) for j, x in enumerate(p)}
dsolve_system([Eq(x.diff(s), right) for x, right in zip(p, flow)], p, s, initial)
""",
    "Matrix.exp": """
generator = Matrix(len(names), len(names), lambda i, j: -rate(exits[i]) if i == j else 0)
for j, row in enumerate(inflows):
    for source, r in row:
        generator[j, source] = rate(r)
(generator * s).exp()
""",
}


def compare_with_sympy() -> None:
    """One token: SymPy's solver of linear systems, and its exponential of a matrix."""
    rows = []
    for name, program in _SYMPY.items():
        for vocabulary in (2, 3, 4):
            setup = _SYMPY_SETUP.format(path=str(Path(__file__).parents[1]), vocabulary=vocabulary)
            code = f"{setup}{program}print(time.perf_counter() - begun)"
            done = command_seconds([sys.executable, "-c", code], LIMIT)
            theirs = None if done is None else float(done[1])
            solving = best(closed_forms, lambda n=vocabulary: fresh_chain(n, 1))
            rows.append((f"SymPy, {name}", vocabulary, text(solving), *_against(theirs, solving)))
            if theirs is None:
                break
    show("One token, against SymPy's solvers", ("system", "N", "solve", "theirs", "ratio"), rows)


def _against(theirs: float | None, ours: float) -> tuple[str, str]:
    if theirs is None:
        return text(None, LIMIT), f"> {LIMIT / ours:.0f}"
    return text(theirs), f"{theirs / ours:.3g}"


def main() -> None:
    """All comparisons."""
    compare_with_building()
    if shutil.which("maxima"):
        compare_with_maxima()
    else:
        print("maxima is not on the path, so there is no comparison with it")
    compare_with_sympy()


if __name__ == "__main__":
    main()
