"""The guided chain as ``w → ∞``: jumps squeezed between their bounds, and the limits that follow from them."""

from fractions import Fraction
from itertools import pairwise, product

import pytest
import sympy
from hypothesis import given, settings
from strategies import HARD, RULE_NAMES, Instance, hypercubes, instances, mixture, uniform

from symguide.asymptotics.limit_chain import limit_chain
from symguide.chains.chain import guided_chain
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLINT

HALF = Fraction(1, 2)


@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=40)
@given(instance=instances())
def test_jump_probabilities_lie_between_their_bounds(rule: str, instance: Instance) -> None:
    """In rationals, so that equality counts."""
    chain = guided_chain(guidance(instance.problem, rule))
    limit = limit_chain(chain)
    for w in (0, 1, 7):
        valued = chain.over(FLINT, w)
        counts = [0] * len(chain.states)
        for state, jumps in enumerate(limit.jumps):
            for jump in jumps:
                reveal = next(r for r in valued.incoming[jump.target] if r.source == state)
                exact = reveal.rate / valued.exit_rate(state)
                power = FLINT.number(jump.base**w)
                assert FLINT.number(jump.least) * power <= exact <= FLINT.number(jump.leading) * power
                counts[state] += 1
        assert sum(counts) == sum(map(len, chain.incoming))


@pytest.mark.parametrize("rule", RULE_NAMES)
@settings(max_examples=40)
@given(instance=instances())
def test_limits_are_laws(rule: str, instance: Instance) -> None:
    """Visits sum to one on every level, in the limit as before; neutral contexts hold at the start of the clock."""
    limit = limit_chain(guided_chain(guidance(instance.problem, rule)))
    levels: dict[int, Fraction] = {}
    for state, visits in zip(limit.chain.states, limit.visits(), strict=True):
        levels[state.count(None)] = levels.get(state.count(None), Fraction(0)) + visits
    assert set(levels.values()) == {1}
    for state, (base, polynomial) in enumerate(limit.survivals()):
        met = sum(polynomial)  # neutral contexts ahead all hold at u = 1
        assert base <= 1
        assert (0 < met <= 1) if base == 1 else (met > 0) == (base > 0)
        if state in limit.neutral:
            assert (base, met) == (1, 1)


def test_limits_of_survival_by_hand() -> None:
    """Squares: one token settles it, the last waits. Xor: the start waits, the last token does not."""
    for name, expected in (("squares", (0, 1, 0)), ("xor", (0, 0, 1)), ("single class", (0, 2, -1))):
        limit = limit_chain(guided_chain(guidance(HARD[name].problem)))
        assert limit.survivals()[0] == (1, tuple(map(Fraction, expected)))


def test_held_after_held() -> None:
    """Three positions of which none tells: ``1 − (1 − u)^3``, by three waits after one another."""
    limit = limit_chain(
        guided_chain(guidance(mixture(2, 3, [(HALF, uniform(product(range(2), repeat=3)))] * 2).problem))
    )
    u = sympy.Symbol("u")
    expected = sympy.Poly(1 - (1 - u) ** 3, u)
    assert limit.survivals()[0][1] == tuple(Fraction(str(c)) for c in reversed(expected.all_coeffs()))


def test_paths_lead_there() -> None:
    limit = limit_chain(guided_chain(guidance(hypercubes(3).problem)))
    for state in limit.chain.transient:
        path = limit.path_to(state)
        assert (path[0], path[-1]) == (0, state)
        assert all(any(j.target == b for j in limit.jumps[a]) for a, b in pairwise(path))
