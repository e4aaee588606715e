"""Laplace transforms of laws and of expectations, and the contours on which they are inverted.

``e^{As} = (1/2πi) ∫ e^{zs} (z − A)^{−1} dz`` around the exit rates, by quadrature on a hyperbola: each resolvent is one
pass through the levels of the chain, however stiff it is, and the error of the quadrature falls geometrically.

References
----------
Weideman, Trefethen, Math. Comp. 76 (2007) 1341 (hyperbolas for windows of times).
"""

from functools import lru_cache
from math import pi
from typing import overload

import numpy as np

from symguide.chains.array_chain import ArrayChain, add_rows

__all__ = ["INSTANT", "hyperbola", "inflow_of", "transforms_of"]

INSTANT = 1e290
"""Rates above are as good as infinite, at every time that doubles tell from 0."""


@lru_cache(maxsize=64)
def hyperbola(nodes: int, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes ``z`` and weights of a contour for the times ``[1/ratio, 1]``: ``f(t) = Re Σ weight · e^{zt} · F(z)``.

    >>> z, weights = hyperbola(24, 2.0)
    >>> bool(abs(np.real(weights * np.exp(z) / (z + 3)).sum() - np.exp(-3)) < 1e-13)
    True
    """
    angle = np.linspace(pi / 4, pi / 2, 4003)[1:-1]
    step = np.arccosh(((pi - 2 * angle) * ratio + 4 * angle - pi) / ((4 * angle - pi) * np.sin(angle)))
    best = int(np.argmax((pi**2 - 2 * pi * angle) / step))
    angle, step = float(angle[best]), float(step[best])
    scale = (4 * pi * angle - pi**2) / step * nodes
    theta = (np.arange(nodes) + 0.5) * step / nodes
    z = scale * (1 + np.sin(1j * theta - angle))
    return z, step / nodes / pi * scale * np.cos(1j * theta - angle)


@overload
def transforms_of(chain: ArrayChain, z: np.ndarray, initial: np.ndarray) -> np.ndarray: ...
@overload
def transforms_of(
    chain: ArrayChain, z: np.ndarray, initial: np.ndarray, passed: bool
) -> tuple[np.ndarray, np.ndarray]: ...
def transforms_of(
    chain: ArrayChain, z: np.ndarray, initial: np.ndarray, passed: bool = False
) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
    """``∫ e^{−zs} P_x(s) ds`` for every state, an ``(n, K)`` array.

    With ``passed``, for every state but the terminal ones, and besides, for those of the level before, the transform of
    the probability that they have been visited and left.

    >>> from symguide.chains.lattice import lattice
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> chain = lattice(guidance(load("interval-overlap"))).at(0.0)
    >>> transforms_of(chain, np.array([1.0]), np.eye(chain.size)[0])[0]
    array([0.5+0.j])
    """
    exits = np.minimum(chain.exits, INSTANT)[:, None]
    values = np.empty((chain.offsets[-2] if passed and chain.depth else chain.size, len(z)), dtype=np.complex128)
    inflow = np.full((1, len(z)), initial[0], dtype=np.complex128)
    flow = np.zeros((0, len(z)), dtype=np.complex128)
    for k in range(chain.depth + 1):
        if passed and chain.depth and k == chain.depth:
            return values, flow / z
        here = chain.level(k)
        values[here] = inflow / (z + exits[here])
        if k < chain.depth:
            # What flows out is formed before it is divided by a large rate, lest it underflow.
            flow = inflow * (exits[here] / (z + exits[here]))
            if not (passed and k == chain.depth - 1):
                inflow = inflow_of(flow, chain.incoming[k].sources, chain.incoming[k].jumps)
                inflow += initial[chain.level(k + 1), None]
    return (values, flow) if passed else values


def inflow_of(values: np.ndarray, sources: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """``Σ_m rate · value`` of the sources, row by row.

    >>> inflow_of(np.ones((1, 1)), np.zeros((2, 1), dtype=int), np.array([[0.25], [0.75]])).ravel()
    array([0.25, 0.75])
    """
    out = np.empty((len(sources), values.shape[1]), dtype=values.dtype)
    add_rows(out, values, sources, rates)
    return out
