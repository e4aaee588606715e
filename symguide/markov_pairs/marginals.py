"""Marginals of the terminal law of Markov pairs, for single positions and for pairs of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from symguide.errors import DataError
from symguide.markov_pairs.bridges import Bridges, quotient
from symguide.markov_pairs.gaps import GapSystem, require_memory
from symguide.numbers.arithmetic import FLOATS

__all__ = ["marginals", "pair_marginal"]


def marginals(system: GapSystem) -> np.ndarray:
    """``P(X_m = v)`` for all positions and tokens, shape ``(D, N)``, in the arithmetic of the system.

    Let ``W_lr(a, b)`` be the probability that a gap from ``a`` at ``l`` to ``b`` at ``r`` ever arises. It does as the
    left part of a larger one, or as the right part: with ``U = W / (Λ T)``, entry by entry,

        ``W_lm = T_lm ∘ (Σ_{r>m} U_lr T_mrᵀ + Σ_{k<l} T_klᵀ U_km)``,  ``P(X_m = v) = Σ_{l,r} (T_lmᵀ U_lr T_mrᵀ)(v, v)``,

    from the whole sequence inwards; normalised, each term is divided by ``Z_m``. With dead contexts, the part of a
    split that is not followed counts by its chance to be revealed in full, and the sums are the terminal mass.

    ``O(D³ N³)`` operations, as matrix products, and ``O(D² N²)`` memory.

    Raises
    ------
    ChainTooLargeError
        Where that takes more memory than :data:`symguide.markov_pairs.gaps.MAX_BYTES`.
    SymguideError
        Where intensities span more than doubles hold (very large ``w``).

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.markov_pairs.gaps import guided_gaps
    >>> from symguide.laws.markov import MarkovLaw
    >>> from symguide.laws.mixture import Problem
    >>> from symguide.laws.tilt import guidance
    >>> strong = MarkovLaw.of(["1/2", "1/2"], [["1/3", "2/3"], ["2/3", "1/3"]], length=3)
    >>> weak = MarkovLaw.of(["1/2", "1/2"], [["1/2", "1/2"], ["1/4", "3/4"]], length=3)
    >>> [str(p) for p in marginals(guided_gaps(guidance(Problem(strong, weak))).over(RATIONAL, 0))[2]]
    ['1/2', '1/2']
    """
    blocks = _Blocks.of(system)
    _, revealed = _outer(blocks, system.length, 1)
    return np.array(revealed[1:-1])


def pair_marginal(system: GapSystem, first: int, second: int) -> np.ndarray:
    """``P(X_i = v, X_j = y)`` for two positions ``i < j``, shape ``(N, N)``, in the arithmetic of the system.

    Some gap ``(l, r)`` holds both until a reveal at ``m``, ``i ≤ m ≤ j``, sets them apart; from there on they are
    independent. So the chance of that gap, from the whole sequence inwards as in :func:`marginals`, meets the laws of
    ``i`` given ``(l, m)`` and of ``j`` given ``(m, r)``, which grow from these positions outwards:

        ``P = Σ_{l,m,r} Σ_{a,c,b} U_lr(a, b) (T M^v)_lm(a, c) (T M^y)_mr(c, b)``.

    ``O(D³ N⁴)`` operations at most, far fewer where the positions are close; ``O(D² N² + (j − i) D N³)`` memory.

    Raises
    ------
    DataError
        For positions that are not ``0 ≤ i < j < D``.
    ChainTooLargeError, SymguideError
        As :func:`marginals`.

    >>> from symguide.numbers.arithmetic import RATIONAL
    >>> from symguide.markov_pairs.gaps import guided_gaps
    >>> from symguide.laws.markov import MarkovLaw
    >>> from symguide.laws.mixture import Problem
    >>> from symguide.laws.tilt import guidance
    >>> strong = MarkovLaw.of(["1/2", "1/2"], [["1/3", "2/3"], ["2/3", "1/3"]], length=3)
    >>> weak = MarkovLaw.of(["1/2", "1/2"], [["1/2", "1/2"], ["1/4", "3/4"]], length=3)
    >>> str(pair_marginal(guided_gaps(guidance(Problem(strong, weak))).over(RATIONAL, 0), 0, 2)[0, 1])
    '2/9'
    """
    length, size = system.length, system.vocabulary
    if any(isinstance(i, bool) or not isinstance(i, int | np.integer) for i in (first, second)) or not (
        0 <= first < second < length
    ):
        raise DataError(
            f"positions ({first!r}, {second!r}) are no pair 0 <= i < j < {length} and have no marginal; correct them"
        )
    require_memory(
        8 * 2 * (second - first) * (length - second + first + 1) * size**3,
        f"the marginal of positions {first} and {second}",
        "choose closer positions, or use terminal probabilities of sequences",
    )
    return _apart(_Blocks.of(system), int(first) + 1, int(second) + 1)


@dataclass(frozen=True)
class _Blocks:
    """``T_lr`` for all pairs of positions, ends included as 0 and ``D + 1`` with one token: ``N × N`` blocks.

    ``by_left[l][a, r − l − 1, b]`` and ``by_right[r][l, a, b]`` hold the same numbers, so that sums over a position
    between are matrix products of contiguous parts. ``done_left`` and ``done_right`` are the same times the chance that
    the gap is revealed in full: the very same arrays unless gaps may die.
    """

    by_left: list[np.ndarray]
    by_right: list[np.ndarray]
    done_left: list[np.ndarray]
    done_right: list[np.ndarray]
    normalised: bool
    may_die: bool
    zero: Any

    @classmethod
    def of(cls, system: GapSystem) -> "_Blocks":
        bridges = system.bridges
        length, size = system.length, system.vocabulary
        require_memory(
            8 * (length + 2) ** 2 / 2 * size**2 * (6 if bridges.may_die else 4),
            f"the bridges between all positions (N = {size}, D = {length})",
            "use fewer positions, or terminal probabilities of sequences",
        )
        make = _float_blocks if system.arithmetic is FLOATS else _value_blocks
        stacks = list(make(bridges))
        by_left = [np.ascontiguousarray(stack.transpose(1, 0, 2)) for stack in stacks]
        by_right = [np.array([stacks[k][r - k - 1] for k in range(r)]) for r in range(1, length + 2)]
        by_right.insert(0, by_right[0][:0])
        zero = by_left[-1][0, 0, 0] * 0
        blocks = cls(by_left, by_right, by_left, by_right, system.tilt.normalised, bridges.may_die, zero)
        return blocks._with_deaths() if bridges.may_die else blocks

    @property
    def dtype(self) -> Any:
        return self.by_left[0].dtype

    @property
    def last(self) -> int:
        """``D + 1``."""
        return len(self.by_left)

    def __getitem__(self, ends: tuple[int, int]) -> np.ndarray:
        return self.by_right[ends[1]][ends[0]]

    def weight(self, left: int, right: int) -> np.ndarray:
        """``Λ T`` of the gaps between two positions; normalised, ``Λ``: every term has its own ``T Z_m`` below it."""
        size = self.by_left[left].shape[0]
        if not self.normalised:
            rows = self.by_left[left][:, : right - left - 1].reshape(size, -1)
            return rows @ self.by_right[right][left + 1 :].reshape(-1, size)
        if not self.may_die:
            return np.full((size, size), self.zero + (right - left - 1), dtype=self.dtype)
        return (self.through(left, right) != 0).sum(axis=0) + self.zero

    def through(self, left: int, right: int) -> np.ndarray:
        """``T_lm T_mr`` for all positions ``m`` between."""
        return self.by_left[left][:, : right - left - 1].transpose(1, 0, 2) @ self.by_right[right][left + 1 :]

    def mirrored(self) -> "_Blocks":
        """The same sequence read from its end."""

        def lefts(by_right: list[np.ndarray]) -> list[np.ndarray]:
            return [np.ascontiguousarray(by_right[r][::-1].transpose(2, 0, 1)) for r in range(self.last, 0, -1)]

        def rights(by_left: list[np.ndarray]) -> list[np.ndarray]:
            turned = [
                np.ascontiguousarray(by_left[k][:, ::-1].transpose(1, 2, 0)) for k in range(self.last - 1, -1, -1)
            ]
            return [turned[0][:0], *turned]

        by_left, by_right = lefts(self.by_right), rights(self.by_left)
        done = (lefts(self.done_right), rights(self.done_left)) if self.may_die else (by_left, by_right)
        return _Blocks(by_left, by_right, *done, self.normalised, self.may_die, self.zero)

    def _with_deaths(self) -> "_Blocks":
        """With the chance of a full reveal, from small gaps to large."""
        done_left, done_right = [x.copy() for x in self.by_left], [x.copy() for x in self.by_right]
        for masked in range(1, self.last):
            for left in range(self.last - masked):
                right = left + masked + 1
                parts = done_left[left][:, :masked].transpose(1, 0, 2) @ done_right[right][left + 1 :]
                if self.normalised:
                    parts = quotient(parts, self.through(left, right))
                block = self[left, right] * quotient(parts.sum(axis=0), self.weight(left, right))
                done_left[left][:, masked] = done_right[right][left] = block
        return _Blocks(self.by_left, self.by_right, done_left, done_right, self.normalised, self.may_die, self.zero)


def _float_blocks(bridges: Bridges) -> Iterator[np.ndarray]:
    """``T_lr`` from one position to all later ones, shape ``(D + 1 − l, N, N)``, for all but the last."""
    length, size = bridges.live.shape
    first = np.zeros((length + 1, size, size))
    first[:-1, 0] = bridges.floats([law.log_marginals for law in bridges.laws], bridges.live)
    first[-1, 0, 0] = 1.0
    yield first
    for left, live in enumerate(bridges.live):
        found = np.zeros((length - left, size, size))
        if left < length - 1:
            logs = [law.logs_between(left) for law in bridges.laws]
            found[:-1] = bridges.floats(logs, live[:, None])
        found[-1, :, 0] = live
        yield found


def _value_blocks(bridges: Bridges) -> Iterator[np.ndarray]:
    """The same in any arithmetic."""
    length, size = bridges.live.shape
    one, zero = (bridges.arithmetic.number(Fraction(value)) for value in (1, 0))
    first = np.full((length + 1, size, size), zero, dtype=object)
    for m, v in np.argwhere(bridges.live):
        first[m, 0, v] = bridges.value([law.marginals[m, v] for law in bridges.laws])
    first[-1, 0, 0] = one
    yield first
    for left, live in enumerate(bridges.live):
        found = np.full((length - left, size, size), zero, dtype=object)
        for a in np.flatnonzero(live):
            found[-1, a, 0] = one
            for m, v in np.argwhere(bridges.live[left + 1 :]):
                found[m, a, v] = bridges.value([law.between(left, left + m + 1)[a, v] for law in bridges.laws])
        yield found


def _outer(blocks: _Blocks, last_left: int, first_right: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """From the whole sequence inwards, over gaps ``(l, m)`` with ``l ≤ last_left`` and ``m ≥ first_right``.

    Gives ``U_lm``, laid out as ``by_left``, and for every ``m`` the law of the token revealed there.
    """
    size, last = blocks.by_left[0].shape[0], blocks.last
    chances = [np.full((size, last - left, size), blocks.zero, dtype=blocks.dtype) for left in range(last)]
    revealed = [np.full(size, blocks.zero, dtype=blocks.dtype) for _ in range(last + 1)]
    for m in range(last, first_right - 1, -1):
        to_m = np.full((m, size, size), blocks.zero, dtype=blocks.dtype)
        for left in range(min(m, last_left + 1)):
            block = blocks[left, m]
            arriving = np.full((size, size), blocks.zero, dtype=blocks.dtype)
            if m < last:
                larger = chances[left][:, m - left :].reshape(size, -1)
                if blocks.normalised:
                    larger = quotient(larger, block @ blocks.by_left[m].reshape(size, -1))
                arriving = larger @ blocks.done_left[m].reshape(size, -1).T
                revealed[m] = revealed[m] + (blocks.done_right[m][left] * arriving).sum(axis=0)
            elif left == 0:
                arriving[0, 0] = arriving[0, 0] + 1
            if left:
                larger = to_m[:left].reshape(-1, size)
                if blocks.normalised:
                    larger = quotient(larger, blocks.by_right[left].reshape(-1, size) @ block)
                arriving = arriving + blocks.done_right[left].reshape(-1, size).T @ larger
            if m > left + 1:
                chances[left][:, m - left - 1] = to_m[left] = quotient(block * arriving, blocks.weight(left, m))
    return chances, revealed


def _apart(blocks: _Blocks, i: int, j: int) -> np.ndarray:
    """``P(X_i = v, X_j = y)``, by the reveal that leaves ``i`` and ``j`` in different gaps, or reveals one of them."""
    last = blocks.last
    chances, _ = _outer(blocks, i - 1, j + 1)
    right_of = _inner(blocks, i, j)
    left_of = _inner(blocks.mirrored(), last - j, last - i)
    found = right_of[0, 0, :, :, 0] * 0
    for left in range(i):
        outside = np.ascontiguousarray(chances[left][:, j - left :].transpose(1, 0, 2))  # by right end
        for m in range(i, j + 1):
            chance = outside
            if blocks.normalised:
                chance = quotient(outside, blocks[left, m] @ blocks.by_left[m].transpose(1, 0, 2)[j - m :])
            if m == j:
                settled = (chance @ blocks.done_left[j].transpose(1, 2, 0)).sum(axis=0)
                found = found + (left_of[i - left - 1, 0] * settled.T).sum(axis=2)
                continue
            # Axes: right end, y, token at m, token at the right end; then y, token at m, token at the left end.
            beyond = (right_of[:, m - i] @ chance.transpose(0, 2, 1)[:, None]).sum(axis=0)
            if m == i:
                found = found + (blocks.done_right[i][left].T * beyond).sum(axis=2).T
            else:
                size = len(found)
                found = found + left_of[i - left - 1, j - m].reshape(size, -1) @ beyond.reshape(size, -1).T
    return found


def _inner(blocks: _Blocks, i: int, j: int) -> np.ndarray:
    """``T_lr M_lr^y`` with ``M`` the chance that ``j`` shows ``y`` in the end, for gaps with ``i ≤ l < j < r``.

    Shape: (right end from ``j + 1``, left end from ``i``, y, token at the left, token at the right).
    """
    size, last = blocks.by_left[0].shape[0], blocks.last
    found = np.full((last - j, j - i, size, size, size), blocks.zero, dtype=blocks.dtype)
    for left in range(j - 1, i - 1, -1):
        before = blocks.done_left[left][:, : j - left - 1].transpose(1, 0, 2)[:, None]
        for right in range(j + 1, last + 1):
            after = blocks.done_right[right][j + 1 :][:, None]
            at_j = blocks.done_right[j][left].T[:, :, None] * blocks.done_right[right][j][:, None, :]
            to_left = before @ found[right - j - 1, left + 1 - i :]
            to_right = found[: right - j - 1, left - i] @ after
            parts = np.concatenate([to_left, at_j[None], to_right])
            if blocks.normalised:
                parts = quotient(parts, blocks.through(left, right)[:, None])
            block = quotient(blocks[left, right] * parts.sum(axis=0), blocks.weight(left, right))
            found[right - j - 1, left - i] = block
    return found
