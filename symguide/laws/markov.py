"""Markov laws along a chain of positions: an initial law and transition matrices, given or fitted from counts."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from sympy import Expr

from symguide.errors import ChainTooLargeError, DataError
from symguide.laws.law import Context, Law, TableLaw, format_context
from symguide.laws.stochastic import normalise_rows, read_probabilities
from symguide.numbers.logarithms import log_matmul
from symguide.numbers.number import Number, is_exact, read_number, shown

__all__ = ["MarkovLaw"]

_TABLE_LIMIT = 100_000
"""Token tuples that a Markov law is listed by."""


@dataclass(frozen=True, eq=False)
class MarkovLaw(Law):
    """``p(x) = π(x_0) Π_i P_i(x_i, x_{i+1})``, a peer of :class:`symguide.laws.law.TableLaw`, of any length.

    Given a context, a masked position depends on the nearest revealed tokens only, ``a`` at ``l`` and ``b`` at ``r``:
    ``p(v_m | x_S) = F_lm(a, v) F_mr(v, b) / F_lr(a, b)`` with ``F_ij = P_i ⋯ P_{j−1}``, the law of a *bridge*; to the
    left of all revealed tokens ``F_lm(a, ·)`` is the marginal law of position ``m``, to the right of all ``F_mr = 1``.

    Build it with :meth:`of` or :meth:`fit`; the constructor takes checked arrays.

    Attributes
    ----------
    vocabulary, length
        ``N`` and ``D``.
    initial
        ``π``, shape ``(N,)``: an object array of fractions, or an array of floats.
    transitions
        Rows are laws: shape ``(N, N)``, the same at all positions (homogeneous), or ``(D−1, N, N)``. The row of a token
        that no position before the last can show means nothing, and may be zero.
    rescaled
        Whether rows missed one by rounding and were divided by their sum.
    """

    vocabulary: int
    length: int
    initial: np.ndarray
    transitions: np.ndarray
    rescaled: bool = False

    @classmethod
    def of(
        cls, initial: Any, transitions: Any, length: int | None = None, name: str = "Markov law", decimal: bool = False
    ) -> "MarkovLaw":
        """The law of an initial law and one transition matrix, or one for every pair of neighbours.

        Exact rows must sum to one exactly; where floats stand, all becomes floats, and rows that miss one by at most
        1e-12 are divided by their sum.

        Parameters
        ----------
        initial
            ``N`` probabilities.
        transitions
            An ``N × N`` matrix with ``length``, or ``D − 1`` of them.
        length
            ``D``; known without it where there is a matrix for every pair of neighbours.
        name
            What errors call the law.
        decimal
            Whether exact numbers may have been rounded: rows that miss one by at most 1e-12 are divided by their sum.

        Raises
        ------
        DataError
            For wrong shapes, numbers that are no probabilities, and rows that do not sum to one.

        >>> law = MarkovLaw.of(["1/2", "1/2"], [["3/4", "1/4"], [0, 1]], length=3)
        >>> law.conditional((0, None, 1), 1)
        {0: Fraction(3, 7), 1: Fraction(4, 7)}
        >>> MarkovLaw.of([1, 0], [[0.5, 0.4], [0, 1]], length=3)
        Traceback (most recent call last):
        symguide.errors.DataError: Markov law: transitions from token 0 sum to 0.9, not to 1, so they are no ...
        """
        start = read_probabilities(initial, f"{name}: initial law")
        steps = read_probabilities(transitions, f"{name}: transitions")
        size = start.shape[0] if start.ndim == 1 else 0
        if size == 0:
            raise DataError(
                f"{name}: the initial law has shape {start.shape}, but N probabilities belong there; give a row of them"
            )
        if steps.ndim not in (2, 3) or steps.shape[-2:] != (size, size):
            # No matrix at all is fine where there is one position.
            if steps.size or length != 1:
                raise DataError(
                    f"{name}: the transitions have shape {steps.shape}, but tokens 0..{size - 1} need "
                    f"({size}, {size}) or (D-1, {size}, {size}); give square matrices, rows by the token on the left"
                )
            steps = steps.reshape(0, size, size)
        if length is None and steps.ndim == 2:
            raise DataError(f"{name}: one transition matrix does not say how many positions there are; give length=D")
        count = _read_length(len(steps) + 1 if length is None else length, name)
        if steps.ndim == 3 and len(steps) != count - 1:
            raise DataError(
                f"{name}: {len(steps)} transition matrices for {count} positions, which have {count - 1} pairs of "
                "neighbours; give one for each, or a single one"
            )
        if start.dtype != steps.dtype:
            start, steps = start.astype(float), steps.astype(float)
        start, first = normalise_rows(start[None], lambda _: f"{name}: initial probabilities", decimal=decimal)
        steps, later = normalise_rows(steps, lambda where: f"{name}: transitions {_row_name(where)}", True, decimal)
        law = cls(size, count, _frozen(start[0]), _frozen(steps), first or later)
        law._refuse_dead_ends(name)
        return law

    @classmethod
    def fit(
        cls,
        sequences: Mapping[Any, object] | Iterable[Any],
        vocabulary: int,
        length: int,
        smoothing: object = 0,
        *,
        homogeneous: bool = True,
        anywhere: bool = False,
        name: str = "fit",
    ) -> "MarkovLaw":
        """Transition counts with additive smoothing: ``P(a, b) = (n_ab + α) / (n_a + α N)``.

        Likewise ``π(a) = (m_a + α) / (m + α N)``, with ``m_a`` the first tokens; where sequences are cut out of a text
        at any place (``anywhere``) all tokens that have a successor count. Exact for whole or exact counts.

        Parameters
        ----------
        sequences
            Token sequences, or ``{sequence: count}``.
        vocabulary, length
            ``N`` and ``D``.
        smoothing
            ``α ≥ 0``, the count added to every pair of tokens and to every first token (Lidstone's rule).
        homogeneous
            One matrix for all positions, from sequences of any length; otherwise one for each, from sequences of
            length ``D``.
        anywhere
            How first tokens count, see above; homogeneous fits only.
        name
            What errors call the fit.

        Raises
        ------
        DataError
            For tokens out of range, sequences of a wrong length, counts and smoothing that are negative or no numbers,
            and tokens that no sequence continues, where nothing is added.

        References
        ----------
        Manning, Schütze, Foundations of Statistical Natural Language Processing (1999), §6.2.2.

        >>> MarkovLaw.fit([(0, 0, 1), (0, 1, 1)], vocabulary=2, length=3, smoothing=1).transitions[0]
        array([Fraction(2, 5), Fraction(3, 5)], dtype=object)
        """
        if isinstance(vocabulary, bool) or not isinstance(vocabulary, int) or vocabulary < 1:
            raise DataError(
                f"{name}: vocabulary is {vocabulary!r}, so there are no tokens; give a whole number of at least 1"
            )
        length = _read_length(length, name)
        added = _read_count(smoothing, f"{name}: smoothing")
        pairs = np.full((1 if homogeneous else length - 1, vocabulary, vocabulary), added, dtype=object)
        firsts = np.full(vocabulary, added, dtype=object)
        for tokens, given in sequences.items() if isinstance(sequences, Mapping) else ((x, 1) for x in sequences):
            read = _read_sequence(tokens, vocabulary, None if homogeneous else length, name)
            count = _read_count(given, f"{name}: count of {shown(list(read))}")
            for i, (left, right) in enumerate(pairwise(read)):
                pairs[0 if homogeneous else i, left, right] += count
            for token in read[:-1] if anywhere else read[:1]:
                firsts[token] += count
        if not firsts.sum():
            raise DataError(f"{name}: no sequence counts, so there is nothing to fit; give sequences or smoothing > 0")
        floats = not all(map(is_exact, (*firsts, *pairs.flat)))
        totals = pairs.sum(axis=2, keepdims=True)
        rows = pairs / np.where(totals == 0, totals + 1, totals)
        steps, start = rows[0] if homogeneous else rows, firsts / firsts.sum()
        if floats:
            steps, start = steps.astype(float), start.astype(float)
        return cls.of(start, steps, length, name)

    @property
    def is_homogeneous(self) -> bool:
        """Whether one transition matrix serves all positions.

        >>> MarkovLaw.of([1.0], [[1.0]], length=9).is_homogeneous
        True
        """
        return self.transitions.ndim == 2

    @property
    def is_exact(self) -> bool:
        """Whether the data are fractions.

        >>> MarkovLaw.of([1.0], [[1.0]], length=9).is_exact
        False
        """
        return self.initial.dtype == object

    def step(self, position: int) -> np.ndarray:
        """``P_i``, the transition matrix from a position to the next.

        >>> MarkovLaw.of(["1/2", "1/2"], [["3/4", "1/4"], [0, 1]], length=3).step(1)[0, 1]
        Fraction(1, 4)
        """
        return self.transitions if self.is_homogeneous else self.transitions[position]

    @property
    def links(self) -> tuple[tuple[int, int], ...]:
        """Pairs of neighbours."""
        return tuple(pairwise(range(self.length)))

    def link(self, right: int) -> np.ndarray:
        """The transition matrix to a position from its neighbour on the left."""
        return self.step(right - 1)

    @cached_property
    def marginals(self) -> np.ndarray:
        """``p(v_i)``, shape ``(D, N)``.

        >>> [str(p) for p in MarkovLaw.of(["1/2", "1/2"], [["3/4", "1/4"], [0, 1]], length=3).marginals[2]]
        ['9/32', '23/32']
        """
        rows = [self.initial]
        for i in range(self.length - 1):
            rows.append(rows[-1] @ self.step(i))
        return np.array(rows)

    @cached_property
    def reachable(self) -> np.ndarray:
        """Whether ``p(v_i) > 0``, shape ``(D, N)``: by the zeros of the data, whatever underflows.

        >>> MarkovLaw.of([1, 0], [[0, 1], [1, 0]], length=3).reachable.tolist()
        [[True, False], [False, True], [True, False]]
        """
        rows = [self.initial != 0]
        for i in range(self.length - 1):
            rows.append((self.step(i)[rows[-1]] != 0).any(axis=0))
        return np.array(rows)

    @cached_property
    def _products(self) -> dict[tuple[int, int], np.ndarray]:
        return {}

    def between(self, left: int, right: int) -> np.ndarray:
        """``F_lr = P_l ⋯ P_{r−1}``: the law of the token at ``r`` given that at ``l < r``, rows by the latter.

        >>> MarkovLaw.of(["1/2", "1/2"], [["3/4", "1/4"], [0, 1]], length=3).between(0, 2)[0, 0]
        Fraction(9, 16)
        """
        key = (0, right - left) if self.is_homogeneous else (left, right)
        known = self._products.get(key)
        if known is None:
            last = self.step(right - 1)
            known = last if right == left + 1 else self.between(left, right - 1) @ last
            self._products[key] = known
        return known

    @cached_property
    def _log_transitions(self) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(self.transitions.astype(float))

    def log_step(self, position: int) -> np.ndarray:
        """``ln P_i`` in doubles."""
        return self._log_transitions if self.is_homogeneous else self._log_transitions[position]

    @cached_property
    def log_marginals(self) -> np.ndarray:
        """``ln p(v_i)`` in doubles, shape ``(D, N)``; ``−inf`` at zeros of the data only."""
        with np.errstate(divide="ignore"):
            rows = [np.log(self.initial.astype(float))[None]]
        for i in range(self.length - 1):
            rows.append(log_matmul(rows[-1], self.log_step(i)))
        return np.concatenate(rows)

    def logs_between(self, left: int) -> np.ndarray:
        """``ln F_lr`` in doubles for all ``r > l``, shape ``(D − 1 − l, N, N)``; ``−inf`` at zeros of the data only."""
        if self.is_homogeneous and left:
            return self._logs_from_first[: self.length - 1 - left]
        found = []
        for right in range(left + 1, self.length):
            step = self.log_step(right - 1)
            found.append(log_matmul(found[-1], step) if found else step)
        return np.array(found).reshape(-1, self.vocabulary, self.vocabulary)

    @cached_property
    def _logs_from_first(self) -> np.ndarray:
        return self.logs_between(0)

    def weight(self, context: Context) -> Number:
        """See :meth:`symguide.laws.law.Law.weight`.

        >>> MarkovLaw.of(["1/2", "1/2"], [["3/4", "1/4"], [0, 1]], length=3).weight((0, None, 0))
        Fraction(9, 32)
        """
        revealed = [(i, token) for i, token in enumerate(context) if token is not None]
        if not revealed:
            return Fraction(1)
        value: Any = self.marginals[revealed[0]]
        for (left, a), (right, b) in pairwise(revealed):
            value = value * self.between(left, right)[a, b]
        return value if self.is_exact else float(value)

    def conditional(self, context: Context, position: int) -> Mapping[int, Number]:
        """See :meth:`symguide.laws.law.Law.conditional`.

        >>> MarkovLaw.of([1, 0], [["1/2", "1/2"], [0, 1]], length=9).conditional((0, *[None] * 7, 0), 4)
        {0: Fraction(1, 1)}
        """
        if context[position] is not None:
            raise DataError(
                f"context {format_context(context)}: position {position} is revealed already, so it has no reveal law; "
                "ask for a masked position"
            )
        if self.weight(context) == 0:
            raise DataError(
                f"context {format_context(context)} has probability zero under this law, so it has no conditional law; "
                "condition on tokens of the support"
            )
        left = next((i for i in range(position - 1, -1, -1) if context[i] is not None), None)
        right = next((i for i in range(position + 1, self.length) if context[i] is not None), None)
        weights = self.marginals[position] if left is None else self.between(left, position)[context[left]]
        if right is not None:
            weights = weights * self.between(position, right)[:, context[right]]
        whole = weights.sum()
        return {v: p / whole if self.is_exact else float(p / whole) for v, p in enumerate(weights) if p}

    def count_contexts(self, most: int) -> int:
        """See :meth:`symguide.laws.law.Law.count_contexts`.

        >>> MarkovLaw.of([1, 0], [[0, 1], [1, 0]], length=3).count_contexts(100)
        8
        """
        # ending[j][v]: contexts whose last revealed token is v at j.
        ending: list[np.ndarray] = []
        count = 1
        for j in range(self.length):
            row = self.reachable[j].astype(int).astype(object)
            for i, before in enumerate(ending):
                row = row + before @ (self._connected(i, j)).astype(int)
            ending.append(np.where(self.reachable[j], row, 0))
            count += int(ending[-1].sum())
            if count > most:
                break
        return count

    @cached_property
    def _connections(self) -> dict[tuple[int, int], np.ndarray]:
        return {}

    def _connected(self, left: int, right: int) -> np.ndarray:
        """Where ``F_lr > 0``."""
        key = (0, right - left) if self.is_homogeneous else (left, right)
        if key not in self._connections:
            last = self.step(right - 1) != 0
            self._connections[key] = last if right == left + 1 else self._connected(left, right - 1) @ last
        return self._connections[key]

    def table(self, limit: int = _TABLE_LIMIT) -> TableLaw:
        """The same law listed by its support, for what needs a table: mixing classes, say.

        Raises
        ------
        ChainTooLargeError
            Where the support holds more token tuples than ``limit``.

        >>> MarkovLaw.of([1, 0], [[0, 1], [1, 0]], length=3).table().weights
        {(0, 1, 0): Fraction(1, 1)}
        """
        paths: dict[tuple[int, ...], Any] = {(v,): p for v, p in enumerate(self.initial) if p}
        for i in range(self.length - 1):
            step = self.step(i)
            paths = {(*x, v): weight * p for x, weight in paths.items() for v, p in enumerate(step[x[-1]]) if p}
            if len(paths) > limit:
                raise ChainTooLargeError(
                    f"Markov law with N = {self.vocabulary}, D = {self.length} has more than {limit} token tuples, the "
                    "limit, so it is not listed; keep it as it is, or use fewer positions"
                )
        weights = paths if self.is_exact else {x: float(p) for x, p in paths.items()}
        return TableLaw.from_mapping(self.vocabulary, self.length, weights, "Markov law")

    def _refuse_dead_ends(self, name: str) -> None:
        for i in range(self.length - 1):
            for token in np.flatnonzero(self.reachable[i]):
                if not self.step(i)[token].any():
                    raise DataError(
                        f"{name}: token {token} is reached at position {i}, but its transitions sum to 0, so nothing "
                        "can follow it; give its row, or fit with smoothing > 0"
                    )


def _read_length(length: object, name: str) -> int:
    if isinstance(length, bool) or not isinstance(length, int) or length < 1:
        raise DataError(f"{name}: length is {length!r}, so there are no tokens; give a whole number of at least 1")
    return length


def _row_name(where: tuple[int, ...]) -> str:
    place = f"at position {where[0]} " if len(where) == 2 else ""
    return f"{place}from token {where[-1]}"


def _frozen(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def _read_count(value: object, what: str) -> Fraction | float:
    count = read_number(value, what, DataError)
    if isinstance(count, Expr) or count < 0:
        raise DataError(f"{what} is {shown(count)}: counts are numbers of at least 0; correct it")
    return count


def _read_sequence(tokens: Any, vocabulary: int, length: int | None, name: str) -> tuple[int, ...]:
    try:
        read = tuple(tokens)
    except TypeError:
        raise DataError(
            f"{name}: {shown(repr(tokens))} is no sequence of tokens, so it cannot be counted; give tuples of tokens"
        ) from None
    if not read or (length is not None and len(read) != length):
        raise DataError(
            f"{name}: sequence {shown(list(read))} has length {len(read)}, but the law has {length or 'at least 1'}; "
            "pad or cut it"
        )
    for token in read:
        if isinstance(token, bool) or not isinstance(token, int | np.integer) or not 0 <= token < vocabulary:
            raise DataError(
                f"{name}: token {shown(repr(token))} in {shown(list(read))} is outside the vocabulary "
                f"0..{vocabulary - 1}; enlarge the vocabulary or correct the token"
            )
    return tuple(map(int, read))
