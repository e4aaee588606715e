"""Tilted bridges of Markov laws: what guidance makes of the law between two revealed tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from sympy import Expr

from symguide.errors import InfiniteRatioError, StrengthError
from symguide.laws.markov import MarkovLaw
from symguide.laws.tilt import power_product
from symguide.numbers.arithmetic import Arithmetic
from symguide.numbers.logarithms import WEAK, log_matmul, log_peak, log_total
from symguide.numbers.number import to_sympy
from symguide.symbols import w as _w

__all__ = ["Bridges", "LogLinks", "ValueLinks", "quotient", "reveal_orders"]


_RANGE = 230.0
"""Bridges within ``exp(± this)`` may be multiplied and divided by one another without overflow."""


@dataclass(frozen=True)
class Bridges:
    """``T_ij(a, b) = Π_k F^{(k)}_ij(a, b)^{e_k}``, for Markov laws with ``F^{(k)}_ij = P^{(k)}_i ⋯ P^{(k)}_{j−1}``.

    Raw intensities of guidance are ``q_m(v | a at l, b at r) = T_lm(a, v) T_mr(v, b) / T_lr(a, b)``, and
    ``Z_m = (T_lm T_mr)(a, b) / T_lr(a, b)``. The ends of the sequence count as revealed: ``T_lm`` from the left end has
    the marginal laws in place of ``F``, and ``T_mr`` to the right end is 1.

    Attributes
    ----------
    laws, exponents
        The factors of the tilt whose exponents are not 0 at this strength.
    signs
        Of the exponents: 1, −1, or ``None`` where an open strength leaves it open.
    arithmetic, w
        What values are, and at which strength.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> half = MarkovLaw.of(["1/2", "1/2"], [["1/4", "3/4"], ["3/4", "1/4"]], length=2)
    >>> Bridges((half,), (1 + _w - _w,), (1,), RATIONAL, 2).value([half.between(0, 1)[0, 1]])
    Fraction(3, 4)
    """

    laws: tuple[MarkovLaw, ...]
    exponents: tuple[Expr, ...]
    signs: tuple[int | None, ...]
    arithmetic: Arithmetic
    w: Any

    @classmethod
    def of(cls, factors: Sequence[tuple[Any, Expr]], arithmetic: Arithmetic, w: Any) -> "Bridges":
        """Of the factors of a tilt at a strength.

        Raises
        ------
        InfiniteRatioError
            Where a law with negative exponent excludes what the others allow, next to the start or to one token.
        """
        kept = [(law, e, sign) for law, e in factors if (sign := _sign(e, w)) != 0]
        laws, exponents, signs = zip(*kept, strict=True)
        bridges = cls(laws, exponents, signs, arithmetic, w)
        bridges._refuse_infinite_ratios()
        return bridges

    @cached_property
    def powers(self) -> tuple[float, ...]:
        """The exponents as doubles."""
        strength = float(self.w)
        return tuple(float(e.subs(_w, 0)) + float(e.diff(_w)) * strength for e in self.exponents)

    @cached_property
    def live(self) -> np.ndarray:
        """Whether all laws allow a token at a position, shape ``(D, N)``."""
        return np.logical_and.reduce([law.reachable for law in self.laws])

    @property
    def may_die(self) -> bool:
        """Whether zeros of several laws may leave a gap without a reveal: one law of positive exponent cannot."""
        return sum(sign == 1 for sign in self.signs) > 1

    def logs(self, logs: Sequence[np.ndarray], live: np.ndarray, where: str = "between revealed tokens") -> np.ndarray:
        """``ln T`` from the ``ln F`` of every law; ``−inf`` outside ``live``, which is broadcast.

        Raises
        ------
        InfiniteRatioError
            Where a law with negative exponent excludes what the others allow.
        """
        found = np.where(live, 0.0, -np.inf) + np.zeros_like(logs[0])
        parts = list(zip(self.powers, logs, strict=True))
        for power, log in parts:
            if power > 0:
                found += power * log
        for power, log in parts:
            if power < 0:
                excluded = np.isneginf(log)
                if (excluded & ~np.isneginf(found)).any():
                    raise _infinite_ratio(where)
                found += power * np.where(excluded, 0.0, log)
        return found

    def floats(self, logs: Sequence[np.ndarray], live: np.ndarray) -> np.ndarray:
        """``T`` itself, within a range that products of several stay in.

        Raises
        ------
        InfiniteRatioError
            As :meth:`logs`.
        StrengthError
            Where the bridges span more than that range.
        """
        found = self.logs(logs, live)
        extreme = np.abs(found[~np.isneginf(found)]).max(initial=0.0)
        if extreme > _RANGE:
            raise StrengthError(
                f"guidance strength w is {self.w}: guided bridges reach exp(+-{extreme:.3g}), and products of "
                "them leave the doubles; use a smaller w, or log_terminal for the probabilities of sequences"
            )
        return np.exp(found)

    def value(self, entries: Sequence[Any], where: str = "between revealed tokens") -> Any:
        """``T`` from one entry of the ``F`` of every law, in the arithmetic.

        Raises
        ------
        InfiniteRatioError
            Where a law with negative exponent excludes what the others allow.
        """
        zeros = [sign for entry, sign in zip(entries, self.signs, strict=True) if entry == 0]
        if 1 in zeros:
            return self.arithmetic.number(Fraction(0))
        if zeros:
            raise _infinite_ratio(where)
        numbers = [entry if isinstance(entry, Fraction) else float(entry) for entry in entries]
        return power_product(list(zip(numbers, self.exponents, strict=True))).at(self.arithmetic, self.w)

    def _refuse_infinite_ratios(self) -> None:
        """With one law of positive exponent these are all there are: a sequence that it allows and another law excludes
        holds a first token, or a pair of neighbours, for which that is so.
        """
        upper = [law for law, sign in zip(self.laws, self.signs, strict=True) if sign == 1]
        lower = [law for law, sign in zip(self.laws, self.signs, strict=True) if sign != 1]
        if not lower or not upper:
            return
        allowed = np.logical_and.reduce([law.reachable for law in upper])
        for law in lower:
            for position, token in np.argwhere(allowed & ~law.reachable):
                raise _infinite_ratio(f"position {position}, token {token}, all masked")
        for left, right in upper[0].links:
            pairs = np.logical_and.reduce([law.link(right) != 0 for law in upper]) & allowed[left][:, None]
            for law in lower:
                for before, token in np.argwhere(pairs & (law.link(right) == 0)):
                    raise _infinite_ratio(f"position {right}, token {token}, with token {before} at position {left}")


class LogLinks:
    """``ln T`` between the tokens of a sequence and all tokens, with the ends as positions 0 and ``D + 1``.

    >>> from symguide.numbers.arithmetic import FLOATS
    >>> half = MarkovLaw.of(["1/2", "1/2"], [["1/4", "3/4"], ["3/4", "1/4"]], length=2)
    >>> links = LogLinks(Bridges((half,), (1 + _w - _w,), (1,), FLOATS, 2.0), (0, 1))
    >>> np.exp(links.across(0))
    array([0.5 , 0.75, 1.  ])
    """

    def __init__(self, bridges: Bridges, tokens: tuple[int, ...]) -> None:
        length, size = bridges.live.shape
        live = np.zeros((length + 2, size), dtype=bool)
        live[1:-1] = bridges.live
        after = np.minimum(np.arange(length + 1)[:, None] + 1 + np.arange(length), length + 1)
        before = np.maximum(np.arange(length + 2)[:, None] - 1 - np.arange(length), 0)
        parts = [_bridge_logs(law, tokens) for law in bridges.laws]
        # rows[l, j, v] = ln T_lm(x_l, v), m = l + 1 + j; columns[r, j, v] = ln T_mr(v, x_r), m = r − 1 − j.
        self._rows = bridges.logs([rows for rows, _ in parts], live[after])
        self._columns = bridges.logs([columns for _, columns in parts], live[before])
        self._tokens = np.array(tokens)
        self._peaks = log_peak(self._rows, 2)[..., 0], log_peak(self._columns, 2)[..., 0]
        self._scaled = np.exp(self._rows - self._peaks[0][..., None]), np.exp(self._columns - self._peaks[1][..., None])

    multiply, divide, total = staticmethod(np.add), staticmethod(np.subtract), staticmethod(log_total)

    @staticmethod
    def number(value: int) -> float:
        """Its logarithm."""
        return float(np.log(value))

    def across(self, masked: int) -> np.ndarray:
        """``T_lr(x_l, x_r)`` for all gaps of one size, by their left end."""
        ends = np.arange(len(self._tokens) - masked)
        return np.append(self._rows[ends, np.full_like(ends, masked), self._tokens[masked:]], 0.0)

    def through(self, masked: int) -> np.ndarray:
        """``Σ_v T_lm(x_l, v) T_mr(v, x_r)``, by left end and position."""
        sums = np.einsum("lmv,lmv->lm", *_of_size(*self._scaled, masked))
        with np.errstate(divide="ignore"):
            logs = np.log(sums) + np.add(*_of_size(*self._peaks, masked))
        weak = sums < WEAK
        if weak.any():
            left, right = _of_size(self._rows, self._columns, masked)
            logs[weak] = log_total(left[weak] + right[weak])
        return logs


class ValueLinks:
    """The same as :class:`LogLinks`, as values of any arithmetic in object arrays.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> half = MarkovLaw.of(["1/2", "1/2"], [["1/4", "3/4"], ["3/4", "1/4"]], length=2)
    >>> ValueLinks(Bridges((half,), (1 + _w - _w,), (1,), RATIONAL, 2), (0, 1)).across(0)[1]
    Fraction(3, 4)
    """

    def __init__(self, bridges: Bridges, tokens: tuple[int, ...]) -> None:
        length, size = bridges.live.shape
        number = bridges.arithmetic.number
        self._tokens = tokens
        self._rows = np.full((length + 1, length, size), number(Fraction(0)), dtype=object)
        self._columns = np.full((length + 2, length, size), number(Fraction(0)), dtype=object)
        for m in range(1, length + 1):
            self._columns[length + 1, length - m] = number(Fraction(1))
            for v in np.flatnonzero(bridges.live[m - 1]):
                self._rows[0, m - 1, v] = bridges.value([law.marginals[m - 1, v] for law in bridges.laws])
                for end, a in enumerate(tokens, start=1):
                    if end < m:
                        entries = [law.between(end - 1, m - 1)[a, v] for law in bridges.laws]
                        self._rows[end, m - 1 - end, v] = bridges.value(entries)
                    elif end > m:
                        entries = [law.between(m - 1, end - 1)[v, a] for law in bridges.laws]
                        self._columns[end, end - 1 - m, v] = bridges.value(entries)

    multiply, divide, number = staticmethod(np.multiply), staticmethod(np.divide), staticmethod(Fraction)

    @staticmethod
    def total(values: np.ndarray) -> np.ndarray:
        """The sums along the last axis."""
        return np.add.reduce(values, axis=-1)

    def across(self, masked: int) -> np.ndarray:
        """``T_lr(x_l, x_r)`` for all gaps of one size, by their left end."""
        inner = [self._rows[left, masked, right] for left, right in enumerate(self._tokens[masked:])]
        return np.array([*inner, self._columns[-1, 0, -1] * 0 + 1], dtype=object)

    def through(self, masked: int) -> np.ndarray:
        """``Σ_v T_lm(x_l, v) T_mr(v, x_r)``, by left end and position."""
        left, right = _of_size(self._rows, self._columns, masked)
        return self.total(left * right)


def reveal_orders(links: Any, normalised: bool) -> Any:
    """``κ`` of a sequence: ``h(x) = κ Π_i T_{i,i+1}(x_i, x_{i+1})``, an average over the orders of reveal.

    ``κ(l, r) = Σ_m κ(l, m) κ(m, r) / Λ(l, r)`` over gaps of growing size, ``κ = 1`` where nothing is masked, with
    ``Λ = Σ_m Z_m`` (raw), or with every term divided by ``Z_m`` and ``Λ`` the number of masks (normalised). The same in
    :class:`LogLinks` and in :class:`ValueLinks`, which say what products and sums are.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> half = MarkovLaw.of(["1/2", "1/2"], [["1/4", "3/4"], ["3/4", "1/4"]], length=2)
    >>> reveal_orders(ValueLinks(Bridges((half,), (1 + _w - _w,), (1,), RATIONAL, 2), (0, 1)), normalised=False)
    Fraction(1, 1)
    """
    one = links.across(0)[-1]
    length = len(links.across(0)) - 1
    by_left = np.full((length + 1, length + 2), one, dtype=links.across(0).dtype)
    by_right = np.full((length + 2, length + 2), one, dtype=by_left.dtype)
    for masked in range(1, length + 1):
        gaps = np.arange(length + 1 - masked)
        parts = links.multiply(by_left[gaps, 1 : masked + 1], by_right[masked + 1 :, masked:0:-1])
        through, across = links.through(masked), links.across(masked)
        if normalised:
            shares = links.total(links.divide(parts, through))
            found = links.divide(links.multiply(shares, across), links.number(masked))
        else:
            found = links.divide(links.multiply(links.total(parts), across), links.total(through))
        by_left[gaps, masked + 1] = by_right[gaps + masked + 1, masked + 1] = found
    return by_left[0, length + 1]


def quotient(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """``above / below``, entry by entry, and 0 where ``below`` is.

    >>> quotient(np.array([1.0, 0.0]), np.array([2.0, 0.0]))
    array([0.5, 0. ])
    """
    below = np.broadcast_to(below, above.shape)
    out = above * 0 if above.dtype == object else np.zeros_like(above)
    return np.divide(above, below, out=out, where=np.asarray(below != 0))


def _of_size(rows: np.ndarray, columns: np.ndarray, masked: int) -> tuple[np.ndarray, np.ndarray]:
    """The parts of both that meet in gaps of one size, by left end and position."""
    return rows[: len(rows) - masked, :masked], columns[masked + 1 :, :masked][:, ::-1]


def _bridge_logs(law: MarkovLaw, tokens: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """``ln F`` from and to the tokens of a sequence, laid out as in :class:`LogLinks`."""
    length, size = law.length, law.vocabulary
    rows = np.full((length + 1, length, size), -np.inf)
    columns = np.full((length + 2, length, size), -np.inf)
    frontier = law.log_marginals[:1]
    for m in range(1, length + 1):
        ends = np.arange(m)
        rows[ends, m - 1 - ends] = frontier
        if m < length:
            step = law.log_step(m - 1)
            frontier = np.vstack([log_matmul(frontier, step), step[tokens[m - 1]]])
    columns[length + 1] = 0.0
    frontier = np.empty((size, 0))
    for m in range(length - 1, 0, -1):
        step = law.log_step(m - 1)
        frontier = np.hstack([step[:, [tokens[m]]], log_matmul(step, frontier)])
        ends = np.arange(m + 1, length + 1)
        columns[ends, ends - m - 1] = frontier.T
    return rows, columns


def _sign(exponent: Expr, w: Any) -> int | None:
    """The sign of an affine exponent at a strength, or on the domain ``w > −1`` where that is open."""
    if isinstance(w, Expr) and not w.is_number:
        edge, slope = exponent.subs(_w, -1), exponent.diff(_w)
        if edge >= 0 and slope >= 0:
            return int(bool(edge + slope > 0))
        return -1 if edge <= 0 and slope <= 0 else None
    value = exponent.subs(_w, to_sympy(w if isinstance(w, Fraction | Expr) else Fraction(float(w))))
    return int(bool(value > 0)) - int(bool(value < 0))


def _infinite_ratio(where: str) -> InfiniteRatioError:
    return InfiniteRatioError(
        f"Markov laws, {where}: a law with negative exponent excludes a token that the others allow, so its intensity "
        "is infinite; use a denominator law that covers the support, such as a fit with smoothing"
    )
