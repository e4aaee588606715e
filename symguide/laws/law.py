"""Laws on token tuples: weights that sum to one, with their conditionals given any context."""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import combinations, product
from math import frexp
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
import sympy

from symguide.errors import DataError
from symguide.numbers.number import Number, is_exact, read_number, shown, total
from symguide.symbols import MASK, symbol

__all__ = ["SUM_TOLERANCE", "Context", "Law", "TableLaw", "context_key", "format_context"]

Context: TypeAlias = tuple[int | None, ...]
"""Revealed tokens by position; ``None`` is the mask."""

SUM_TOLERANCE = Fraction(1, 10**12)
"""Weights given as decimals may miss one by this much; they are then divided by their sum."""

_LEAST_EXPONENT = -960


def format_context(context: Context) -> str:
    """A context as people write it: ``(M, 2)``.

    >>> format_context((None, 2))
    '(M, 2)'
    """
    return "(" + ", ".join(MASK if token is None else str(token) for token in context) + ")"


def context_key(context: Context) -> tuple[int, tuple[int, ...]]:
    """Sort key of contexts: by number revealed, then lexicographic with the mask first.

    >>> sorted([(0, None), (0, 1), (None, 3)], key=context_key)
    [(None, 3), (0, None), (0, 1)]
    """
    return sum(token is not None for token in context), tuple(-1 if token is None else token for token in context)


class Law(ABC):
    """A probability law of ``length`` tokens from ``{0, …, vocabulary−1}``."""

    vocabulary: int
    length: int

    @property
    @abstractmethod
    def is_exact(self) -> bool:
        """Whether every weight is exact: a rational or an expression without floats."""

    @abstractmethod
    def weight(self, context: Context) -> Number:
        """``p(x_S)``: the probability that the revealed positions carry the context's tokens."""

    @abstractmethod
    def conditional(self, context: Context, position: int) -> Mapping[int, Number]:
        """``p(v_i | x_S)`` for one masked position, as ``{token: weight}`` over the tokens of positive probability.

        Raises
        ------
        DataError
            If the context has probability zero or the position is already revealed.
        """

    @abstractmethod
    def count_contexts(self, most: int) -> int:
        """How many contexts have positive probability; counting stops beyond ``most``."""


@dataclass(frozen=True)
class TableLaw(Law):
    """A law listed by its support: ``{token tuple: weight}``, every weight positive, their sum one.

    Build it with :meth:`from_mapping`, :meth:`from_array` or :meth:`symbolic`; the constructor takes checked weights.

    >>> law = TableLaw.from_mapping(2, 2, {(0, 0): "1/2", (1, 1): "1/4", (1, 0): "1/4"})
    >>> law.conditional((None, 0), 0)
    {0: Fraction(2, 3), 1: Fraction(1, 3)}
    """

    vocabulary: int
    length: int
    weights: Mapping[tuple[int, ...], Number]
    rescaled: bool = False
    """Whether the given weights missed one by rounding and were divided by their sum."""

    def __post_init__(self) -> None:
        for name, size in (("vocabulary", self.vocabulary), ("length", self.length)):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise DataError(f"law: {name} is {size!r}, so there are no tokens; give a whole number of at least 1")

    @classmethod
    def from_mapping(
        cls,
        vocabulary: int,
        length: int,
        weights: Mapping[Any, object] | Iterable[tuple[Any, object]],
        name: str = "law",
        decimal: bool = False,
    ) -> "TableLaw":
        """A law from ``{tokens: weight}`` or from pairs; zero weights are dropped.

        Exact weights must sum to one exactly. Floats, and exact weights read from decimals (``decimal=True``), may miss
        one by 1e-12: they are then divided by their sum, exactly where they are exact. Expressions with symbols are
        taken as they are: their sum is one by assumption of whoever names them.

        Raises
        ------
        DataError
            For ragged, repeated or out-of-range tokens and for weights that are no probabilities.

        >>> TableLaw.from_mapping(2, 2, {(0, 0): "1/2", (1, 1): "1/2"}).conditional((None, 1), 0)
        {1: Fraction(1, 1)}
        """
        try:
            pairs = [
                (tokens, given) for tokens, given in (weights.items() if isinstance(weights, Mapping) else weights)
            ]
        except (TypeError, ValueError):
            raise DataError(
                f"{name}: {shown(repr(weights))} lists no weights; give a mapping or pairs (tokens, weight)"
            ) from None
        checked: dict[tuple[int, ...], Number] = {}
        for tokens, given in pairs:
            key = _read_tokens(tokens, vocabulary, length, name)
            if key in checked:
                raise DataError(
                    f"{name}: tokens {list(key)} are listed twice, so their weight is ambiguous; merge them"
                )
            value = read_number(given, f"{name}: weight of {list(key)}", DataError)
            if isinstance(value, sympy.Expr):
                if value.is_real is False:
                    raise DataError(
                        f"{name}: weight of {list(key)} is {shown(value)}: a probability is real; correct it"
                    )
                negative = value.is_negative is True
            else:
                negative = value < 0
            if negative:
                raise DataError(
                    f"{name}: weight of {list(key)} is {shown(value)}: a probability is never negative; correct it"
                )
            checked[key] = value
        support = {key: value for key, value in sorted(checked.items()) if value != 0}
        if not support:
            raise DataError(f"{name}: no tokens have positive weight, so nothing can be sampled; list the support")
        return cls(vocabulary, length, *_normalise(support, name, decimal))

    @classmethod
    def from_array(cls, array: Any, name: str = "law") -> "TableLaw":
        """A law from an array of shape ``(N,) * D``: floats stay floats, object arrays may hold exact numbers.

        >>> TableLaw.from_array([[0, "1/3"], ["2/3", 0]]).weights
        {(0, 1): Fraction(1, 3), (1, 0): Fraction(2, 3)}
        """
        table = array if isinstance(array, np.ndarray) else np.array(array, dtype=object)
        if table.ndim == 0 or len(set(table.shape)) != 1 or table.shape[0] == 0:
            raise DataError(
                f"{name}: the array has shape {table.shape}, but a law of D tokens needs (N,)*D; "
                "give every axis the vocabulary size"
            )
        pairs = (
            (index, table[index].item() if hasattr(table[index], "item") else table[index])
            for index in np.ndindex(table.shape)
        )
        return cls.from_mapping(table.shape[0], table.ndim, pairs, name)

    @classmethod
    def symbolic(cls, vocabulary: int, length: int, class_name: str = "z", letter: str = "p") -> "TableLaw":
        """A law whose weights are positive symbols ``p(x|k)``, one per token tuple; their sum is one by assumption.

        >>> TableLaw.symbolic(2, 1, "a").weights
        {(0,): p(0|a), (1,): p(1|a)}
        """
        weights = {
            tokens: symbol(f"{letter}({','.join(map(str, tokens))}|{class_name})", positive=True)
            for tokens in product(range(vocabulary), repeat=length)
        }
        return cls(vocabulary, length, weights)

    @classmethod
    def mixture(cls, parts: Iterable[tuple[Number, "TableLaw"]]) -> "TableLaw":
        """``p(x) = Σ_k a_k p(x|k)`` for laws on one token grid."""
        parts = list(parts)
        terms: dict[tuple[int, ...], list[Number]] = defaultdict(list)
        for prior, law in parts:
            for tokens, weight in law.weights.items():
                terms[tokens].append(prior * weight)
        first = parts[0][1]
        return cls(first.vocabulary, first.length, {key: total(terms[key]) for key in sorted(terms)})

    @cached_property
    def is_exact(self) -> bool:
        """Whether every weight is exact: a rational or an expression without floats."""
        return all(is_exact(weight) for weight in self.weights.values())

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, int]:
        """The support as an ``(n, D)`` array of tokens, its weights as ``n`` doubles, and their binary exponent.

        Weights are the doubles times two to the exponent, which keeps masses down to 1e-600 out of underflow.

        Raises
        ------
        DataError
            For symbolic weights, and for weights too far apart for doubles.

        >>> TableLaw.from_mapping(2, 2, {(0, 0): "1/4", (1, 1): "3/4"}).arrays[1]
        array([0.25, 0.75])
        """
        tokens = np.array(list(self.weights), dtype=np.int32)
        least, exponent = min(map(_binary_exponent, self.weights.values())), 0
        if least < _LEAST_EXPONENT:
            exponent = least - _LEAST_EXPONENT
        scale = Fraction(2) ** -exponent
        try:
            weights = np.array([_double(weight, scale) for weight in self.weights.values()])
        except OverflowError:
            raise DataError(
                f"law: its weights go down to about 2^{least}, too far from the largest for double precision; "
                "use the exact path"
            ) from None
        return tokens, weights, exponent

    @cached_property
    def _marginals(self) -> dict[tuple[int, ...], dict[Context, Number]]:
        return {}

    def _marginal(self, positions: tuple[int, ...]) -> dict[Context, Number]:
        """``{context revealing exactly these positions: p(x_S)}``, formed once per set of positions."""
        known = self._marginals.get(positions)
        if known is None:
            shown = set(positions)
            terms: dict[Context, list[Number]] = defaultdict(list)
            for tokens, weight in self.weights.items():
                terms[tuple(v if i in shown else None for i, v in enumerate(tokens))].append(weight)
            # The weights of a symbolic law sum to one by assumption, so the empty context is not summed.
            known = {x: total(weights) if positions else Fraction(1) for x, weights in terms.items()}
            self._marginals[positions] = known
        return known

    @cached_property
    def _successors(self) -> dict[tuple[tuple[int, ...], int], dict[Context, dict[int, Number]]]:
        return {}

    def weight(self, context: Context) -> Number:
        listed: Mapping[Any, Number] = self.weights if None not in context else self._marginal(_positions(context))
        return listed.get(context, Fraction(0))

    def count_contexts(self, most: int) -> int:
        """See :meth:`Law.count_contexts`.

        >>> TableLaw.from_mapping(2, 2, {(0, 0): "1/2", (1, 1): "1/2"}).count_contexts(100)
        7
        """
        count = 1
        for size in range(1, self.length + 1):
            for positions in combinations(range(self.length), size):
                count += len(set(map(itemgetter(*positions), self.weights)))
                if count > most:
                    return count
        return count

    def conditional(self, context: Context, position: int) -> Mapping[int, Number]:
        """See :meth:`Law.conditional`.

        >>> law = TableLaw.from_mapping(3, 2, {(0, 1): "1/4", (0, 2): "3/4"})
        >>> law.conditional((0, None), 1)
        {1: Fraction(1, 4), 2: Fraction(3, 4)}
        """
        if context[position] is not None:
            raise DataError(
                f"context {format_context(context)}: position {position} is revealed already, so it has no reveal law; "
                "ask for a masked position"
            )
        positions = _positions(context)
        grouped = self._successors.get((positions, position))
        if grouped is None:
            grouped = defaultdict(dict)
            for wider, weight in self._marginal(tuple(sorted((*positions, position)))).items():
                token = wider[position]
                assert token is not None
                grouped[(*wider[:position], None, *wider[position + 1 :])][token] = weight
            self._successors[positions, position] = grouped
        tokens = grouped.get(context)
        if not tokens:
            raise DataError(
                f"context {format_context(context)} has probability zero under this law, so it has no conditional law; "
                "condition on tokens of the support"
            )
        whole = self.weight(context)
        return {token: tokens[token] / whole for token in sorted(tokens)}


def _binary_exponent(weight: Number) -> int:
    if isinstance(weight, Fraction):
        return weight.numerator.bit_length() - weight.denominator.bit_length()
    if isinstance(weight, sympy.Expr) and weight.free_symbols:
        raise DataError(f"law: weight {shown(weight)} has free symbols, so it is no number; substitute values")
    return frexp(float(weight))[1]


def _double(weight: Number, scale: Fraction) -> float:
    return float(weight * scale if scale != 1 else weight)


def _positions(context: Context) -> tuple[int, ...]:
    return tuple(i for i, token in enumerate(context) if token is not None)


def _read_tokens(tokens: Any, vocabulary: int, length: int, name: str) -> tuple[int, ...]:
    try:
        key = tuple(tokens)
    except TypeError:
        key = (tokens,)
    if len(key) != length:
        raise DataError(
            f"{name}: tokens {shown(list(key))} have length {len(key)}, but the law has {length}; pad or cut them"
        )
    for token in key:
        if isinstance(token, bool) or not isinstance(token, int | np.integer):
            raise DataError(
                f"{name}: token {shown(repr(token))} in {shown(list(key))} is no integer; number the vocabulary from 0"
            )
        if not 0 <= token < vocabulary:
            raise DataError(
                f"{name}: token {token} in {shown(list(key))} is outside the vocabulary 0..{vocabulary - 1}; "
                "enlarge the vocabulary or correct the token"
            )
    return tuple(int(token) for token in key)


def _normalise(
    support: dict[tuple[int, ...], Number], name: str, decimal: bool
) -> tuple[dict[tuple[int, ...], Number], bool]:
    values = list(support.values())
    whole = total(values)
    if isinstance(whole, sympy.Expr) and (whole.free_symbols or whole.equals(1)):
        return support, False
    if whole == 1:
        return support, False
    if (decimal or not all(map(is_exact, values))) and abs(whole - 1) <= SUM_TOLERANCE:
        return {key: value / whole for key, value in support.items()}, True
    raise DataError(f"{name}: the weights sum to {shown(whole)}, not to 1, so they are no probabilities; rescale them")
