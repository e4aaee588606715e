"""Laws without a table: products over positions, and mixtures of any laws."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from math import prod
from typing import Any

from symguide.errors import DataError
from symguide.laws.law import Context, Law, TableLaw, format_context
from symguide.numbers.number import Number, is_exact, shown, total

__all__ = ["MixtureLaw", "ProductLaw", "as_product", "as_table"]


@dataclass(frozen=True)
class ProductLaw(Law):
    """``p(x) = Π_i f_i(x_i)``: independent positions, each with a law of its own.

    Build it with :meth:`of` or :meth:`iid`; the constructor takes checked weights, zeros left out.

    >>> ProductLaw.iid(2, 1000, {0: "1/3", 1: "2/3"}).conditional((1,) + (None,) * 999, 5)
    {0: Fraction(1, 3), 1: Fraction(2, 3)}
    """

    vocabulary: int
    length: int
    factors: tuple[Mapping[int, Number], ...]
    rescaled: bool = False
    """Whether some given factor missed one by rounding and was divided by its sum."""

    @classmethod
    def of(cls, vocabulary: int, factors: Iterable[Mapping[int, object]], name: str = "product law") -> "ProductLaw":
        """From the law of every position, ``{token: weight}`` each; checked as :meth:`TableLaw.from_mapping` does."""
        read = tuple(_factor(vocabulary, factor, f"{name}: position {i}") for i, factor in enumerate(factors))
        if not read:
            raise DataError(f"{name}: there are no positions, so there are no tokens; give a law for at least one")
        return cls(vocabulary, len(read), read)

    @classmethod
    def iid(
        cls, vocabulary: int, length: int, weights: Mapping[int, object], name: str = "product law"
    ) -> "ProductLaw":
        """Every position with the same law."""
        if isinstance(length, bool) or not isinstance(length, int) or length < 1:
            raise DataError(f"{name}: length is {length!r}, so there are no tokens; give a whole number of at least 1")
        return cls(vocabulary, length, (_factor(vocabulary, weights, name),) * length)

    @property
    def is_iid(self) -> bool:
        """Whether all positions have one law."""
        return all(factor == self.factors[0] for factor in self.factors[1:])

    @property
    def is_exact(self) -> bool:
        return all(is_exact(weight) for factor in self.factors for weight in factor.values())

    def weight(self, context: Context) -> Number:
        return prod(
            (
                factor.get(token, Fraction(0))
                for factor, token in zip(self.factors, context, strict=True)
                if token is not None
            ),
            start=Fraction(1),
        )

    def conditional(self, context: Context, position: int) -> Mapping[int, Number]:
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
        return dict(self.factors[position])

    def count_contexts(self, most: int) -> int:
        """See :meth:`Law.count_contexts`.

        >>> ProductLaw.iid(2, 3, {0: "1/2", 1: "1/2"}).count_contexts(100)
        27
        """
        return min(prod(1 + len(factor) for factor in self.factors), most + 1)

    @property
    def support_size(self) -> int:
        """How many token tuples have positive probability."""
        return prod(map(len, self.factors))

    def table(self, limit: int = 10**6) -> TableLaw:
        """The law listed by its support.

        Raises
        ------
        DataError
            When the support is larger than ``limit``.
        """
        if self.support_size > limit:
            raise DataError(
                f"product law: its support has {shown(Fraction(self.support_size))} token tuples, more than {limit}, "
                "so it is not listed; use fewer positions, or keep the product"
            )
        weights = {
            tuple(token for token, _ in chosen): prod((weight for _, weight in chosen), start=Fraction(1))
            for chosen in product(*(sorted(factor.items()) for factor in self.factors))
        }
        return TableLaw(self.vocabulary, self.length, weights)


@dataclass(frozen=True)
class MixtureLaw(Law):
    """``p(x) = Σ_k a_k p_k(x)`` of any laws on one grid, never listed; conditionals go through the class posterior.

    >>> half = ProductLaw.iid(2, 2, {0: "1/2", 1: "1/2"}), ProductLaw.iid(2, 2, {0: 1})
    >>> MixtureLaw(tuple(zip((Fraction(1, 2), Fraction(1, 2)), half))).conditional((0, None), 1)
    {0: Fraction(5, 6), 1: Fraction(1, 6)}
    """

    parts: tuple[tuple[Number, Law], ...]

    @property
    def vocabulary(self) -> int:
        """``N``."""
        return self.parts[0][1].vocabulary

    @property
    def length(self) -> int:
        """``D``."""
        return self.parts[0][1].length

    @property
    def is_exact(self) -> bool:
        return all(is_exact(prior) and law.is_exact for prior, law in self.parts)

    def weight(self, context: Context) -> Number:
        return total([prior * law.weight(context) for prior, law in self.parts])

    def conditional(self, context: Context, position: int) -> Mapping[int, Number]:
        joint = [(prior * law.weight(context), law) for prior, law in self.parts]
        alive = [(weight, law) for weight, law in joint if weight != 0]
        if not alive:
            raise DataError(
                f"context {format_context(context)} has probability zero under this law, so it has no conditional law; "
                "condition on tokens of the support"
            )
        tables = [(weight, law.conditional(context, position)) for weight, law in alive]
        whole = total([weight for weight, _ in tables])
        tokens = sorted(set().union(*(table.keys() for _, table in tables)))
        return {
            token: total([weight * table[token] for weight, table in tables if token in table]) / whole
            for token in tokens
        }

    def count_contexts(self, most: int) -> int:
        """At most the sum over the parts: contexts that several share are counted for each."""
        return min(sum(law.count_contexts(most) for _, law in self.parts), most + 1)

    def table(self, limit: int = 10**6) -> TableLaw:
        """The law listed by its support, where the parts are tables and products.

        Raises
        ------
        DataError
            For other parts, and for products whose support is larger than ``limit``.

        >>> half = ProductLaw.iid(2, 2, {0: "1/2", 1: "1/2"})
        >>> MixtureLaw(((Fraction(1), half),)).table().weights[0, 1]
        Fraction(1, 4)
        """
        return TableLaw.mixture((prior, as_table(law, limit)) for prior, law in self.parts)


def as_table(law: Law, limit: int = 10**6) -> TableLaw:
    """A table, a product or a mixture of these, listed by its support.

    Raises
    ------
    DataError
        For other laws, and where the support is larger than ``limit``.

    >>> as_table(ProductLaw.iid(2, 1000, {0: "1/2", 1: "1/2"}))
    Traceback (most recent call last):
    symguide.errors.DataError: product law: its support has about 1.07151e+301 token tuples, more than 1000000, ...
    """
    if isinstance(law, TableLaw):
        return law
    if isinstance(law, ProductLaw | MixtureLaw):
        return law.table(limit)
    raise DataError(f"law of type {type(law).__name__}: it lists no support, so there is none to project; tabulate it")


def as_product(law: Law) -> ProductLaw | None:
    """The law as a product over positions, where it is one exactly; ``None`` for other laws, and for floats.

    >>> uniform = TableLaw.from_mapping(2, 2, {x: "1/4" for x in ((0, 0), (0, 1), (1, 0), (1, 1))})
    >>> as_product(uniform).is_iid
    True
    >>> as_product(TableLaw.from_mapping(2, 2, {(0, 0): "1/2", (1, 1): "1/2"})) is None
    True
    """
    if isinstance(law, ProductLaw):
        return law if law.is_exact else None
    if not isinstance(law, TableLaw) or not all(isinstance(weight, Fraction) for weight in law.weights.values()):
        return None
    # The support of a product is a product of supports, which is quickly seen.
    if prod(len(set(tokens)) for tokens in zip(*law.weights, strict=True)) != len(law.weights):
        return None
    nothing: list[int | None] = [None] * law.length
    factors = tuple(dict(law.conditional(tuple(nothing), i)) for i in range(law.length))
    candidate = ProductLaw(law.vocabulary, law.length, factors)
    return candidate if all(candidate.weight(x) == weight for x, weight in law.weights.items()) else None


def _factor(vocabulary: int, weights: Mapping[int, Any], name: str) -> dict[int, Number]:
    law = TableLaw.from_mapping(vocabulary, 1, {(token,): weight for token, weight in weights.items()}, name)
    return {token: weight for (token,), weight in law.weights.items()}
