"""Exact instances that tests share: random ones for hypothesis, and hand-picked hard ones by name.

An :class:`Instance` keeps the joint tables beside the problem made of them, so that a second route can start from the
tables and owe nothing to the package.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Any

from hypothesis import strategies as st

from symguide.laws.law import TableLaw
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.products import ProductLaw

__all__ = [
    "HARD",
    "RULE_NAMES",
    "TINY",
    "Instance",
    "Table",
    "hypercubes",
    "instances",
    "integer_strengths",
    "mask_fractions",
    "mixture",
    "mixtures",
    "pair",
    "pairs",
    "products",
    "real_strengths",
    "starts",
    "uniform",
]

Table = dict[tuple[int, ...], Fraction]
"""``{tokens: probability}``, positive ones only."""

RULE_NAMES = ("rate", "normalised")
"""The rules over which every law is checked; a test asserts that they are all the rules there are."""

TINY = Fraction(1, 10**20)
"""A gap far below the resolution of doubles."""


@dataclass(frozen=True)
class Instance:
    """A problem with the joint tables it was made of; ``prior`` is ``None`` for a pair."""

    vocabulary: int
    length: int
    conditional: Table
    unconditional: Table
    problem: Problem
    prior: Fraction | None

    def __repr__(self) -> str:
        tables = [{key: str(value) for key, value in table.items()} for table in (self.conditional, self.unconditional)]
        return f"Instance(N={self.vocabulary}, D={self.length}, conditional={tables[0]}, unconditional={tables[1]})"


def mixture(vocabulary: int, length: int, classes: Iterable[tuple[Fraction, Table]]) -> Instance:
    """The first of some classes, given as (prior, table), guided away from the mixture of all."""
    listed = list(classes)
    marginal: Table = {}
    for prior, table in listed:
        for tokens, weight in table.items():
            marginal[tokens] = marginal.get(tokens, Fraction(0)) + prior * weight
    named = {f"class {k}": (prior, table) for k, (prior, table) in enumerate(listed)}
    problem = ClassMixture.of(vocabulary, length, named).problem("class 0")
    return Instance(vocabulary, length, listed[0][1], marginal, problem, listed[0][0])


def pair(vocabulary: int, length: int, conditional: Table, unconditional: Table) -> Instance:
    """Two laws that need not come from one mixture."""
    laws = [TableLaw.from_mapping(vocabulary, length, table) for table in (conditional, unconditional)]
    return Instance(vocabulary, length, conditional, unconditional, Problem(*laws), None)


def uniform(support: Iterable[tuple[int, ...]]) -> Table:
    """Equal weights."""
    listed = list(support)
    return {tokens: Fraction(1, len(listed)) for tokens in listed}


def hypercubes(length: int, side: int = 3, overlap: int = 1) -> Instance:
    """Classes uniform on two cubes that share a corner; the upper one is the target."""
    upper = range(side - overlap, 2 * side - overlap)
    cubes = [uniform(product(values, repeat=length)) for values in (upper, range(side))]
    return mixture(2 * side - overlap, length, [(Fraction(1, 2), cube) for cube in cubes])


def _weights(*values: Any) -> Table:
    """A table on ``{0, 1}²`` in lexicographic order, zeros left out."""
    listed = zip(product(range(2), repeat=2), map(Fraction, values), strict=True)
    return {tokens: weight for tokens, weight in listed if weight}


_HALF = Fraction(1, 2)
_CORNERS = uniform(product(range(2), repeat=2))

HARD: Mapping[str, Instance] = {
    # The first reveal says nothing about the class, so the start is neutral.
    "xor": mixture(2, 2, [(_HALF, _weights("1/2", 0, 0, "1/2")), (_HALF, _CORNERS)]),
    "single class": mixture(2, 2, [(Fraction(1), _weights("1/6", "1/3", "1/8", "3/8"))]),
    "identical classes": mixture(2, 2, [(_HALF, _weights("1/6", "1/3", "1/8", "3/8"))] * 2),
    "one symbol": mixture(
        1, 3, [(Fraction(1, 3), {(0, 0, 0): Fraction(1)}), (Fraction(2, 3), {(0, 0, 0): Fraction(1)})]
    ),
    "one token": mixture(
        4, 1, [(Fraction(1, 3), uniform([(0,), (1,), (2,)])), (Fraction(2, 3), uniform([(2,), (3,)]))]
    ),
    "slower sampling": mixture(2, 2, [(_HALF, _weights(0, "8/9", 0, "1/9")), (_HALF, _weights(0, 0, "1/2", "1/2"))]),
    "squares": hypercubes(2),
    "disjoint in projection": mixture(4, 2, [(_HALF, uniform(product((2, 3), repeat=2))), (_HALF, _CORNERS)]),
    # c(0) and c(1) are one function of w; so are d(0) and d(1).
    "exact ties": mixture(2, 2, [(_HALF, _weights("3/8", "1/8", "1/8", "3/8")), (_HALF, _CORNERS)]),
    # The same, but for gaps of about 1e-20 between the exit rates.
    "gaps of 1e-20": mixture(
        2, 2, [(_HALF, _weights(Fraction(3, 8) + TINY, Fraction(1, 8) - TINY, "1/8", "3/8")), (_HALF, _CORNERS)]
    ),
    # Λ(M,M) = c(0) = 15/7 at w = 1, though they are different functions of w.
    "a tie at w = 1": mixture(
        2, 2, [(Fraction(1, 4), _weights("1/4", "1/2", "1/4", 0)), (Fraction(3, 4), _weights("1/2", 0, 0, "1/2"))]
    ),
    "small prior": mixture(
        2, 2, [(Fraction(1, 2000), uniform([(0, 0), (0, 1), (1, 1)])), (Fraction(1999, 2000), {(1, 0): Fraction(1)})]
    ),
    "pair": pair(2, 2, _weights("1/2", "1/4", "1/8", "1/8"), _weights("1/3", "1/6", "1/6", "1/3")),
    "three tokens": hypercubes(3, side=2),
}
"""Instances on which something special happens, by what it is."""

positive_integers = st.integers(1, 9)


@st.composite
def _tables(draw: st.DrawFn, vocabulary: int, length: int, near: Table | None = None) -> Table:
    """A table of at most six points; where another is given, on its support, on part of it, or apart from it."""
    grid = list(product(range(vocabulary), repeat=length))
    size = min(len(grid), draw(_mostly(st.integers(2, 6), 1)))
    support = draw(st.lists(st.sampled_from(grid), min_size=size, max_size=size, unique=True))
    if near is not None:
        match draw(st.sampled_from(["overlapping", "any", "disjoint", "same"])):
            case "same":
                support = list(near)
            case "overlapping":
                support = list(dict.fromkeys([next(iter(near)), *support]))
            case "disjoint":
                support = [tokens for tokens in support if tokens not in near] or support
    if near is not None and support == list(near) and draw(st.booleans()):
        # As near to the other law as its gap allows: exit rates come within it of one another.
        shift = draw(_mostly(st.sampled_from([TINY, -TINY]), Fraction(0))) if len(near) > 1 else Fraction(0)
        first, last = support[0], support[-1]
        return {**near, first: near[first] + shift, last: near[last] - shift}
    weights = draw(st.lists(positive_integers, min_size=len(support), max_size=len(support)))
    return {tokens: Fraction(weight, sum(weights)) for tokens, weight in zip(support, weights, strict=True)}


def _mostly(common: st.SearchStrategy[Any], rare: Any) -> st.SearchStrategy[Any]:
    """The degenerate case now and then: hypothesis, left alone, would draw little else."""
    return st.integers(0, 12).flatmap(lambda chance: st.just(rare) if chance == 7 else common)


def _grids(max_vocabulary: int, max_length: int) -> st.SearchStrategy[tuple[int, int]]:
    """``(N, D)``, seldom ``N = 1``, and ``D = 1`` seldom unless it is all that is allowed."""
    lengths = _mostly(st.integers(2, max_length), 1) if max_length > 1 else st.just(1)
    return st.tuples(_mostly(st.integers(2, max_vocabulary), 1), lengths)


@st.composite
def mixtures(draw: st.DrawFn, max_length: int = 3, max_vocabulary: int = 4, max_classes: int = 3) -> Instance:
    """Class mixtures with ``D ≤ 3``, ``N ≤ 4``, ``K ≤ 3`` and supports that coincide, overlap or are disjoint."""
    vocabulary, length = draw(_grids(max_vocabulary, max_length))
    tables = [draw(_tables(vocabulary, length))]
    classes = draw(_mostly(st.integers(2, max_classes), 1))
    while len(tables) < classes:
        tables.append(draw(_tables(vocabulary, length, tables[0])))
    priors = draw(st.lists(positive_integers, min_size=len(tables), max_size=len(tables)))
    return mixture(
        vocabulary, length, [(Fraction(a, sum(priors)), table) for a, table in zip(priors, tables, strict=True)]
    )


@st.composite
def pairs(draw: st.DrawFn, max_length: int = 3, max_vocabulary: int = 3) -> Instance:
    """Pairs of laws of which the unconditional one covers the conditional one, as ``w > 0`` asks."""
    vocabulary, length = draw(_grids(max_vocabulary, max_length))
    conditional = draw(_tables(vocabulary, length))
    extra = draw(_tables(vocabulary, length, conditional))
    support = list(dict.fromkeys([*conditional, *extra]))
    weights = draw(st.lists(positive_integers, min_size=len(support), max_size=len(support)))
    unconditional = {tokens: Fraction(a, sum(weights)) for tokens, a in zip(support, weights, strict=True)}
    return pair(vocabulary, length, conditional, unconditional)


def instances() -> st.SearchStrategy[Instance]:
    """Random mixtures and pairs, and the hard ones."""
    return st.one_of(mixtures(), pairs(), st.sampled_from(list(HARD.values())))


def integer_strengths(lowest: int = -1) -> st.SearchStrategy[Fraction]:
    """``w`` at which rational data give rational rates."""
    return st.integers(lowest, 6).map(Fraction)


def real_strengths() -> st.SearchStrategy[Fraction]:
    """``w > −1``, exactly as given: fractions, doubles, negatives, and values next to 0 and −1."""
    return st.one_of(
        st.fractions(Fraction(-19, 20), 8, max_denominator=20),
        st.integers(-950_000, 8_000_000).map(lambda millionths: Fraction(millionths / 1e6)),
        st.sampled_from([TINY, -TINY, Fraction(-999, 1000)]),
    )


def mask_fractions() -> st.SearchStrategy[Fraction]:
    """Rational ``u`` inside ``(0, 1)``, the ends nearly reached."""
    return st.one_of(
        st.fractions(Fraction(1, 50), Fraction(49, 50), max_denominator=50),
        st.sampled_from([Fraction(1, 10**9), 1 - TINY]),
    )


@st.composite
def starts(draw: st.DrawFn, instance: Instance) -> tuple[int | None, ...]:
    """A partially masked context of positive probability under both laws."""
    tokens = draw(st.sampled_from([x for x in instance.conditional if x in instance.unconditional]))
    shown = draw(st.lists(st.booleans(), min_size=instance.length, max_size=instance.length))
    return tuple(token if keep else None for token, keep in zip(tokens, shown, strict=True))


@st.composite
def products(draw: st.DrawFn, vocabulary: int = 3, length: int = 2) -> ProductLaw:
    counts = [
        draw(st.lists(st.integers(0, 4), min_size=vocabulary, max_size=vocabulary).filter(any)) for _ in range(length)
    ]
    return ProductLaw.of(vocabulary, [{v: Fraction(c, sum(row)) for v, c in enumerate(row)} for row in counts])
