"""Power series as an arithmetic: ring laws, known series, and divided differences against a Toeplitz matrix."""

from fractions import Fraction

import flint
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HARD, RULE_NAMES, Instance, instances

from symguide.certificates.jets import Jet, Jets
from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import kl_divergence, law_distribution, renyi_divergence, terminal_law, total_variation
from symguide.errors import NotExactError, SymguideError
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLOATS, PRECISE, RATIONAL, SYMBOLIC

ORDER = 4
rationals = st.fractions(-3, 3, max_denominator=9)
series = st.lists(rationals, min_size=ORDER + 1, max_size=ORDER + 1)


def _jet(values: list[Fraction]) -> Jet:
    return Jet(tuple(values), RATIONAL)


def _fmpq(values: list[Fraction]) -> flint.fmpq_series:
    return flint.fmpq_series([flint.fmpq(v.numerator, v.denominator) for v in values], prec=ORDER + 1)


def _same(found: Jet, expected: flint.fmpq_series) -> bool:
    wanted = [expected[k] for k in range(ORDER + 1)]
    return [flint.fmpq(v.numerator, v.denominator) for v in found.coefficients] == wanted


@given(series, series)
def test_as_the_power_series_of_another_library(left: list[Fraction], right: list[Fraction]) -> None:
    a, b, p, q = _jet(left), _jet(right), _fmpq(left), _fmpq(right)
    cap = flint.ctx.cap
    flint.ctx.cap = ORDER + 1
    try:
        assert _same(a + b, p + q)
        assert _same(a - b, p - q)
        assert _same(a * b, p * q)
        assert _same(2 * a - Fraction(1, 3), 2 * p - flint.fmpq(1, 3))
        assert _same(Fraction(1, 3) - a, flint.fmpq(1, 3) - p)
        assert _same(a / 3, p / 3)
        assert _same(a**3, p * p * p)
        if right[0]:
            assert _same(a / b, p / q)
            assert _same(1 / b, 1 / q)
            assert _same(b ** Fraction(-2), 1 / (q * q))
    finally:
        flint.ctx.cap = cap


@given(series)
def test_powers_and_logarithms_undo_one_another(values: list[Fraction]) -> None:
    jet = Jet((sympy.Integer(1), *map(sympy.sympify, values[1:])), SYMBOLIC)
    half = jet ** Fraction(1, 2)
    assert half * half == jet
    assert Jet(tuple(2 * c for c in half.log().coefficients), SYMBOLIC) == jet.log()


def test_absolute_values_where_the_sign_is_known() -> None:
    down = Jet((Fraction(-1), Fraction(2)), RATIONAL)
    assert abs(down).coefficients == (1, -2)
    assert abs(abs(down)) == -down
    assert abs(Jet((Fraction(0), Fraction(0)), RATIONAL)) == 0
    for head in (sympy.Integer(0), sympy.Symbol("x", real=True)):
        with pytest.raises(SymguideError, match=r"its sign is not known, so there is no Taylor series; take another"):
            abs(Jet((head, sympy.Integer(1)), SYMBOLIC))
    with pytest.raises(SymguideError, match="sign is not known"):
        abs(Jet((flint.arb(0, 1), flint.arb(1)), BALLS))


def test_what_is_no_series() -> None:
    for order in (-1, True, 1.5):
        with pytest.raises(SymguideError, match="a Taylor polynomial has an order of 0 or more"):
            Jets(FLOATS, order)  # pyright: ignore[reportArgumentType]
    with pytest.raises(NotExactError, match="logarithms of rationals"):
        Jets(RATIONAL, 1).term(Fraction(1), Fraction(2), 1)
    with pytest.raises(SymguideError, match="varies, where a constant belongs"):
        _jet([Fraction(1)] * 5) ** _jet([Fraction(1)] * 5)


def _toeplitz(nodes: list[Jet], s: flint.arb, order: int) -> list[flint.arb]:
    """Coefficients of ``exp_dd`` from the exponential of a bidiagonal matrix over matrices that multiply like jets."""
    size = order + 1
    matrix = flint.arb_mat(len(nodes) * size, len(nodes) * size)
    for j, node in enumerate(nodes):
        for row in range(size):
            for column in range(row, size):
                matrix[j * size + row, j * size + column] = -node.coefficients[column - row] * s
            if j + 1 < len(nodes):
                matrix[j * size + row, (j + 1) * size + row] = s
    flow = matrix.exp()
    return [flow[0, (len(nodes) - 1) * size + k] for k in range(size)]


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.fractions(0, 4, max_denominator=6), min_size=4, max_size=4), min_size=1, max_size=4),
    st.booleans(),
    st.fractions(Fraction(1, 20), 3, max_denominator=20),
)
def test_divided_differences_of_series(values: list[list[Fraction]], tied: bool, clock: Fraction) -> None:
    if tied:
        values.append([values[0][0], *values[-1][1:]])  # one constant term, another slope
    with flint.ctx.workprec(300):
        nodes = [Jet(tuple(map(BALLS.number, row)), BALLS) for row in values]
        found = Jets(BALLS, 3).exp_dd(nodes, BALLS.number(clock)).coefficients
        for left, right in zip(found, _toeplitz(nodes, BALLS.number(clock), 3), strict=True):
            assert abs(left - right) < flint.arb(2) ** -200


def test_a_clock_that_is_a_series_too() -> None:
    """``d/ds exp_dd(Λ_0 … Λ_n) = exp_dd(Λ_0 … Λ_{n−1}) − Λ_n exp_dd(Λ_0 … Λ_n)``."""
    jets, clock = Jets(BALLS, 1), Jet((flint.arb(2), flint.arb(1)), BALLS)
    nodes = [jets.number(Fraction(n)) for n in (3, 1, 2)]
    value, slope = jets.exp_dd(nodes, clock).coefficients
    assert value.overlaps(BALLS.exp_dd([flint.arb(n) for n in (3, 1, 2)], flint.arb(2)))
    shorter = BALLS.exp_dd([flint.arb(n) for n in (3, 1)], flint.arb(2))
    assert abs(slope - (shorter - 2 * value)) < 1e-12


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("name", ["slower sampling", "exact ties", "gaps of 1e-20", "xor", "one symbol"])
def test_one_formula_in_every_arithmetic(name: str, rule: str) -> None:
    """Coefficients of the law on the clock agree between floats, mpmath and balls."""
    chain = guided_chain(guidance(HARD[name].problem, rule))
    laws = []
    for arithmetic, clock in ((FLOATS, 0.7), (PRECISE, 0.7), (BALLS, flint.arb(0.7))):
        laws.append(expand(chain.over(Jets(arithmetic, 2), Fraction(1))).probabilities(clock))
    for values in zip(*laws, strict=True):
        floats, precise, balls = (np.array([float(c) for c in value.coefficients]) for value in values)
        assert floats == pytest.approx(balls, rel=1e-10, abs=1e-13)
        assert precise == pytest.approx(balls, rel=1e-10, abs=1e-13)


@settings(max_examples=25)
@given(instances(), st.sampled_from(RULE_NAMES))
def test_order_zero_is_the_base(instance: Instance, rule: str) -> None:
    chain = guided_chain(guidance(instance.problem, rule))
    jets, plain = (terminal_law(chain.over(a, 2)).probabilities for a in (Jets(RATIONAL, 0), RATIONAL))
    assert [jet.coefficients for jet in jets] == [(value,) for value in plain]


def test_functionals_of_series() -> None:
    """``d/dw`` of divergences and of TV between laws, against differences at 60 digits."""
    problem = HARD["squares"].problem
    chain, h = guided_chain(guidance(problem)), Fraction(1, 10**9)
    with flint.ctx.workprec(400):
        for measure in (
            kl_divergence,
            total_variation,
            lambda p, q: renyi_divergence(p, q, 3),
            lambda p, q: renyi_divergence(q, p, Fraction(1, 2)),
        ):
            jets = Jets(BALLS, 1)
            target = law_distribution(problem.conditional, jets)
            slope = measure(terminal_law(chain.over(jets, Fraction(3, 2))), target).coefficients[1]
            plain = law_distribution(problem.conditional, BALLS)
            ends = [measure(terminal_law(chain.over(BALLS, Fraction(3, 2) + step)), plain) for step in (-h, h)]
            assert abs(slope - (ends[1] - ends[0]) / (2 * BALLS.number(h))) < 1e-15
