"""Answers in double precision, for chains of any size: the lattice of contexts at every strength."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from fractions import Fraction
from math import inf, isfinite, log
from typing import Any

import mpmath
import numpy as np

from symguide.answers.results import FUNCTIONALS, Quantity, Result, functionals, nearest
from symguide.chains.array_chain import ArrayChain
from symguide.chains.chain import Chain, guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import Distribution, last_reveal
from symguide.chains.lattice import Lattice
from symguide.chains.trajectory import Survival, survival, trajectory
from symguide.errors import ChainTooLargeError, InfiniteRatioError, StrengthError
from symguide.laws.law import Context
from symguide.laws.mixture import Problem
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import FLOATS, PRECISE
from symguide.numbers.number import Number, shown

__all__ = ["array_results", "clock", "tv_at"]

MAX_PATH_CONTEXTS = 2_000
MAX_PATH_TERMS = 20_000
"""Contexts and terms up to which the law on the way is summed over reveal paths, which keeps relative accuracy."""

NOTEWORTHY = 1e-12
"""Relative errors above are reported."""


def array_results(
    problem: Problem, tilt: Tilt, contexts: Lattice, w: Number, fractions: Sequence[Number], states: bool
) -> list[Result]:
    """The answers at one strength, one for every mask fraction, over a lattice of contexts.

    ``tilt`` is the one the lattice was built from.

    >>> from fractions import Fraction
    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> problem = load("squares-overlap")
    >>> tilt = guidance(problem)
    >>> (result,) = array_results(problem, tilt, lattice(tilt), Fraction(1), [Fraction(1, 2)], False)
    >>> round(result.tv.value, 6)
    0.643562
    """
    strength = nearest(w)
    if not isfinite(strength):
        raise StrengthError(f"guidance strength w is {shown(w)}: it leaves the range of doubles; use a smaller w")
    chain = contexts.at(strength)
    weights = chain.jump_law()
    order = chain.terminal.order()
    law = Distribution(chain.terminal, weights[chain.last], FLOATS)
    terminal = {chain.terminal[j]: Quantity(float(law.column[j]), None) for j in order.tolist()}
    dead = Quantity(float(weights[chain.dead].sum()), None) if chain.dead.any() else None
    mean = last_reveal(chain).mean
    notes: tuple[str, ...] = ()
    if dead is None:
        found, notes = functionals(problem, law, lambda: contexts.tilted_law(strength), mean)
    else:
        found = {**dict.fromkeys(FUNCTIONALS), "mean_unmasking_clock": Quantity.of(mean)}
    if not fractions:
        return [Result(w, None, None, None, None, terminal, None, found, dead, notes)]
    law_at = _law_on_the_way(tilt, chain, strength) if states else None
    results = []
    for u in fractions:
        tv, log_tv, log_minus_log_tv, remarks = tv_at(chain, u, contexts.rate_error(strength))
        at_u = None if law_at is None else {x: Quantity(p, None) for x, p in law_at(u)}
        results.append(Result(w, u, tv, log_tv, log_minus_log_tv, terminal, at_u, found, dead, (*notes, *remarks)))
    return results


def tv_at(
    chain: ArrayChain, u: Number, rate_error: float = 0.0
) -> tuple[Quantity, float | None, float | None, tuple[str, ...]]:
    """TV at a mask fraction, its logarithm, the logarithm of minus that, and a note where they are not known well.

    ``rate_error`` is the relative error of exit rates. ``Λ s`` multiplies it, where ``Λ`` is the exit rate of the
    contexts that make up TV.

    >>> from symguide.instances.datasets import load
    >>> from symguide.chains.lattice import lattice
    >>> from symguide.laws.tilt import guidance
    >>> tv_at(lattice(guidance(load("xor"), "normalised")).at(1.0), 1.0)[:3]
    (Quantity(value=1.0, exact=None), 0.0, None)
    """
    tv = Survival(0.0, -inf, inf, 0.0) if u == 0 else survival(chain, clock(u))
    notes, error = (), tv.error
    if tv.value > 0 and rate_error * (1.0 - tv.log) > NOTEWORTHY:
        pace = chain.exits[chain.transient] * clock(u)
        error += rate_error * (1.0 + float(pace[np.argmax(chain.log_jump_law()[chain.transient] - pace)]))
    if error > NOTEWORTHY:
        notes = (f"u = {shown(u)}: TV is known to a relative error of about {error:.0e}",)
    return Quantity(tv.value, None), _in_range(tv.log), _in_range(tv.log_minus_log), notes


def _in_range(value: float) -> float | None:
    return value if isfinite(value) else None


def clock(u: Number) -> float:
    """``s = −ln u`` as a double, from the exact ``u``, which may be closer to 0 or 1 than doubles are.

    >>> from fractions import Fraction
    >>> clock(Fraction(1, 10**400))
    921.0340371976183
    """
    if isinstance(u, float):
        return -log(u)
    with mpmath.workdps(40):
        # From 1 − u where u is near 1, whatever the working precision.
        return float(-mpmath.log1p(PRECISE.number(u - 1)) if u > 0.5 else -mpmath.log(PRECISE.number(u)))


def _chain(tilt: Tilt, w: float) -> Chain[Any]:
    """The chain at a strength; of laws that exclude one another's tokens there is none for all ``w``."""
    try:
        return guided_chain(tilt)
    except InfiniteRatioError:
        return guided_chain(tilt.at(Fraction(w)))


def _law_on_the_way(tilt: Tilt, chain: ArrayChain, w: float) -> Callable[[Number], Iterable[tuple[Context, float]]]:
    """``u ↦ P(u)`` in canonical order: by reveal paths while they are few, else by a trajectory."""
    order = np.lexsort((*chain.states.tokens.T[::-1], np.repeat(np.arange(chain.depth + 1), np.diff(chain.offsets))))
    contexts = [chain.states[j] for j in order.tolist()]
    weights = chain.jump_law()
    paths = None
    if chain.size <= MAX_PATH_CONTEXTS and np.isfinite(chain.exits).all():
        with suppress(ChainTooLargeError):
            paths = expand(_chain(tilt, w).over(FLOATS, w), MAX_PATH_TERMS)

    def law(u: Number) -> Iterable[tuple[Context, float]]:
        if u == 0:
            values = np.where(chain.transient, 0.0, weights)
        elif paths is not None:
            return zip(paths.chain.states, map(float, paths.probabilities(clock(u))), strict=True)
        else:
            values = trajectory(chain, [clock(u)]).probabilities[:, 0]
        return zip(contexts, values[order].tolist(), strict=True)

    return law
