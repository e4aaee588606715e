r"""Divided differences of the exponential in floats, at high precision, and in balls.

For nodes ``Λ_0 … Λ_n ≥ 0`` and a clock ``s ≥ 0`` all three compute

    exp_dd(Λ; s) = s^n exp[−Λ_0 s, …, −Λ_n s]
                 = ∫ exp(−Σ_j Λ_j s_j) over s_j ≥ 0, Σ_j s_j = s   (Hermite–Genocchi),

the density-like weight of a path with exit rates ``Λ_j``: positive, symmetric, entire, and with repeated nodes as an
ordinary case. With ``y_j = −Λ_j s`` sorted, a spread ``y_n − y_0`` above ``SPREAD`` allows the recursion
``exp[y_0 … y_n] = (exp[y_1 … y_n] − exp[y_0 … y_{n−1}]) / (y_n − y_0)``, which then cancels at most a factor
``1 + 2n/SPREAD`` per level; below it, the series ``e^{y_0} Σ_k h_k(y − y_0) / (n+k)!`` has positive terms only
(``h_k``: complete homogeneous symmetric polynomials). So near-ties cost no digits.

References
----------
McCurdy, Ng, Parlett, *Accurate computation of divided differences of the exponential function*, Math. Comp. 43 (1984).
"""

from collections.abc import Sequence
from math import factorial
from typing import Any

import flint
import mpmath
import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["exp_dd_ball", "exp_dd_float", "exp_dd_mp", "log_exp_dd_float"]

SPREAD = 4.0
"""Largest spread of the nodes for which the series is summed."""
_TERMS = 36
"""Terms of the series in floats: ``SPREAD**k / k!`` is below 1e−19 relative to the sum from here on."""


def exp_dd_float(nodes: Sequence[ArrayLike], s: ArrayLike) -> NDArray[np.float64]:
    """``s^n exp[−Λ_0 s, …, −Λ_n s]`` in double precision, broadcasting over the nodes and ``s``; ``s = ∞`` is the
    limit.

    The relative error is a few dozen units in the last place plus that of ``exp(−Λ s)`` for the given floats, which is
    ``Λ s`` units: nodes must be as accurate as ``Λ s`` demands.

    >>> exp_dd_float([1.0, 1.0], 0.5)
    np.float64(0.3032653298563167)
    """
    s = np.asarray(s, dtype=np.float64)
    ended = np.isinf(s)
    top, scaled = _scaled(nodes, np.where(ended, 0.0, s))
    value = np.where(ended, 0.0, s) ** (len(nodes) - 1) * np.exp(top) * scaled
    return np.where(ended, _limit(nodes), value)[()] if ended.any() else value


def log_exp_dd_float(nodes: Sequence[ArrayLike], s: ArrayLike) -> NDArray[np.float64]:
    """The logarithm of :func:`exp_dd_float`, finite where the value itself underflows.

    >>> float(log_exp_dd_float([1e5, 2e5], 1.0))
    -100011.51292546497
    """
    s = np.asarray(s, dtype=np.float64)
    ended = np.isinf(s)
    y = _exponents(nodes, np.where(ended, 0.0, s))
    shape, y = y.shape[1:], y.reshape(len(nodes), -1)
    row = list(y)
    with np.errstate(divide="ignore"):
        for order in range(1, len(nodes)):
            row = [_log_next(y[i : i + order + 1], row[i], row[i + 1]) for i in range(len(nodes) - order)]
        power = (len(nodes) - 1) * np.log(s) if len(nodes) > 1 else 0.0
        value = (power + row[0].reshape(shape))[()]
        return np.where(ended, _log_limit(nodes), value)[()] if ended.any() else value


def _log_limit(nodes: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """``s → ∞``: ``−Σ ln Λ_j`` over the other nodes where exactly one node is 0, and ``−∞`` where none is."""
    rates = np.stack(np.broadcast_arrays(*(np.asarray(node, np.float64) for node in nodes)))
    zeros = (rates == 0).sum(axis=0)
    value = -np.log(np.where(rates == 0, 1.0, rates)).sum(axis=0)
    return np.where(zeros == 1, value, np.where(zeros > 1, np.inf, -np.inf))


def _limit(nodes: Sequence[ArrayLike]) -> NDArray[np.float64]:
    """``s → ∞``: ``1/Π Λ_j`` over the other nodes where exactly one node is 0, and 0 where none is."""
    rates = np.stack(np.broadcast_arrays(*(np.asarray(node, np.float64) for node in nodes)))
    zeros = (rates == 0).sum(axis=0)
    value = np.prod(1.0 / np.where(rates == 0, 1.0, rates), axis=0)
    return np.where(zeros == 1, value, np.where(zeros > 1, np.inf, 0.0))


def _exponents(nodes: Sequence[ArrayLike], s: NDArray[np.float64]) -> NDArray[np.float64]:
    """``−Λ_j s``, sorted along the first axis."""
    y = np.stack(np.broadcast_arrays(*(np.where(s == 0, 0.0, -np.asarray(node, np.float64) * s) for node in nodes)))
    return np.sort(y, axis=0)


def _scaled(nodes: Sequence[ArrayLike], s: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest exponent ``y_n`` and ``exp[y_0 − y_n, …, 0]``, which does not overflow."""
    y = _exponents(nodes, s)
    top = y[-1]
    n = len(nodes) - 1
    y = (y - top).reshape(n + 1, -1)
    row = [np.exp(value) for value in y]
    for order in range(1, n + 1):
        row = [_next(y[i : i + order + 1], row[i], row[i + 1]) for i in range(n + 1 - order)]
    return top, row[0].reshape(top.shape)


def _next(y: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """``exp[y_0 … y_m]`` from ``left = exp[y_0 … y_{m−1}]`` and ``right = exp[y_1 … y_m]``."""
    spread = y[-1] - y[0]
    if len(y) == 2:
        positive = spread > 0
        return np.where(positive, right * -np.expm1(-spread) / np.where(positive, spread, 1.0), right)
    far = spread > SPREAD
    out = (right - left) / np.where(far, spread, 1.0)
    if not far.all():
        near = ~far
        out[near] = np.exp(y[0, near]) * _series(y[:, near])
    return out


def _log_next(y: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """The logarithm of :func:`_next`, from logarithms."""
    spread = y[-1] - y[0]
    if len(y) == 2:
        positive = spread > 0
        return right + np.where(positive, np.log(-np.expm1(-spread) / np.where(positive, spread, 1.0)), 0.0)
    far = spread > SPREAD
    out = right + np.log1p(-np.exp(np.where(far, left - right, -1.0))) - np.log(np.where(far, spread, 1.0))
    near = ~far
    out[near] = y[0, near] + np.log(_series(y[:, near]))
    return out


def _series(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """``Σ_k h_k(y_1 − y_0, …, y_m − y_0) / (m+k)!``, smallest terms first."""
    m = len(y) - 1
    steps = y[1:] - y[0]
    homogeneous = np.zeros_like(steps)
    terms = [np.full(y.shape[1:], 1.0 / factorial(m))]
    homogeneous[:] = 1.0
    for k in range(1, _TERMS):
        # h_k(a_1..a_r) = h_k(a_1..a_{r-1}) + a_r h_{k-1}(a_1..a_r)
        homogeneous = np.cumsum(steps * homogeneous, axis=0)
        terms.append(homogeneous[-1] / factorial(m + k))
    total = terms[-1]
    for term in reversed(terms[:-1]):
        total = total + term
    return total


def exp_dd_mp(nodes: Sequence[Any], s: Any, context: Any = mpmath.mp) -> Any:
    """``s^n exp[−Λ_0 s, …, −Λ_n s]`` in mpmath at the working precision of ``context``.

    >>> with mpmath.workdps(30):
    ...     print(exp_dd_mp([1, mpmath.mpf("1.00000000000000000001")], mpmath.mpf(1) / 2))
    0.303265329856316711801141604171
    """
    n = len(nodes) - 1
    if s == 0:
        return context.mpf(n == 0)
    if s == context.inf:
        moving = [context.mpf(node) for node in nodes if node != 0]
        return context.mpf(len(moving) == n) / context.fprod(moving)
    with context.extraprec(20 + 4 * n):
        y = sorted(-context.mpf(node) * s for node in nodes)
        row = [context.exp(value) for value in y]
        for order in range(1, n + 1):
            row = [_next_mp(y[i : i + order + 1], row[i], row[i + 1], context) for i in range(n + 1 - order)]
        value = s**n * row[0]
    return +value


def _next_mp(y: list[Any], left: Any, right: Any, context: Any) -> Any:
    spread = y[-1] - y[0]
    if spread > SPREAD:
        return (right - left) / spread
    m = len(y) - 1
    steps = [value - y[0] for value in y[1:]]
    homogeneous = [context.one] * m
    weight = context.one / factorial(m)
    total = weight
    k = 0
    while True:
        k += 1
        running = context.zero
        for index, step in enumerate(steps):
            running += step * homogeneous[index]
            homogeneous[index] = running
        weight /= m + k
        term = homogeneous[-1] * weight
        total += term
        if k > SPREAD and term <= total * context.eps:
            return context.exp(y[0]) * total


def exp_dd_ball(nodes: Sequence[flint.arb], s: flint.arb) -> flint.arb:
    """An enclosure of ``s^n exp[−Λ_0 s, …, −Λ_n s]`` at the working precision of python-flint.

    It is the corner of ``s^n exp(B)`` for the bidiagonal ``B`` with ``−Λ_j s`` on the diagonal and ones above it, which
    needs no case for nodes that coincide or whose balls overlap. The slowest decay is factored out, so that the ball
    stays tight where the value is exponentially small.

    >>> exp_dd_ball([flint.arb(1), flint.arb(1)], flint.arb("0.5")).overlaps(flint.arb(-0.5).exp() / 2)
    True
    """
    size = len(nodes)
    if size == 1:
        return (-nodes[0] * s).exp()
    slowest = min(nodes, key=lambda node: node.mid())
    matrix = flint.arb_mat(size, size)
    for j, node in enumerate(nodes):
        matrix[j, j] = (slowest - node) * s
        if j + 1 < size:
            matrix[j, j + 1] = 1
    return s ** (size - 1) * (-slowest * s).exp() * matrix.exp()[0, size - 1]
