"""All states at 200 times: against ODE solvers, matrix exponentials, eigenvectors and uniformisation from elsewhere.

Run ``python tests/benchmarks/trajectories.py``; it takes about ten minutes, most of them the others'. On a machine that
others use set ``OPENBLAS_NUM_THREADS=1``. Ratios are of the least times measured side by side in this run, for the same
generator on the same reachable contexts. The floor is what cannot be avoided: one ``exp`` for every exit rate and time,
and every value written once. Errors are the
largest absolute one, and the largest relative one among probabilities above 1e-250, against ball arithmetic at a few
of the times. diffrax is timed where it is installed.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import flint
import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import scipy.stats

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.timing import best, show, text

from symguide.chains.array_chain import ArrayChain
from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.histograms import histogram_lattice
from symguide.chains.lattice import lattice
from symguide.chains.lump import lump
from symguide.chains.trajectory import trajectory
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS

__all__ = ["main"]

TIMES = 200
LIMIT = 20.0
"""Seconds after which a peer is given up."""
STRENGTHS = (0, 1, 5, 20)
CHECKED = (0, 60, 199)
"""The times, by index, at which errors are measured."""


def random_mixture(vocabulary: int, length: int, seed: int = 0) -> Problem:
    """Two classes with random exact weights on every token tuple."""
    rng = np.random.default_rng(seed)
    classes = {}
    for name in "ab":
        counts = rng.integers(1, 1000, size=(vocabulary,) * length)
        whole = int(counts.sum())
        table = np.empty(counts.shape, dtype=object)
        table.flat = [Fraction(int(count), whole) for count in counts.flat]
        classes[name] = (Fraction(1, 2), table)
    return ClassMixture.of(vocabulary, length, classes, name=f"{length}D N = {vocabulary}").problem("a")


def generator(chain: ArrayChain) -> scipy.sparse.csr_matrix:
    """``A`` of ``dP/ds = A P``."""
    rows, columns, values = [np.arange(chain.size)], [np.arange(chain.size)], [-chain.exits]
    for k, into in enumerate(chain.incoming):
        for sources, jumps in zip(into.sources.T, into.jumps.T, strict=True):
            origin = sources + chain.offsets[k]
            rows.append(np.arange(len(origin)) + chain.offsets[k + 1])
            columns.append(origin)
            values.append(jumps * chain.exits[origin])
    entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
    return scipy.sparse.csr_matrix(entries, shape=(chain.size, chain.size))


def peers(matrix: scipy.sparse.csr_matrix, s: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """What others do, by name: each gives an ``(n, T)`` array."""
    size = matrix.shape[0]
    start = np.zeros(size)
    start[0] = 1.0
    dense = matrix.toarray() if size <= 1100 else None
    fastest = float(-matrix.diagonal().min())

    def integrate(method: str) -> np.ndarray:
        more: dict[str, Any] = {"jac": matrix if method == "Radau" else dense} if method != "DOP853" else {}
        if method == "LSODA":
            more = {"jac": lambda t, y: dense}
        return scipy.integrate.solve_ivp(
            lambda t, y: matrix @ y, (0.0, s[-1]), start, method=method, t_eval=s, rtol=1e-10, atol=1e-14, **more
        ).y

    def steps() -> np.ndarray:
        assert dense is not None
        # One exponential of the smallest step, and repeated products on an even grid that holds the times nearly.
        law, out = start, []
        even = np.linspace(s[0], s[-1], len(s))
        first, step = (scipy.linalg.expm(dense * h) for h in (even[0], even[1] - even[0]))
        law = first @ law
        for _ in even:
            out.append(law)
            law = step @ law
        return np.stack(out, axis=1)

    def eigenvectors() -> np.ndarray:
        assert dense is not None
        values, vectors = np.linalg.eig(dense)
        return ((vectors * np.linalg.solve(vectors, start)) @ np.exp(np.outer(values, s))).real

    def uniformised() -> np.ndarray:
        # All times share the powers of one stochastic matrix; Poisson weights from the mode outwards.
        stay = scipy.sparse.eye_array(size, format="csr") + matrix / fastest
        means = fastest * s
        count = int(means.max() + 10 * np.sqrt(means.max()) + 40)
        weights = scipy.stats.poisson.pmf(np.arange(count)[:, None], means)
        law, out = start, np.zeros((size, len(s)))
        for row in weights:
            out += np.outer(law, row)
            law = stay @ law
        return out

    def multiply() -> np.ndarray:
        law, before, out = start, 0.0, []
        for at in s:
            law = scipy.sparse.linalg.expm_multiply(matrix * (at - before), law)
            out.append(law)
            before = at
        return np.stack(out, axis=1)

    found: dict[str, Callable[[], np.ndarray]] = {}
    if fastest * s[-1] < 1e5:
        found |= {
            "DOP853": lambda: integrate("DOP853"),
            "expm_multiply": multiply,
            "uniformisation": uniformised,
        }
    if dense is not None:
        found |= {"LSODA": lambda: integrate("LSODA"), "eigenvectors": eigenvectors, "expm, products": steps}
    found["Radau"] = lambda: integrate("Radau")
    if find_spec("diffrax") and dense is not None and fastest * s[-1] < 1e4:
        found["diffrax"] = _diffrax(dense, start, s)
    return found


def _diffrax(dense: np.ndarray, start: np.ndarray, s: np.ndarray) -> Callable[[], np.ndarray]:
    import diffrax
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    matrix, grid = jnp.asarray(dense), jnp.asarray(s)

    @jax.jit
    def law() -> Any:
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, y, args: matrix @ y),
            diffrax.Dopri8(),
            0.0,
            float(s[-1]),
            1e-3,
            jnp.asarray(start),
            saveat=diffrax.SaveAt(ts=grid),
            stepsize_controller=diffrax.PIDController(rtol=1e-10, atol=1e-14),
            max_steps=100_000,
        ).ys

    law()
    return lambda: np.asarray(law()).T


def floor(chain: ArrayChain, s: np.ndarray) -> None:
    """One ``exp`` for every exit rate and time, and every value written once."""
    np.exp(np.outer(-np.unique(chain.exits), s))
    np.full((chain.size, len(s)), 1.0)


def least(work: Callable[[], object], first: float) -> float:
    """The least of as many times as fit in half a second, at least three: machines are shared."""
    return best(lambda _: work(), lambda: None, min(max(3, int(0.5 / max(first, 1e-4))), 500))


class _GivenUp(Exception):
    pass


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Give up after some seconds."""

    def ring(signum: int, frame: Any) -> None:
        raise _GivenUp

    previous = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def reference(problem: Problem, w: int, states: Any, s: np.ndarray) -> np.ndarray:
    """The law in balls, rounded, for the contexts in their order."""
    chain = guided_chain(guidance(problem))
    with flint.ctx.workprec(400):
        expansion = expand(chain.over(BALLS, Fraction(w)))
        columns = [[float(value) for value in expansion.probabilities(flint.arb(float(at)))] for at in s]
    place = {x: j for j, x in enumerate(chain.states)}
    return np.array(columns).T[[place[x] for x in states]]


def errors(found: np.ndarray, exact: np.ndarray) -> tuple[str, str]:
    """Largest absolute and relative error."""
    seen = exact > 1e-250
    return f"{np.abs(found - exact).max():.0e}", f"{np.abs(found[seen] / exact[seen] - 1).max():.0e}"


def main() -> None:
    """One table for every case."""
    s = -np.log(np.linspace(0.995, 0.005, TIMES))
    cases = [random_mixture(*shape) for shape in ((50, 1), (30, 2), (6, 3), (4, 4))] + [load("hypercubes-5d")]
    for problem in cases:
        contexts = lattice(guidance(problem))
        rows = []
        for w in STRENGTHS:
            chain = contexts.at(float(w))
            exact = reference(problem, w, chain.states, s[list(CHECKED)])
            matrix = generator(chain)
            ours = {"symguide": lambda chain=chain: trajectory(chain, s).probabilities}
            if (lumped := _through_lumps(problem, chain, w, s)) is not None:
                ours["symguide, lumped"] = lumped
            times: dict[str, float] = {}
            for name, work in (ours | peers(matrix, s)).items():
                try:
                    with limited(LIMIT):
                        begun = time.perf_counter()
                        law = work()
                        times[name] = least(work, time.perf_counter() - begun)
                except _GivenUp:
                    rows.append((f"w = {w}", name, f"> {LIMIT:g} s", "", "", ""))
                    continue
                even = name == "expm, products"  # other times than asked for, so no errors
                apart = ("", "") if even else errors(law[:, list(CHECKED)], exact)
                rows.append((f"w = {w}", name, text(times[name]), *apart, ""))
            times["floor"] = least(lambda chain=chain: floor(chain, s), 0.0)
            rows.append((f"w = {w}", "floor", text(times["floor"]), "", "", ""))
            fewest = min(times[name] for name in ours)
            rows = [(*row[:5], _ratio(row, f"w = {w}", times, fewest)) if row[0] == f"w = {w}" else row for row in rows]
        show(
            f"{problem.name}: {chain.size} contexts at {TIMES} times",
            ("", "", "time", "absolute error", "relative error", "against symguide"),
            rows,
        )


def _ratio(row: tuple[str, ...], strength: str, times: dict[str, float], fewest: float) -> str:
    return f"{times[row[1]] / fewest:.2f}" if row[0] == strength and row[1] in times else row[5]


def _through_lumps(problem: Problem, chain: ArrayChain, w: int, s: np.ndarray) -> Callable[[], np.ndarray] | None:
    """Every context's probability from its histogram of token types, where positions are independent and alike."""
    lumping = lump(problem)
    if lumping is None or lumping.kind != "posterior and number":
        return None
    histograms = histogram_lattice(lumping, guidance(problem))
    lumps = histograms.at(float(w))
    contexts, places = histograms.contexts()
    index = {x: j for j, x in enumerate(contexts)}
    places = places[[index[x] for x in chain.states]]
    counts = np.bincount(places, minlength=lumps.size)
    return lambda: (trajectory(lumps, s).probabilities / counts[:, None])[places]


if __name__ == "__main__":
    main()
