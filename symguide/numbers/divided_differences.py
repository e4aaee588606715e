r"""Divided differences of the exponential in floats, at high precision, and in balls.

For nodes ``Λ_0 … Λ_n ≥ 0`` and a clock ``s ≥ 0`` all three compute

    exp_dd(Λ; s) = s^n exp[−Λ_0 s, …, −Λ_n s]
                 = ∫ exp(−Σ_j Λ_j s_j) over s_j ≥ 0, Σ_j s_j = s   (Hermite–Genocchi),

the density-like weight of a path with exit rates ``Λ_j``: positive, symmetric, entire, and with repeated nodes as an
ordinary case. With ``y_j = −Λ_j s`` sorted, a wide spread ``y_n − y_0`` allows the recursion
``exp[y_0 … y_n] = (exp[y_1 … y_n] − exp[y_0 … y_{n−1}]) / (y_n − y_0)``, which then cancels at most a factor
``1 + 2n/(y_n − y_0)`` per level; for a narrow one, the series ``e^{y_0} Σ_k h_k(y − y_0) / (n+k)!`` has positive terms
only (``h_k``: complete homogeneous symmetric polynomials). So near-ties cost no digits.

References
----------
McCurdy, Ng, Parlett, *Accurate computation of divided differences of the exponential function*, Math. Comp. 43 (1984).
"""

from collections.abc import Sequence
from math import factorial, prod
from typing import Any

import flint
import mpmath
import numpy as np
from numpy.typing import ArrayLike, NDArray

from symguide.numbers.wide import Wide, product_error, where

__all__ = ["exp_dd_ball", "exp_dd_float", "exp_dd_mp", "exp_dd_wide", "log_exp_dd_float", "log_exp_dd_wide"]

SPREAD = 4.0
"""Largest spread of the nodes for which the series is summed, whatever their number."""
FAR = 64
"""Power of two beyond which a node is as good as infinitely far away: it divides by its distance and does no more."""

Array = NDArray[np.float64]


def exp_dd_float(nodes: Sequence[ArrayLike], s: ArrayLike, low: Sequence[ArrayLike] = (), s_low: Any = 0.0) -> Array:
    """``s^n exp[−Λ_0 s, …, −Λ_n s]`` in double precision, broadcasting over the nodes and ``s``; ``s = ∞`` is the
    limit.

    The relative error is a few dozen units in the last place plus that of ``exp(−Λ s)`` for the given numbers, where
    ``Λ`` is the smallest node: ``Λ s`` units for doubles, none to speak of where ``low`` and ``s_low`` hold what
    rounding took from the nodes and from ``s``.

    >>> exp_dd_float([1.0, 1.0], 0.5)
    np.float64(0.3032653298563167)
    >>> third = exp_dd_float([1 / 3], 2100.0, low=[2.0**-54 / 3])  # 1/3 and what its double misses
    >>> float(third / np.exp(-700.0) - 1)
    0.0
    """
    s = np.asarray(s, dtype=np.float64) + 0.0  # no negative zeros
    ended = np.isinf(s)
    at_end = bool(ended.any())
    rates = _stacked(nodes, s.ndim)
    clock = np.where(ended, 0.0, s) if at_end else s
    if len(low):
        rates, lows = _sorted_pairs(*np.broadcast_arrays(rates, _stacked(low, s.ndim)))
        gaps = (rates[1:] - rates[0]) + (lows[1:] - lows[0])
    else:
        rates, lows = np.sort(rates, axis=0), None
        gaps = rates[1:] - rates[0]
    with np.errstate(under="ignore"):
        value = np.asarray(_descend(gaps * clock) if len(gaps) else np.ones(np.broadcast(rates[0], clock).shape))
        if len(gaps):
            value *= clock ** len(gaps)
        if rates[0].any():
            value = value * _decay(rates[0], clock, None if lows is None else (lows[0], s_low))
    return (np.where(ended, _limit(nodes), value) if at_end else value)[()]


def _decay(rate: Array, clock: Array, low: tuple[Any, Any] | None) -> Array:
    """``e^{−Λ s}``, for what rounding took from ``Λ`` and ``s`` where that is known."""
    exponent = rate * -clock
    value = np.exp(exponent)
    if low is None:
        return value
    missed = (low[0] * clock + rate * low[1]) - product_error(rate, -clock, exponent)
    return value * (1.0 - np.where(value > 0, missed, 0.0))


def log_exp_dd_float(nodes: Sequence[ArrayLike], s: ArrayLike) -> Array:
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


@np.errstate(all="ignore")
def exp_dd_wide(nodes: Wide, s: Wide) -> Wide:
    """``s^n exp[−Λ_0 s, …, −Λ_n s]`` for nodes of any size, stacked along the first axis.

    The exponent ``−Λ s`` of the smallest node is formed and exponentiated in wide numbers, so the relative error stays
    at a few dozen units in the last place of a double however large it is.

    >>> value = exp_dd_wide(Wide.of([1e200, 0.0, 3e200]), Wide.of(1.0))
    >>> float((value * Wide.of(1e200) * Wide.of(3e200)).value())
    1.0
    """
    n = len(nodes.high) - 1
    top, kernel = _wide_parts(nodes, s)
    return _wide_ended(nodes, s, top.exp() * kernel * s.power(n))


@np.errstate(all="ignore")
def log_exp_dd_wide(nodes: Wide, s: Wide) -> Wide:
    """The logarithm of :func:`exp_dd_wide`, for nodes and clocks of any size.

    >>> rates = Wide.of(np.array([1e200, 3e200])).power(3)
    >>> float(log_exp_dd_wide(rates, Wide.of(1.0)).exponent)  # −1e600 − ln(26e600)
    1994.0
    """
    n = len(nodes.high) - 1
    top, kernel = _wide_parts(nodes, s)
    value = top + kernel.log()
    if n:
        value = value + s.log() * Wide.of(float(n))
    ended = np.isposinf(s.exponent)
    return where(ended, _wide_limit(nodes).log(), value) if ended.any() else value


def _wide_parts(nodes: Wide, s: Wide) -> tuple[Wide, Wide]:
    """The largest exponent ``−Λ_0 s``, and ``exp[(Λ_0 − Λ_n) s, …, 0]``."""
    nodes = nodes.pick(nodes.order())
    clock = where(np.isposinf(s.exponent), Wide.of(0.0), s)
    top = -(nodes[0] * clock)
    if len(nodes.high) == 1:
        return top, Wide.of(np.ones(top.shape))
    spans = (nodes[1:] - nodes[0]) * clock
    far = spans.exponent > FAR
    kernel = Wide.of(_descend(np.where(far, 2.0**FAR, spans.value())))
    if far.any():
        kernel = kernel * where(far, Wide.of(2.0**FAR) / spans, Wide.of(1.0)).product()
    return top, kernel


def _wide_ended(nodes: Wide, s: Wide, value: Wide) -> Wide:
    ended = np.isposinf(s.exponent)
    return where(ended, _wide_limit(nodes), value) if ended.any() else value


def _wide_limit(nodes: Wide) -> Wide:
    """``s → ∞``: as :func:`_limit`."""
    zeros = (nodes.high == 0).sum(axis=0)
    value = (Wide.of(1.0) / where(nodes.high == 0, Wide.of(1.0), nodes)).product()
    return where(zeros == 1, value, where(zeros > 1, Wide.of(np.inf), Wide.of(0.0)))


def _log_limit(nodes: Sequence[ArrayLike]) -> Array:
    """``s → ∞``: ``−Σ ln Λ_j`` over the other nodes where exactly one node is 0, and ``−∞`` where none is."""
    rates = _stacked(nodes)
    zeros = (rates == 0).sum(axis=0)
    value = -np.log(np.where(rates == 0, 1.0, rates)).sum(axis=0)
    return np.where(zeros == 1, value, np.where(zeros > 1, np.inf, -np.inf))


def _limit(nodes: Sequence[ArrayLike]) -> Array:
    """``s → ∞``: ``1/Π Λ_j`` over the other nodes where exactly one node is 0, and 0 where none is."""
    rates = _stacked(nodes)
    zeros = (rates == 0).sum(axis=0)
    value = np.prod(1.0 / np.where(rates == 0, 1.0, rates), axis=0)
    return np.where(zeros == 1, value, np.where(zeros > 1, np.inf, 0.0))


def _stacked(nodes: Sequence[ArrayLike], dimensions: int = 0) -> Array:
    """Along a new first axis, with as many further ones as asked for."""
    arrays = [np.asarray(node, np.float64) for node in nodes]
    arrays[0] = arrays[0].reshape((1,) * (dimensions - arrays[0].ndim) + arrays[0].shape)
    return np.stack(np.broadcast_arrays(*arrays))


def _sorted_pairs(high: Array, low: Array) -> tuple[Array, Array]:
    order = np.lexsort((low, high), axis=0)
    return np.take_along_axis(high, order, axis=0), np.take_along_axis(low, order, axis=0)


def _exponents(nodes: Sequence[ArrayLike], s: Array) -> Array:
    """``−Λ_j s``, sorted along the first axis."""
    y = np.stack(np.broadcast_arrays(*(np.where(s == 0, 0.0, -np.asarray(node, np.float64) * s) for node in nodes)))
    return np.sort(y, axis=0)


def _descend(spans: Array) -> Array:
    """``exp[−x_n, …, −x_1, 0]`` for sorted ``0 ≤ x_1 ≤ … ≤ x_n``."""
    n, *shape = spans.shape
    spans = spans.reshape(n, -1)
    if n == 1:
        return _decayed(spans[0]).reshape(shape)
    y = np.zeros((n + 1, spans.shape[1]))
    np.negative(spans[::-1], out=y[:n])
    row = [np.exp(y[i]) * _decayed(y[i] - y[i - 1]) for i in range(1, n)]
    row.append(_decayed(spans[0]))
    for order in range(2, n + 1):
        row = [_next(y[i : i + order + 1], row[i], row[i + 1]) for i in range(n + 1 - order)]
    return row[0].reshape(shape)


def _decayed(span: Array) -> Array:
    """``(1 − e^{−x})/x``, which is 1 at 0."""
    less = -span
    if not less.max(initial=-1.0) < 0:
        less[less == 0] = -1e-300  # where it is one
    return np.divide(np.expm1(less), less, out=less)


def _spread_of(order: int) -> float:
    """Up to here the series is summed: beyond it, subtraction cancels at most a factor 8 for three nodes, whose own
    differences are good to the last places, and 3 to 5 per level from there on."""
    return 0.25 if order == 2 else min(float(order), SPREAD)


def _next(y: Array, left: Array, right: Array) -> Array:
    """``exp[y_0 … y_m]`` from ``left = exp[y_0 … y_{m−1}]`` and ``right = exp[y_1 … y_m]``, for ``m ≥ 2``."""
    spread = y[-1] - y[0]
    places = np.flatnonzero(~(spread > _spread_of(len(y) - 1)))
    spread[places] = 1.0
    out = right - left
    out /= spread
    if not len(places):
        return out
    close = y[:, places]
    out[places] = _series_of_three(close) if len(y) == 3 else np.exp(close[0]) * _series(close)
    return out


def _series_of_three(y: Array) -> Array:
    """``exp[y_0, y_1, y_2] = e^c Σ_k h_k(−r, d, r) / (k+2)!`` about the middle ``c`` of the outer nodes.

    ``h_k = d h_{k−1} + r^k [k even]``, so that half the spread is all that is raised to powers.
    """
    radius = 0.5 * (y[2] - y[0])
    middle = y[0] + radius
    shift, square = y[1] - middle, radius * radius
    largest, bound, count = float(radius.max(initial=0.0)), 1.0, 0
    while bound > 1e-18:  # |h_k| is at most (k/2 + 1) times the largest power
        count += 1
        bound *= 2.0 * largest / (count + 2)
    power, homogeneous = square, shift
    total = 0.5 + shift / 6.0
    for k in range(2, count + 1):
        homogeneous = homogeneous * shift
        if k % 2 == 0:
            homogeneous += power
            power = power * square
        total += homogeneous / factorial(k + 2)
    return np.exp(middle) * total


def _log_next(y: Array, left: Array, right: Array) -> Array:
    """The logarithm of :func:`_next`, from logarithms."""
    spread = y[-1] - y[0]
    if len(y) == 2:
        positive = spread > 0
        return right + np.where(positive, np.log(-np.expm1(-spread) / np.where(positive, spread, 1.0)), 0.0)
    far = spread > _spread_of(len(y) - 1)
    out = right + np.log1p(-np.exp(np.where(far, left - right, -1.0))) - np.log(np.where(far, spread, 1.0))
    near = ~far
    if near.any():
        out[near] = y[0, near] + np.log(_series(y[:, near]))
    return out


def _series(y: Array) -> Array:
    """``Σ_k h_k(y_1 − y_0, …, y_m − y_0) / (m+k)!``, smallest terms first."""
    m = len(y) - 1
    steps = list(y[1:] - y[0])
    largest, bound, count = float(steps[-1].max()), 1.0, 0
    while bound > 1e-19:  # the k-th term is at most largest^k / k! times the first
        count += 1
        bound *= largest / count
    homogeneous = [np.ones_like(step) for step in steps]
    terms = [np.full(y.shape[1:], 1.0 / factorial(m))]
    for k in range(1, count + 1):
        # h_k(a_1..a_r) = h_k(a_1..a_{r-1}) + a_r h_{k-1}(a_1..a_r)
        for index, step in enumerate(steps):
            homogeneous[index] = homogeneous[index] * step
            if index:
                homogeneous[index] += homogeneous[index - 1]
        terms.append(homogeneous[-1] / factorial(m + k))
    total = terms[-1]
    for term in reversed(terms[:-1]):
        total = total + term
    return total


def exp_dd_mp(nodes: Sequence[Any], s: Any, context: Any = mpmath.mp) -> Any:
    """``s^n exp[−Λ_0 s, …, −Λ_n s]`` in mpmath at the working precision of ``context``, for the given numbers.

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
    digits = max((context.mag(node * s) for node in nodes if node != 0), default=0)
    with context.extraprec(20 + 4 * n + max(0, int(digits))):
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
    if s == flint.arb("inf"):
        still = [node == 0 for node in nodes]
        moving = [node for node, zero in zip(nodes, still, strict=True) if not zero]
        if not all(node > 0 for node in moving):
            return flint.arb("nan")  # whether they are zero is not known
        limit = flint.arb(len(moving) == size - 1)
        return limit / prod(moving, start=flint.arb(1))
    if size == 1:
        return (-nodes[0] * s).exp()
    slowest = min(nodes, key=lambda node: node.mid())
    matrix = flint.arb_mat(size, size)
    for j, node in enumerate(nodes):
        matrix[j, j] = (slowest - node) * s
        if j + 1 < size:
            matrix[j, j + 1] = 1
    return s ** (size - 1) * (-slowest * s).exp() * matrix.exp()[0, size - 1]
