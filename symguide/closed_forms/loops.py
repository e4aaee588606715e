"""Loops in machine code, by numba: sums of products, exponents, and divided differences of two to four nodes.

A tape says what is added and exponentiated; these loops do it row by row, each row once through the processor. They are
compiled when they are first asked for, for this processor, which takes a few seconds; they serve every tape. Rows are
``(rows, A · B)`` arrays: the first ``A`` belong to what has as many values itself, a rate or a coefficient, and each of
them holds for ``B`` neighbours, such as the mask fractions.

``e^{−x}`` is ``2^k`` times a polynomial of ``−x − k ln 2``, good to the last place or two. Close nodes have series in
``x``, alternating and without cancellation up to ``CLOSE``.
"""

# Compiled code reads ill typed: numba infers what pyright cannot know.
# pyright: reportMissingImports=false

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import factorial
from typing import Any

import numpy as np

from symguide.errors import SymguideError

__all__ = ["Loops", "loops"]

CLOSE = 0.25
"""Up to this spread series are summed. Beyond it the ``n``-th difference multiplies errors by ``n/CLOSE`` at most."""
_NOTHING = -708.0
"""``e^x`` is a normal double down to here; less counts as 0, and is watched elsewhere."""
_PER_LN2 = 1.4426950408889634
_LN2, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
"""``ln 2`` in two parts, the first with so few digits that its multiples are exact (as in fdlibm's ``e_exp.c``)."""
_SPLIT = 134217729.0
"""Cuts doubles into halves whose products are exact (Dekker 1971)."""
_ROUND = 1.5 * 2.0**52
"""Adding it leaves the nearest integer in the last bits."""
_ORDER = 13
"""Degree of every polynomial at the most: what would follow is below 1e-17."""
_WEIGHTS = np.array([1.0 / factorial(k) for k in range(_ORDER + 1)])


@dataclass(frozen=True, slots=True)
class Loops:
    """Compiled loops.

    Attributes
    ----------
    sums
        ``sums(out, fronts, coefficients, backs, values)``: ``out[i] = Σ_k coefficients[fronts[k, i]] ·
        values[backs[k, i]]``.
    differences
        ``differences(out, rates, clock)``: ``exp_dd`` of two to four sorted nodes along the first axis of ``rates``.
    products
        ``products(out, missed, given, high, low)``: ``given · high``, and what it misses of ``given · (high + low)``.

    >>> sorted(Loops.__slots__)
    ['differences', 'products', 'sums']
    """

    sums: Callable[..., None]
    differences: Callable[..., None]
    products: Callable[..., None]


@cache
def loops() -> Loops:
    """The loops, compiled when they first run.

    Raises
    ------
    SymguideError
        Without numba.

    >>> try:
    ...     done = loops() is loops()
    ... except SymguideError as error:
    ...     done = "symguide[compiled]" in str(error)
    >>> done
    True
    """
    try:
        from numba import njit
    except ImportError as error:
        raise SymguideError(
            "backend 'numba' is not installed, so there are no compiled loops; pip install 'symguide[compiled]', or "
            "choose backend 'numpy'"
        ) from error
    # Divisions by zero are selected away, not raised; ``x y + z`` may round once.
    compiled: Any = njit(error_model="numpy", fastmath={"contract"})

    @compiled
    def exponentials(x: Any, out: Any, scale: Any, bits: Any) -> None:
        """``e^x`` for ``x ≤ 0``; ``scale`` and ``bits`` are one memory."""
        for b in range(len(x)):
            scale[b] = (x[b] if x[b] > _NOTHING else _NOTHING) * _PER_LN2 + _ROUND
        for b in range(len(x)):
            k = scale[b] - _ROUND
            rest = ((x[b] if x[b] > _NOTHING else _NOTHING) - k * _LN2) - k * _LN2_LOW
            value = _WEIGHTS[_ORDER]
            for j in range(_ORDER - 1, -1, -1):
                value = value * rest + _WEIGHTS[j]
            out[b] = value if x[b] > _NOTHING else 0.0
        for b in range(len(x)):
            bits[b] = (bits[b] + 1023) << 52
        for b in range(len(x)):
            out[b] *= scale[b]

    @compiled
    def decayed(x: float, decay: float) -> float:
        """``(1 − e^{−x})/x`` from ``e^{−x}``."""
        near = _WEIGHTS[_ORDER - 1]
        for j in range(_ORDER - 2, 0, -1):
            near = _WEIGHTS[j] - x * near
        return near if x <= CLOSE else (1.0 - decay) / x

    @compiled
    def three(x: float, y: float, decay: float, first: float, second: float) -> float:
        """``exp[−y, −x, 0]`` from ``e^{−x}`` and the differences over ``x`` and ``y − x``."""
        power, homogeneous, near = 1.0, 1.0, _WEIGHTS[2]
        for k in range(1, _ORDER - 1):  # h_k(−x, −y) = (−x)^k − y h_{k−1}
            power *= -x
            homogeneous = power - y * homogeneous
            near += homogeneous * _WEIGHTS[k + 2]
        return near if y <= CLOSE else (first - decay * second) / y

    @compiled
    def four(x: float, y: float, z: float, decay: float, slower: float, faster: float) -> float:
        """``exp[−z, −y, −x, 0]`` from ``e^{−x}`` and the differences of three over ``x, y`` and ``y − x, z − x``."""
        power, pairs, homogeneous, near = 1.0, 1.0, 1.0, _WEIGHTS[3]
        for k in range(1, _ORDER - 2):  # h_k(−x, −y, −z) = h_k(−x, −y) − z h_{k−1}
            power *= -x
            pairs = power - y * pairs
            homogeneous = pairs - z * homogeneous
            near += homogeneous * _WEIGHTS[k + 3]
        return near if z <= CLOSE else (slower - decay * faster) / z

    @compiled
    def sums(out: Any, fronts: Any, coefficients: Any, backs: Any, values: Any) -> None:
        count, across = coefficients.shape[1], out.shape[1] // coefficients.shape[1]
        for i in range(out.shape[0]):
            for a in range(count):
                row = out[i, a * across : (a + 1) * across]
                front = coefficients[fronts[0, i], a]
                back = values[backs[0, i], a * across : (a + 1) * across]
                if len(fronts) == 2:
                    other = coefficients[fronts[1, i], a]
                    more = values[backs[1, i], a * across : (a + 1) * across]
                    for b in range(across):
                        row[b] = front * back[b] + other * more[b]
                    continue
                for b in range(across):
                    row[b] = front * back[b]
                for k in range(1, len(fronts)):
                    front = coefficients[fronts[k, i], a]
                    back = values[backs[k, i], a * across : (a + 1) * across]
                    for b in range(across):
                        row[b] += front * back[b]

    @compiled
    def differences(out: Any, rates: Any, clock: Any) -> None:
        count, across = rates.shape[2], len(clock)
        scale = np.empty(across)
        bits = scale.view(np.int64)
        x, slowest, decay, other = np.empty(across), np.empty(across), np.empty(across), np.empty(across)
        last = np.empty(across)
        for i in range(out.shape[0]):
            for a in range(count):
                row = out[i, a * across : (a + 1) * across]
                rate = rates[0, i, a]
                gap = rates[1, i, a] - rate
                if rate == 0.0:
                    slowest[:] = 1.0
                else:
                    for b in range(across):
                        x[b] = -rate * clock[b]
                    exponentials(x, slowest, scale, bits)
                for b in range(across):
                    x[b] = -gap * clock[b]
                exponentials(x, decay, scale, bits)
                if len(rates) == 2:
                    for b in range(across):
                        row[b] = slowest[b] * (clock[b] * decayed(gap * clock[b], decay[b]))
                    continue
                wide, between = rates[2, i, a] - rate, rates[2, i, a] - rates[1, i, a]
                for b in range(across):
                    x[b] = -between * clock[b]
                exponentials(x, other, scale, bits)
                if len(rates) == 3:
                    for b in range(across):
                        first, second = decayed(gap * clock[b], decay[b]), decayed(between * clock[b], other[b])
                        value = three(gap * clock[b], wide * clock[b], decay[b], first, second)
                        row[b] = slowest[b] * (clock[b] * clock[b] * value)
                    continue
                widest, beyond = rates[3, i, a] - rate, rates[3, i, a] - rates[1, i, a]
                after = rates[3, i, a] - rates[2, i, a]
                for b in range(across):
                    x[b] = -after * clock[b]
                exponentials(x, last, scale, bits)
                for b in range(across):
                    t = clock[b]
                    first, second = decayed(gap * t, decay[b]), decayed(between * t, other[b])
                    third = decayed(after * t, last[b])
                    slower = three(gap * t, wide * t, decay[b], first, second)
                    faster = three(between * t, beyond * t, other[b], second, third)
                    value = four(gap * t, wide * t, widest * t, decay[b], slower, faster)
                    row[b] = slowest[b] * (t * t * t * value)

    @njit  # every operation rounds by itself
    def products(out: Any, missed: Any, given: Any, high: Any, low: Any) -> None:
        for i in range(out.shape[0]):
            for a in range(out.shape[1]):
                x, y = given[i if len(given) > 1 else 0, a], high[i, 0]
                c, d = _SPLIT * x, _SPLIT * y
                x_high, y_high = c - (c - x), d - (d - y)
                x_low, y_low = x - x_high, y - y_high
                product = x * y
                crossed = ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
                out[i, a], missed[i, a] = product, crossed + x * low[i, 0]

    return Loops(sums, differences, products)
