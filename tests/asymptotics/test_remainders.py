"""Expansions at large ``w``: the remainder holds, also where terms tie or cancel, and is not larger than it need be."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import flint
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import HARD, RULE_NAMES, Instance, instances

from symguide.asymptotics.remainders import Asymptotic, LargeStrength, at_large_strength
from symguide.chains.chain import guided_chain
from symguide.errors import NotExactError
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS
from symguide.numbers.expsum import ExpSum

LATER = (0, 1, 2, 5, 40)
"""How far behind ``w_0`` remainders are tried."""


def _sum(*terms: tuple[object, object]) -> ExpSum:
    return ExpSum.of((Fraction(str(c)), Fraction(str(b))) for c, b in terms)


sums = st.lists(
    st.tuples(st.integers(-5, 5).map(Fraction), st.fractions("1/3", 3, max_denominator=4)), min_size=1, max_size=5
).map(ExpSum.of)


OPERATIONS: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    "+": lambda f, g, h: f + g,
    "-": lambda f, g, h: f - g,
    "*": lambda f, g, h: f * g,
    "/": lambda f, g, h: f / g,
    "1/": lambda f, g, h: 1 / g,
    "mixed": lambda f, g, h: (f / g - h) * (f + h) / g,
}
"""The same formula for expansions and for balls."""


@pytest.mark.parametrize("operation", OPERATIONS)
@settings(max_examples=40)
@given(sums, sums, sums, st.integers(1, 4))
def test_remainders_hold(operation: str, f: ExpSum, g: ExpSum, h: ExpSum, order: int) -> None:
    assume(g.terms)
    found = OPERATIONS[operation](*(Asymptotic.exact(value, order) for value in (f, g, h)))
    assume(found.start < 400)
    for more in LATER:
        w = found.start + more
        with flint.ctx.workprec(600):
            exact = OPERATIONS[operation](*(value.at(BALLS, w) for value in (f, g, h)))
            assert found.enclosure(w).overlaps(exact)
    assert len(found.main.terms) <= order
    assert all(base > error for base, _ in found.main for error, _ in found.remainder)


@settings(max_examples=60)
@given(sums, st.integers(1, 4))
def test_logarithms_hold(f: ExpSum, order: int) -> None:
    value = Asymptotic.exact(f, order)
    assume(value.main.terms and value.leading[1] > 0)
    logarithm = value.logarithm()
    assume(logarithm.rest.start < 400)
    for more in LATER:
        w = logarithm.rest.start + more
        with flint.ctx.workprec(600):
            assert logarithm.enclosure(w).overlaps(f.at(BALLS, w).log())


def test_ties_and_cancellation_are_exact() -> None:
    four, two, one = (Asymptotic.exact(_sum((1, b)), 3) for b in (4, 2, 1))
    assert (two * two - four).main.terms == ()
    assert (two * two - four).remainder.terms == ()
    assert ((two * two - four + one) / two).leading == (Fraction(1, 2), 1)
    with pytest.raises(NotExactError, match="raise the order"):
        1 / (two * two - four)
    # A tie that leading terms alone would miss: 1/(1 + 2^-w) − 1 + 2^-w is of base 1/4.
    half = Asymptotic.exact(_sum((1, 1), (1, "1/2")), 3)
    assert (1 / half - one + Asymptotic.exact(_sum((1, "1/2")), 3)).leading == (Fraction(1, 4), 1)
    # At order 1 the same difference is hidden in the remainder, and nothing is claimed.
    short = Asymptotic.exact(_sum((1, 1), (1, "1/2")), 1)
    hidden = 1 / short - Asymptotic.exact(_sum((1, 1)), 1)
    assert hidden.main.terms == ()
    with pytest.raises(NotExactError, match="cancelled at order 1"):
        _ = hidden.leading


@pytest.mark.parametrize(
    "change",
    [
        lambda a: replace(a, remainder=ExpSum(())),
        lambda a: replace(a, main=a.main + _sum(("1/100", 1))),
        lambda a: replace(a, main=ExpSum(a.main.terms[:-1])),
        lambda a: replace(a, main=_sum(*((c, b * Fraction(99, 100)) for b, c in a.main))),
        lambda a: replace(a, remainder=_sum(*((c, b / 4) for b, c in a.remainder))),
    ],
)
def test_false_expansions_are_found_out(change: object) -> None:
    f, g = _sum((1, 2), (-1, "1/2")), _sum((3, 2), (2, 1), (1, "1/3"))
    found = Asymptotic.exact(f, 3) / Asymptotic.exact(g, 3)
    wrong = change(found)  # pyright: ignore[reportCallIssue]

    def holds(claim: Asymptotic) -> bool:
        with flint.ctx.workprec(600):
            points = [claim.start + more for more in LATER]
            return all(claim.enclosure(w).overlaps(f.at(BALLS, w) / g.at(BALLS, w)) for w in points)

    assert holds(found)
    assert not holds(wrong)


@settings(max_examples=40)
@given(instances(), st.sampled_from(RULE_NAMES), st.integers(1, 3))
def test_terminal_laws_hold(instance: Instance, rule: str, order: int) -> None:
    """The jump chain in this arithmetic against the same chain in balls."""
    chain = guided_chain(guidance(instance.problem, rule))
    found = at_large_strength(chain, order).jump_law()
    start = max(value.start for value in found)
    if start > 300:  # near-equal laws are told apart at 1e20 only
        return
    for more in LATER[1:]:
        w = start + more
        with flint.ctx.workprec(1500):
            for value, exact in zip(found, chain.over(BALLS, w).jump_law(), strict=True):
                assert value.enclosure(w).overlaps(exact)


def test_more_terms_are_closer() -> None:
    chain = guided_chain(guidance(HARD["squares"].problem))
    errors = []
    for order in (1, 2, 3, 5):
        value = at_large_strength(chain, order).jump_law()[-1]
        assert value.start <= 8
        errors.append(float(value.remainder.at(BALLS, Fraction(40))))
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-4 * errors[0]


def test_exit_rates_and_means_run_unchanged() -> None:
    """Mean time of the last reveal, by the verb that every arithmetic shares."""
    chain = guided_chain(guidance(HARD["squares"].problem))
    large = at_large_strength(chain, 3)
    mean = large.accumulate(large.holding_times())[0]
    with flint.ctx.workprec(300):
        valued = chain.over(BALLS, Fraction(30))
        assert mean.enclosure(Fraction(30)).overlaps(valued.accumulate(valued.holding_times())[0])
    assert mean.leading == (1, 1)  # a neutral context is met for certain, and held for 1


def test_what_has_no_expansion_is_refused() -> None:
    arithmetic = LargeStrength(2)
    with pytest.raises(NotExactError, match="no exponential sums"):
        arithmetic.exp_dd([arithmetic.number(Fraction(1))], None)
    with pytest.raises(NotExactError, match="order is 0"):
        LargeStrength(0)
    with pytest.raises(NotExactError, match="negative for large w"):
        arithmetic.number(Fraction(-1)).logarithm()
    classes = {"a": (0.5, {(0,): 0.25, (1,): 0.75}), "b": (0.5, {(0,): 0.5, (1,): 0.5})}
    with pytest.raises(NotExactError, match="convert floats"):
        at_large_strength(guided_chain(guidance(ClassMixture.of(2, 1, classes).problem("a"))), 2)
