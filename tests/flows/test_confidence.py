"""Confidence: against the enumeration of all draws, and its ties."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_samplers import enumerate_law, plain_steps
from sampler_cases import UNEVEN, charged, law_of
from strategies import HARD, Instance, instances

from symguide.errors import DataError
from symguide.flows.confidence import confidence_kernel, reveal_counts
from symguide.flows.flow import Flow, run
from symguide.flows.updates import parallel_updates
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import RATIONAL


def test_counts_add_up_to_all_positions() -> None:
    for positions in range(1, 8):
        for steps in range(1, 10):
            counts = reveal_counts(positions, steps)
            assert sum(counts) == positions
            assert list(counts) == sorted(counts, reverse=True)
            assert max(counts) - min(counts) <= 1
    with pytest.raises(DataError, match="steps is 0"):
        reveal_counts(3, 0)


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
@settings(max_examples=15)
@given(instance=instances(), w=st.integers(0, 2))
def test_every_step_count_is_the_rule_enumerated(steps: int, instance: Instance, w: int) -> None:
    times = [1 - Fraction(j, steps) for j in range(steps + 1)]
    found = charged(law_of(instance, "confidence", w, times, RATIONAL))
    assert found == enumerate_law(instance, "confidence", "normalised", w, plain_steps(times))


def test_equal_draws_are_kept_from_the_left() -> None:
    updates = parallel_updates(guidance(HARD["xor"].problem))
    menus = updates.menus(RATIONAL, Fraction(1))
    step = confidence_kernel(updates, menus, updates.ranks(Fraction(1)), 1)
    assert charged(run(Flow((step,)))) == {(0, None): Fraction(1, 2), (1, None): Fraction(1, 2)}


def test_it_does_not_converge() -> None:
    """One reveal a step is the most there is, and its order is no order of the chain."""
    one_by_one = charged(law_of(UNEVEN, "confidence", 1, [1 - Fraction(j, 3) for j in range(4)], RATIONAL))
    slower = charged(law_of(UNEVEN, "confidence", 1, [1 - Fraction(j, 30) for j in range(31)], RATIONAL))
    exact = charged(law_of(UNEVEN, "first-hitting", 1, [1, 0], RATIONAL))
    assert one_by_one == slower
    assert sum(abs(slower.get(x, 0) - exact.get(x, 0)) for x in slower.keys() | exact.keys()) > Fraction(1, 100)
