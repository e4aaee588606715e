"""Parallel updates: every masked position shows a token or stays masked, independently given the context.

A step of a sampler shows several tokens at once, each drawn from its own conditional law, so it reaches contexts that
no law calls possible: tokens that are each possible but not together. Such a context is *off the support*: there are no
conditional laws in it, so whatever is masked in it stays masked. It is kept, with its mass, and never left.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise, product
from math import prod
from typing import Any

import mpmath
import numpy as np
from sympy import Expr

from symguide.chains.contexts import MASKED
from symguide.chains.functionals import column
from symguide.errors import ChainTooLargeError, DataError, NotExactError, StrengthError
from symguide.flows.flow import Kernel, Moves
from symguide.laws.law import Context, Law, context_key, format_context
from symguide.laws.strength import require_strength
from symguide.laws.tilt import Tilt
from symguide.numbers.arithmetic import FLOATS, PRECISE, RATIONAL, Arithmetic
from symguide.numbers.expsum import ExpSum, Quotient

__all__ = ["INSTANT", "MAX_MOVES", "Menus", "Updates", "parallel_updates"]

MAX_MOVES = 2_000_000
"""Moves between contexts beyond which they are not listed."""

INSTANT = 1e250
"""Rates beyond this double are as good as infinite."""

TIE_DIGITS = 50
"""Probabilities that agree to so many digits are ties, where they are irrational."""

FLOAT_TIE_DIGITS = 12
"""The same where they come from data given as floats, which carry rounding."""


@dataclass(frozen=True, eq=False)
class Menus:
    """What every masked position can show, in one arithmetic: ``n`` positions in contexts, ``m`` tokens at most.

    Attributes
    ----------
    rates
        ``(n, m)``: the rates ``r_i(v|x_S)`` on the clock, 0 where there are fewer than ``m`` tokens.
    shares
        ``(n, m)``: ``q_i(v|x_S)/Z_i``, the law of the token that is shown.
    paces
        ``(n, 1)``: ``λ_i``, the sum of the rates; 1 for the normalised rule.
    alive
        ``(n, 1)``: whether there is any token to show.
    arithmetic
        What the values are; doubles beyond :data:`INSTANT` are cut there.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> parallel_updates(guidance(load("squares-overlap"))).menus(RATIONAL, Fraction(1)).paces[0]
    array([Fraction(5, 3)], dtype=object)
    """

    rates: np.ndarray
    shares: np.ndarray
    paces: np.ndarray
    alive: np.ndarray
    arithmetic: Arithmetic


@dataclass(frozen=True, eq=False)
class Updates:
    """What parallel updates can do: contexts, their masked positions with the tokens these can show, and moves.

    Attributes
    ----------
    tilt
        The guidance.
    moves
        All moves of one step; contexts stand by number revealed, then lexicographic with the mask first.
    contexts, positions
        ``(n,)``: for every masked position of every context on the support, which they are.
    tokens
        ``(n, m)``: the tokens that it can show, then −1.
    intensities
        The raw intensities of these tokens.
    off_support
        The contexts to which some law gives probability zero, by index, complete ones too.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> found = parallel_updates(guidance(load("xor")))
    >>> [found.moves.states[j] for j in found.off_support]
    [(0, 1), (1, 0)]
    """

    tilt: Tilt
    moves: Moves
    contexts: np.ndarray
    positions: np.ndarray
    tokens: np.ndarray
    intensities: tuple[tuple[ExpSum, ...], ...]
    off_support: tuple[int, ...]

    @property
    def states(self) -> Sequence[Context]:
        """The contexts."""
        return self.moves.states

    @cached_property
    def stuck(self) -> tuple[int, ...]:
        """The contexts that are never left although they have masks: off the support, or dead."""
        shown = set(self.contexts[(self.tokens != MASKED).any(axis=1)].tolist())
        return tuple(j for j, context in enumerate(self.states) if None in context and j not in shown)

    @cached_property
    def _wholes(self) -> tuple[ExpSum, ...]:
        return tuple(ExpSum.sum(row) for row in self.intensities)

    def menus(self, arithmetic: Arithmetic, w: Any) -> Menus:
        """Rates and shares at one strength.

        Raises
        ------
        StrengthError
            For ``w < −1``, ``nan`` and infinities.
        NotExactError
            For rational arithmetic where they are irrational.
        """
        require_strength(w)
        known: dict[Any, Any] = {}

        def value(of: ExpSum | Quotient) -> Any:
            if of not in known:
                known[of] = of.at(arithmetic, w)
            return known[of]

        shares = [
            [value(Quotient(q, whole)) for q in row] for row, whole in zip(self.intensities, self._wholes, strict=True)
        ]
        one, nothing = arithmetic.number(Fraction(1)), arithmetic.number(Fraction(0))
        alive = [bool(row) for row in self.intensities]
        if self.tilt.normalised:
            rates, paces = shares, [one if some else nothing for some in alive]
        else:
            rates = [list(map(value, row)) for row in self.intensities]
            paces = [value(whole) if some else nothing for whole, some in zip(self._wholes, alive, strict=True)]
        arrays = [self._padded(rates, arithmetic), column(paces, arithmetic)[:, None]]
        if arithmetic is FLOATS:
            arrays = [np.minimum(array, INSTANT) for array in arrays]
        return Menus(arrays[0], self._padded(shares, arithmetic), arrays[1], np.array(alive)[:, None], arithmetic)

    def chances_under(self, law: Law, arithmetic: Arithmetic) -> np.ndarray:
        """``(n, m)``: the probabilities ``p(v|x_S)`` that a law gives to the tokens that can be shown.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> problem = load("interval-overlap")
        >>> parallel_updates(guidance(problem)).chances_under(problem.unconditional, FLOATS).round(3)
        array([[0.167, 0.167, 0.083, 0.083, 0.083, 0.083]])
        """
        rows = []
        for context, position, shown in zip(self.contexts.tolist(), self.positions.tolist(), self.tokens, strict=True):
            table = law.conditional(self.states[context], position)
            rows.append([arithmetic.number(table.get(v, Fraction(0))) for v in shown[shown != MASKED].tolist()])
        return self._padded(rows, arithmetic)

    def ranks(self, w: Any) -> np.ndarray:
        """``(n, m)``: the shares ``q_i(v|x_S)/Z_i`` of all positions in order, from 0 up, ties sharing a rank; then −1.

        Ties are decided exactly where shares are rational, else at :data:`TIE_DIGITS` digits.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> parallel_updates(guidance(load("interval-overlap"))).ranks(Fraction(1, 2))
        array([[0, 0, 1, 1, 1, 1]])
        """
        quotients = [Quotient(q, whole) for row, whole in zip(self.intensities, self._wholes, strict=True) for q in row]
        distinct = list(dict.fromkeys(quotients))
        rank = dict(zip(distinct, _dense_ranks(distinct, w), strict=True))
        out = np.full(self.tokens.shape, -1)
        out[self.tokens != MASKED] = [rank[quotient] for quotient in quotients]
        return out

    def kernel(self, shown: np.ndarray, stay: np.ndarray, arithmetic: Arithmetic) -> Kernel:
        """The step in which every position shows a token or stays masked with given probabilities.

        Parameters
        ----------
        shown, stay
            ``(n, m)`` and ``(n, 1)``: for every token, and for the mask. Where there is nothing to show the mask stays.
        arithmetic
            What they are.

        >>> from symguide.instances.datasets import load
        >>> from symguide.laws.tilt import guidance
        >>> found = parallel_updates(guidance(load("xor")))
        >>> menus = found.menus(RATIONAL, Fraction(1))
        >>> found.kernel(menus.shares, 0 * menus.paces, RATIONAL).probabilities[:9].tolist().count(Fraction(1, 4))
        4
        """
        one, nothing = (arithmetic.number(Fraction(number)) for number in (1, 0))
        alive = np.array([bool(row) for row in self.intensities])[:, None]
        offered = self.tokens != MASKED
        listed = np.concatenate([np.where(offered, shown, nothing).ravel(), np.where(alive, stay, one).ravel(), [one]])
        return Kernel(self.moves, listed if arithmetic is FLOATS else column(listed.tolist(), arithmetic), arithmetic)

    def _padded(self, rows: Sequence[Sequence[Any]], arithmetic: Arithmetic) -> np.ndarray:
        zero = arithmetic.number(Fraction(0))
        width = self.tokens.shape[1]
        flat = [value for row in rows for value in (*row, *[zero] * (width - len(row)))]
        return column(flat, arithmetic).reshape(self.tokens.shape)


def parallel_updates(tilt: Tilt, starts: Iterable[Context] | None = None, limit: int = MAX_MOVES) -> Updates:
    """List the contexts that parallel updates reach, and all moves between them.

    Parameters
    ----------
    tilt
        The guidance; where the zeros of its laws depend on ``w``, at a fixed strength (``tilt.at(w)``).
    starts
        Contexts to start from; all masks by default.
    limit
        Largest number of moves to list.

    Raises
    ------
    ChainTooLargeError
        When there are more moves than ``limit``.
    DataError
        For a start of the wrong length.

    >>> from symguide.instances.datasets import load
    >>> from symguide.laws.tilt import guidance
    >>> len(parallel_updates(guidance(load("hypercubes-5d"))).moves.sources)
    16807
    """
    vocabulary, length = tilt.grid
    begun = [(None,) * length] if starts is None else [tuple(start) for start in starts]
    for start in begun:
        if len(start) != length:
            raise DataError(
                f"start {format_context(start)} has {len(start)} positions, but the laws have {length}; "
                "use None for masks"
            )
    too_many = ChainTooLargeError(
        f"parallel updates with N = {vocabulary}, D = {length} make more than {limit} moves between contexts, "
        "the limit, so they are not listed; use fewer positions or a smaller support"
    )
    leading = tilt.leading_law
    if starts is None and leading is not None and leading.count_contexts(limit) > limit:
        raise too_many  # without conditional laws of what is not even listed
    menus: dict[Context, list[tuple[int, dict[int, ExpSum]]]] = {}
    unknown: set[Context] = set()
    waiting, count = list(dict.fromkeys(begun)), 0
    while waiting:
        context = waiting.pop()
        if any(law.weight(context) == 0 for law, exponent in tilt.factors if exponent != 0):
            unknown.add(context)
        known = None not in context or context in unknown
        masked = [] if known else [i for i, token in enumerate(context) if token is None]
        menus[context] = [(position, tilt.intensities(context, position)) for position in masked]
        count += prod(1 + len(shown) for _, shown in menus[context])
        if count > limit:
            raise too_many
        for target in _targets(context, menus[context]):
            if target not in menus:
                menus[target] = []
                waiting.append(target)
    states = tuple(sorted(menus, key=context_key))
    index = {context: j for j, context in enumerate(states)}
    sites = [(j, *site) for j, context in enumerate(states) for site in menus[context]]
    width = max((len(shown) for *_, shown in sites), default=0)
    tokens = np.full((len(sites), width), MASKED)
    for row, (*_, shown) in enumerate(sites):
        tokens[row, : len(shown)] = list(shown)
    places = np.array([[j, position] for j, position, _ in sites], dtype=np.int64).reshape(len(sites), 2)
    return Updates(
        tilt,
        _moves(states, menus, index, len(sites), width),
        places[:, 0],
        places[:, 1],
        tokens,
        tuple(tuple(shown.values()) for *_, shown in sites),
        tuple(sorted(index[context] for context in unknown)),
    )


def _targets(context: Context, menu: list[tuple[int, dict[int, ExpSum]]]) -> Iterable[Context]:
    """Where one step leads; the first is the context itself."""
    options: list[Sequence[int | None]] = [(token,) for token in context]
    for position, shown in menu:
        options[position] = (None, *shown)
    return product(*options)


def _moves(
    states: tuple[Context, ...],
    menus: dict[Context, list[tuple[int, dict[int, ExpSum]]]],
    index: dict[Context, int],
    sites: int,
    width: int,
) -> Moves:
    """Choices: the tokens of every site in turn, then the masks of every site, then what is certain."""
    certain = sites * (width + 1)
    length = len(states[0])
    sources, targets, choices, site = [], [], [], 0
    for j, context in enumerate(states):
        menu = menus[context]
        options: list[Sequence[int]] = [(certain,)] * length
        for position, shown in menu:
            options[position] = (sites * width + site, *range(site * width, site * width + len(shown)))
            site += 1
        into = [index[target] for target in _targets(context, menu)]
        sources.append(np.full(len(into), j))
        targets.append(np.array(into))
        choices.append(np.array(list(product(*options))))
    return Moves(states, np.concatenate(sources), np.concatenate(targets), np.concatenate(choices))


def _dense_ranks(quotients: Sequence[Quotient], w: Any) -> list[int]:
    exact = all(quotient.numerator.is_exact and quotient.denominator.is_exact for quotient in quotients)
    gap: Any = Fraction(0)
    try:
        values: list[Any] = [quotient.at(RATIONAL, w) for quotient in quotients]
    except NotExactError:
        if isinstance(w, Expr) and w.free_symbols:
            raise StrengthError(
                f"guidance strength w is {w}: which of two probabilities is larger depends on it; give a number"
            ) from None
        with mpmath.workdps(TIE_DIGITS + 10):
            strength = w if isinstance(w, Fraction) else PRECISE.number(w)
            values = [quotient.at(PRECISE, strength) for quotient in quotients]
        gap = mpmath.mpf(10) ** -(TIE_DIGITS if exact else FLOAT_TIE_DIGITS)
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks, rank = [0] * len(values), 0
    for before, here in pairwise(order):
        rank += values[here] - values[before] > gap * values[here]
        ranks[here] = rank
    return ranks
