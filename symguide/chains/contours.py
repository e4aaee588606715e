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

from symguide.chains.array_chain import ArrayChain, Incoming, add_rows

__all__ = ["INSTANT", "expected_transforms", "hyperbola", "inflow_of", "inverted", "spread", "transforms_of"]

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


def expected_transforms(chain: ArrayChain, z: np.ndarray, rewards: np.ndarray) -> np.ndarray:
    """``∫ e^{−zs} E_x[b(X_s)] ds = ((z − Aᵀ)^{−1} b)_x`` for every state ``x``, an ``(n, K)`` array.

    Parameters
    ----------
    chain, z
        The chain, and ``(K,)`` points.
    rewards
        ``(n,)``: ``b``, the reward in every state.

    >>> from symguide.chains.lattice import lattice
    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> chain = lattice(guidance(load("interval-overlap"))).at(0.0)
    >>> expected_transforms(chain, np.array([1.0]), np.eye(chain.size)[0])[0]
    array([0.5+0.j])
    """
    exits = np.minimum(chain.exits, INSTANT)[:, None]
    values = np.array(np.broadcast_to(rewards[:, None], (chain.size, len(z))), dtype=np.complex128)
    values[chain.last] /= z
    for k in reversed(range(chain.depth)):
        here = chain.level(k)
        ahead = spread(chain.incoming[k], values[chain.level(k + 1)], here.stop - here.start)
        poles = z + exits[here]
        values[here] = values[here] / poles + ahead * (exits[here] / poles)
    return values


def inverted(transforms: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """``Re Σ_k κ_k F(z_k)``, row by row, with weights ``κ_k`` that have ``e^{zs}`` in them.

    Without the threads of a matrix product: for so few columns these take longer to meet than to add.

    >>> z, weights = hyperbola(24, 2.0)
    >>> bool(abs(inverted(1 / (z + 3)[None], weights * np.exp(z)) - np.exp(-3)).max() < 1e-13)
    True
    """
    return np.einsum("nk,k->n", transforms, weights).real


def spread(into: Incoming, values: np.ndarray, count: int) -> np.ndarray:
    """``Σ_y jump · value(y)`` of the ``count`` sources, row by row: the transpose of :func:`inflow_of`.

    >>> spread(Incoming(np.array([[0], [0]]), np.array([[0.25], [0.75]])), np.array([[1.0], [3.0]]), 1)
    array([[2.5]])
    """
    places = into.sources.T.ravel()
    order = np.argsort(places, kind="stable")
    ahead = (into.jumps.T[:, :, None] * values[None]).reshape(-1, values.shape[1])[order]
    out = np.zeros((count, values.shape[1]), dtype=values.dtype)
    if len(places):
        found, begins = np.unique(places[order], return_index=True)
        out[found] = np.add.reduceat(ahead, begins, axis=0)
    return out


def inflow_of(values: np.ndarray, sources: np.ndarray, rates: np.ndarray) -> np.ndarray:
    """``Σ_m rate · value`` of the sources, row by row.

    >>> inflow_of(np.ones((1, 1)), np.zeros((2, 1), dtype=int), np.array([[0.25], [0.75]])).ravel()
    array([0.25, 0.75])
    """
    out = np.empty((len(sources), values.shape[1]), dtype=values.dtype)
    add_rows(out, values, sources, rates)
    return out
