"""TV expanded at large ``w`` stays within its remainder of brute force, and its leading term is that of the regime."""

from dataclasses import replace
from fractions import Fraction

import pytest
import sympy
from hypothesis import given, settings
from regimes import EXPECTED, brute_tv, clock, digits
from strategies import Instance, instances

from symguide.asymptotics.regime import Kind, regime
from symguide.asymptotics.survival_series import SurvivalSeries, survival_series
from symguide.chains.chain import guided_chain
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS
from symguide.numbers.expsum import ExpSum
from symguide.symbols import u

FARTHEST = 400


def holds(series: SurvivalSeries, instance: Instance) -> bool:
    """Whether 200-digit brute force is within the remainder, wherever that is tried."""
    chain = guided_chain(guidance(instance.problem))
    with digits(200):
        for more in (0, 3, 40):
            for point in (Fraction(1, 9), Fraction(9, 10)):
                w, s = series.start + more, clock(point)
                difference = abs(brute_tv(chain, w, point) - series.main(BALLS, w, s))
                if difference > series.remainder(BALLS, w, s):
                    return False
    return True


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("name", EXPECTED)
def test_tv_is_within_the_remainder(name: str, order: int) -> None:
    instance, _ = EXPECTED[name]
    series = survival_series(guided_chain(guidance(instance.problem)), order)
    assert series.start <= FARTHEST
    assert holds(series, instance)


@settings(max_examples=40)
@given(instances())
def test_tv_is_within_the_remainder_on_random_instances(instance: Instance) -> None:
    series = survival_series(guided_chain(guidance(instance.problem)), 2)
    if series.start <= FARTHEST:
        assert holds(series, instance)


@pytest.mark.parametrize("name", EXPECTED)
def test_leading_terms_are_those_of_the_regime(name: str) -> None:
    """Two ways to one polynomial: residues summed forwards, and survival handed backwards by limits."""
    instance, _ = EXPECTED[name]
    found = regime(instance.problem)
    series = survival_series(guided_chain(guidance(instance.problem)), 2)
    terms = [value.main.terms for value in series.coefficients]
    base = max((values[0][0] for values in terms if values), default=None)
    if found.kind is Kind.DOUBLE:
        assert base is None
        return
    assert base == (1 if found.base is None else 1 / found.base)
    polynomial = sum(values[0][1] * u**m for m, values in enumerate(terms) if values and values[0][0] == base)
    assert sympy.expand(sympy.nsimplify(polynomial) - found.leading) == 0


def _without(series: SurvivalSeries, which: int) -> SurvivalSeries:
    changed = list(series.coefficients)
    changed[which] = replace(changed[which], main=ExpSum(changed[which].main.terms[:-1]))
    return replace(series, coefficients=tuple(changed))


@pytest.mark.parametrize("name", ["squares", "independent given one token, D = 2", "slower sampling"])
def test_false_series_are_found_out(name: str) -> None:
    instance, _ = EXPECTED[name]
    series = survival_series(guided_chain(guidance(instance.problem)), 3)
    assert holds(series, instance)
    exact = tuple(replace(value, remainder=ExpSum(())) for value in series.coefficients)
    assert not holds(_without(series, 1), instance)
    assert not holds(replace(series, coefficients=exact, factor=ExpSum(())), instance)
    assert not holds(replace(series, coefficients=series.coefficients[:1]), instance)
