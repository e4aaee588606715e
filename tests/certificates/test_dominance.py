"""Signs of exponential sums: exact arguments against values at many points, and against what must not be shown."""

from fractions import Fraction

import flint
from hypothesis import given
from hypothesis import strategies as st
from strategies import HARD, Instance, instances

from symguide.certificates.dominance import expanded, find_pivots, find_tail, has_nonnegative_sums
from symguide.certificates.formula import FORMULAS, U, W
from symguide.chains.chain import guided_chain
from symguide.chains.functionals import terminal_law
from symguide.laws.tilt import guidance
from symguide.numbers.expsum import ExpSum
from symguide.symbols import w

terms = st.lists(
    st.tuples(st.integers(-5, 5).map(Fraction), st.fractions(Fraction(1, 4), 4, max_denominator=4)),
    min_size=1,
    max_size=5,
).map(ExpSum.of)


def _value(sum_: ExpSum, strength: Fraction) -> flint.arb:
    w = flint.arb(flint.fmpq(strength.numerator, strength.denominator))
    parts = [
        flint.arb(flint.fmpq(Fraction(c).numerator, Fraction(c).denominator))
        * flint.arb(flint.fmpq(Fraction(b).numerator, Fraction(b).denominator)) ** w
        for b, c in sum_
    ]
    return sum(parts, start=flint.arb(0))


@given(terms, st.fractions(-1, 2, max_denominator=3), st.booleans())
def test_what_pivots_show_is_so(sum_: ExpSum, start: Fraction, strict: bool) -> None:
    with flint.ctx.workprec(200):
        if find_pivots(sum_, start, strict) is not None:
            for step in (0, Fraction(1, 100), Fraction(1, 3), 1, 3, 20, 200):
                value = _value(sum_, start + step)
                assert value > 0 or (not strict and value.contains(0))


@given(terms, st.fractions(-1, 2, max_denominator=3))
def test_beyond_its_start_a_tail_is_positive(sum_: ExpSum, start: Fraction) -> None:
    tail = find_tail(sum_, start)
    if sum_.terms and sum_.terms[0][1] > 0:
        assert tail is not None
        assert tail.start >= start
        for step in (0, Fraction(1, 3), 5, 80):
            assert _value(sum_, tail.start + step) > 0
    else:
        assert tail is None


@given(instances())
def test_normalisers_are_at_least_one(instance: Instance) -> None:
    """``Z_i(x_S) ≥ 1`` for ``w ≥ 0`` in every context, by the single pivot 1."""
    chain = guided_chain(guidance(instance.problem))
    for state in chain.transient:
        masked = chain.states[state].count(None)
        rate = chain.exit_rate(state)
        sum_ = ExpSum.of([(c, b) for b, c in rate] + [(Fraction(-masked), Fraction(1))])
        with flint.ctx.workprec(300):
            assert has_nonnegative_sums(sum_, Fraction(0), [Fraction(1)])
            assert find_pivots(sum_, Fraction(0)) is not None


def test_quotients_are_brought_over_their_least_denominator() -> None:
    chain = guided_chain(guidance(HARD["slower sampling"].problem)).over(FORMULAS, w)
    law = terminal_law(chain).table
    total = sum(law.values(), start=FORMULAS.number(Fraction(0))) - 1
    assert expanded(total.lines) == ExpSum(())
    assert expanded((W + 1).lines) is None
    assert expanded((U + 1).lines) is None
    negative = FORMULAS.term(Fraction(-1), Fraction(2), None)
    assert expanded((1 / (negative + 1)).lines) is None
    assert expanded((1 / FORMULAS.term(Fraction(2), Fraction(2), None)).lines) == ExpSum.of(
        [(Fraction(1, 2), Fraction(1, 2))]
    )


def test_sums_that_turn_negative_are_not_shown() -> None:
    """Negative between its zeros 1 and 2, positive beyond."""
    dip = ExpSum.of([(Fraction(1), Fraction(4)), (Fraction(-6), Fraction(2)), (Fraction(8), Fraction(1))])
    assert find_pivots(dip, Fraction(0)) is None
    assert find_pivots(dip, Fraction(2)) is not None
    tail = find_tail(dip, Fraction(0))
    assert tail is not None
    assert tail.start > 2
