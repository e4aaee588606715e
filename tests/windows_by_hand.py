"""Guidance in time a second time: generators from joint tables, exponentiated by window or integrated by SciPy."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise

import flint
import numpy as np
from laws.second_route import Context, SecondRoute, ball, guided
from scipy.integrate import solve_ivp
from strategies import Instance

__all__ = ["integrated", "law_after"]


def _matrix(route: SecondRoute, row: dict[Context, int]) -> flint.arb_mat:
    """The generator, columns summing to zero."""
    generator = flint.arb_mat(len(row), len(row))
    for (source, target), rate in route.rates.items():
        if source in row:
            value = ball(rate) if isinstance(rate, Fraction) else rate
            generator[row[target], row[source]] = value
            generator[row[source], row[source]] -= value
    return generator


def law_after(
    instance: Instance, rule: str, windows: Sequence[tuple[Fraction, Fraction, Fraction]]
) -> dict[Context, flint.arb]:
    """The law after windows (strength, high, low), ``low > 0``, in balls."""
    routes = [guided(instance, rule, w, exact=False) for w, _, _ in windows]
    row = {context: j for j, context in enumerate(sorted(routes[0].reachable, key=routes[0].index.__getitem__))}
    law = flint.arb_mat(len(row), 1)
    law[row[routes[0].start], 0] = 1
    for route, (_, high, low) in zip(routes, windows, strict=True):
        law = (_matrix(route, row) * ball(high / low).log()).exp() * law
    return {context: law[j, 0] for context, j in row.items()}


def integrated(
    instance: Instance, rule: str, strength: Callable[[float], float], u: float, pieces: Sequence[float] = ()
) -> dict[Context, float]:
    """The law at ``u`` for a strength that varies, by a general ODE solver between the places where it has kinks."""
    first = guided(instance, rule, Fraction(1), exact=False)
    row = {context: j for j, context in enumerate(sorted(first.reachable, key=first.index.__getitem__))}

    def slope(s: float, law: np.ndarray) -> np.ndarray:
        w = Fraction(strength(float(np.exp(-s)))).limit_denominator(10**15)
        out = np.zeros(len(row))
        for (source, target), rate in guided(instance, rule, w, exact=False).rates.items():
            if source in row:
                flow = float(rate) * law[row[source]]
                out[row[target]] += flow
                out[row[source]] -= flow
        return out

    law, edges = np.eye(len(row))[row[first.start]], [1.0, *pieces, u]
    for high, low in pairwise(edges):
        law = solve_ivp(slope, (-np.log(high), -np.log(low)), law, rtol=1e-9, atol=1e-12, method="DOP853").y[:, -1]
    return {context: float(law[j]) for context, j in row.items()}
