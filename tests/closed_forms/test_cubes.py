"""Closed forms of two cubes in ``w`` and ``D`` against the chain itself."""

from fractions import Fraction

import pytest
from sympy import Add, Integer, N, Rational, Sum, Symbol

from symguide.answers.answer import answer
from symguide.chains.histograms import histogram_lattice
from symguide.chains.lump import lump
from symguide.closed_forms.cubes import TwoCubes
from symguide.errors import DataError
from symguide.instances.datasets import load
from symguide.laws.mixture import ClassMixture
from symguide.laws.products import ProductLaw
from symguide.laws.tilt import guidance
from symguide.symbols import u, w

STRENGTHS = [Rational(-1, 2), Integer(0), Integer(1), Integer(3)]


@pytest.mark.parametrize(
    ("length", "side", "overlap"), [(1, 2, 1), (2, 3, 1), (3, 3, 2), (4, 2, 0), (5, 3, 1), (2, 2, 2)]
)
def test_against_the_chain(length: int, side: int, overlap: int) -> None:
    cubes = TwoCubes(Integer(length), side, overlap)
    problem = load(f"hypercubes:D={length},side={side},overlap={overlap}")
    tv = cubes.tv()
    for strength in STRENGTHS:
        (result,) = answer(problem, [Fraction(strength.p, strength.q)], [Fraction(1, 3)]).results
        probabilities = {m: cubes.probability(m).subs(w, strength) for m in range(length + 1)}
        for x, quantity in result.terminal.items():
            shared = sum(side - overlap <= token < side for token in x)
            assert N(probabilities[shared], 20) == pytest.approx(quantity.value, rel=1e-15)
            if isinstance(quantity.exact, Fraction):
                assert probabilities[shared] == Rational(quantity.exact.numerator, quantity.exact.denominator)
        assert result.tv is not None
        assert N(tv.subs({w: strength, u: Rational(1, 3)}), 20) == pytest.approx(result.tv.value, rel=1e-14)


def test_unequal_priors() -> None:
    laws = [ProductLaw.iid(3, 3, {first: "1/2", first + 1: "1/2"}) for first in (0, 1)]
    mixture = ClassMixture.of(3, 3, {"low": ("3/4", laws[0].table()), "high": ("1/4", laws[1].table())})
    (result,) = answer(mixture.problem("high"), [Fraction(2)], [Fraction(1, 2)]).results
    cubes = TwoCubes(Integer(3), 2, 1, Fraction(1, 4))
    for x, quantity in result.terminal.items():
        exact = cubes.probability(x.count(1)).subs(w, 2)
        assert quantity.exact == Fraction(int(exact.p), int(exact.q))
    assert result.tv is not None
    assert N(cubes.tv().subs({w: 2, u: Rational(1, 2)}), 20) == pytest.approx(result.tv.value, rel=1e-14)


def test_any_number_of_positions_at_once() -> None:
    """Formulas with an open ``D`` are those of every ``D``."""
    length = Symbol("D", integer=True, positive=True)
    m = Symbol("m", integer=True, nonnegative=True)
    general = TwoCubes(length, 3, 1)
    for number in (2, 4):
        special = TwoCubes(Integer(number), 3, 1)
        for shared in range(number + 1):
            value = general.probability(m).subs({length: number, m: shared, w: 2}).doit()
            assert value == special.probability(shared).subs(w, 2)
        point = {w: 2, u: Rational(1, 5)}
        formula = general.tv().subs({length: number})
        (double,) = formula.atoms(Sum)
        (i, _, _), (j, _, last) = double.limits
        pairs = [(a, b) for b in range(int(last) + 1) for a in range(int(last) - b + 1)]
        spelled = formula.xreplace({double: Add(*(double.function.subs({i: a, j: b}) for a, b in pairs))})
        assert N(spelled.subs(point), 30) == pytest.approx(float(special.tv().subs(point)), rel=1e-14)


def test_a_thousand_positions() -> None:
    problem = load("hypercubes:D=1000")
    histograms = histogram_lattice(lump(problem), guidance(problem))  # pyright: ignore[reportArgumentType]
    chain = histograms.at(3.0)
    masses = chain.jump_law()[chain.last]
    cubes = TwoCubes(Integer(1000), 3, 1)
    for row, mass in zip(histograms.levels[-1].tolist(), masses.tolist(), strict=True):
        shared = row[histograms.types.index((2,))]
        if shared in (0, 1, 7, 40):
            exact = (cubes.tuples(shared) * cubes.probability(shared)).subs(w, 3)
            assert mass == pytest.approx(float(N(exact, 20)), rel=1e-11)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((Integer(2), 0, 0), "side is 0"),
        ((Integer(2), 3, -1), "overlap is -1"),
        ((Integer(2), 2, 3), "overlap is 3, but the side is 2"),
        ((Integer(2), 2, 1, 1), "prior is 1"),
        ((Integer(2), 2, True), "overlap is True"),
    ],
)
def test_bad_cubes(arguments: tuple, message: str) -> None:
    with pytest.raises(DataError, match=message):
        TwoCubes(*arguments)


@pytest.mark.parametrize("shared", [-1, 3, Fraction(1, 2)])
def test_bad_numbers_of_shared_tokens(shared: object) -> None:
    with pytest.raises(DataError, match="number of shared tokens is"):
        TwoCubes(Integer(2), 3, 1).probability(shared)
