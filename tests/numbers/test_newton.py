"""Newton's table in balls: against the matrix exponential, on ties, near-ties, wide nodes and wide clocks."""

from fractions import Fraction
from itertools import combinations_with_replacement

import flint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from symguide.numbers.divided_differences import exp_dd_ball
from symguide.numbers.newton import exp_dd_balls

rates = st.lists(
    st.one_of(st.fractions(0, 50, max_denominator=20), st.sampled_from([Fraction(0), 1 + Fraction(1, 10**20)])),
    min_size=1,
    max_size=4,
)
clocks = st.one_of(st.fractions(Fraction(1, 100), 20, max_denominator=100), st.just(Fraction(1, 10**15)))


def _ball(value: Fraction, radius: float = 0.0) -> flint.arb:
    return flint.arb(flint.fmpq(value.numerator, value.denominator)) + flint.arb(0, radius)


@given(rates, clocks)
def test_as_the_matrix_exponential(nodes: list[Fraction], clock: Fraction) -> None:
    needed = [places for n in (1, 2, 3, 4) for places in combinations_with_replacement(range(len(nodes)), n)]
    with flint.ctx.workprec(200):
        found = exp_dd_balls([_ball(node) for node in nodes], needed, _ball(clock))
    with flint.ctx.workprec(900):
        for places, value in zip(needed, found, strict=True):
            expected = exp_dd_ball([_ball(nodes[j]) for j in places], _ball(clock))
            assert value.overlaps(expected)
            if expected > 0:
                assert abs(value / expected - 1) < flint.arb(2) ** -150


widths = st.sampled_from([0.0, 1e-30, 1e-9, 1e-3, 0.1, 0.9])


@given(rates, clocks, widths, widths, st.lists(st.sampled_from([-1.0, 0.5, 1.0]), min_size=5, max_size=5))
def test_what_lies_within_the_radii_is_enclosed(
    nodes: list[Fraction], clock: Fraction, radius: float, share: float, where: list[float]
) -> None:
    """Any choice of numbers inside the balls has its value inside the result."""
    width = float(clock) * share
    places = [tuple(range(len(nodes)))]
    with flint.ctx.workprec(300):
        (found,) = exp_dd_balls([_ball(node, radius) for node in nodes], places, _ball(clock, width))
        inside = [_ball(node) + flint.arb(radius) * shift for node, shift in zip(nodes, where, strict=False)]
    with flint.ctx.workprec(900):
        value = exp_dd_ball(inside, _ball(clock) + flint.arb(width) * where[4])
        assert found.contains(value)


@pytest.mark.parametrize("gap", ["1/8", "3"])
@pytest.mark.parametrize("radius", [1e-30, 1e-3])
def test_one_uncertain_node(gap: str, radius: float) -> None:
    """The faster node alone, near to the other and far from it."""
    with flint.ctx.workprec(300):
        slow, fast, clock = flint.arb(1), 1 + _ball(Fraction(gap)), flint.arb(2)
        (found,) = exp_dd_balls([slow, fast + flint.arb(0, radius)], [(0, 1)], clock)
        ends = [exp_dd_ball([slow, fast + sign * flint.arb(radius)], clock) for sign in (-1, 1)]
        assert all(found.contains(end) for end in ends)


def test_wide_nodes_cost_no_more_than_their_ends() -> None:
    nodes, clock = [flint.arb(3, 1), flint.arb(5, 1), flint.arb(0)], flint.arb(1)
    (found,) = exp_dd_balls(nodes, [(0, 1, 2)], clock)
    least, most = (exp_dd_ball([end(node) for node in nodes], clock) for end in (flint.arb.upper, flint.arb.lower))
    assert found.rad() < 0.51 * (most - least)


@pytest.mark.parametrize("power", [1, 6, 12])
def test_radii_of_fast_nodes_do_not_count_for_more_than_they_are(power: int) -> None:
    """``Λ_j`` of size ``10^power`` with a relative radius ``2^−100``: the relative radius of the result is as small."""
    fast = flint.arb(10) ** power * flint.arb(1, 2.0**-100)
    (found,) = exp_dd_balls([flint.arb(1), fast, 2 * fast], [(0, 1, 2)], flint.arb(2))
    with flint.ctx.workprec(200):
        (found,) = exp_dd_balls([flint.arb(1), fast, 2 * fast], [(0, 1, 2)], flint.arb(2))
        assert found.rel_accuracy_bits() > 92


def test_ends_of_the_clock() -> None:
    zero, infinity = flint.arb(0), flint.arb("inf")
    nodes = [flint.arb(2), flint.arb(0)]
    assert [value == 0 for value in exp_dd_balls(nodes, [(0, 1), (0, 0)], zero)] == [True, True]
    assert exp_dd_balls(nodes, [(0, 1), (0,)], infinity) == [flint.arb(0.5), 0]
    assert not exp_dd_balls([flint.arb("nan")], [(0,)], flint.arb(1))[0].is_finite()
