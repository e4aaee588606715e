"""Position rates: the lemmas, and a second route to them in numbers."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symguide.evidence import Verdict
from symguide.proofs.derivation import Claim, Derivation, Step, run
from symguide.proofs.lemmas import AT_LEAST_ONE, AT_MOST_ONE, bernoulli, equality, position_rates

weights = st.lists(st.fractions(min_value=Fraction(1, 50), max_value=1, max_denominator=50), min_size=4, max_size=4)


@pytest.mark.parametrize("negative", [False, True])
def test_the_steps_stand_on_their_own(negative: bool) -> None:
    steps = position_rates(negative)
    claim = Claim("Rates.", (AT_MOST_ONE if negative else AT_LEAST_ONE,))
    assert run(Derivation("rates", "Rates", claim, (), (*steps, *(equality() if not negative else ())))).verdict.passes


def test_equality_leans_on_the_tangent() -> None:
    alone = run(Derivation("alone", "Alone", Claim("It.", equality()[0].content), (), equality()))
    assert alone.steps[0].verdict is Verdict.UNKNOWN


def test_the_bounds_are_not_proved_for_each_other() -> None:
    """The step for ``w ≥ 0`` put to the range of weak guidance, and the other way round."""
    for here, there in pairwise((False, True, False)):
        wrong: Step = position_rates(there)[-1]
        right = position_rates(here)[-1]
        assert wrong.check(right.content, wrong.given)[0] is Verdict.REFUTED
    wrong, right = bernoulli(True)[-1], bernoulli(False)[-1]
    assert wrong.check(right.content)[0] is Verdict.REFUTED


@settings(max_examples=50, deadline=None)
@given(weights, weights, st.integers(min_value=1, max_value=6))
def test_rates_in_numbers(left: list[Fraction], right: list[Fraction], strength: int) -> None:
    """``Z = 1 + Σ p φ(p_z/p) + w R`` on four tokens, of which the class has the first three."""
    of_class = [value / sum(left[:3]) for value in left[:3]]
    law = [value / sum(right) for value in right]
    ratios = [p / q for p, q in zip(of_class, law, strict=False)]
    rate = sum(p * r**strength for p, r in zip(of_class, ratios, strict=True))
    excess = sum(q * (r ** (1 + strength) - 1 - (1 + strength) * (r - 1)) for q, r in zip(law, ratios, strict=False))
    assert rate == 1 + excess + strength * law[3]
    assert rate > 1
