"""What guidance keeps of the posterior: the first order by differences of the chain, and the bounds on random data."""

from fractions import Fraction
from itertools import product
from math import log
from random import Random
from typing import Any

import pytest

from symguide.chains.chain import guided_chain
from symguide.chains.functionals import expectation, posterior, reciprocal_posterior, terminal_law
from symguide.evidence import Verdict
from symguide.laws.law import Context
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import FLOATS, RATIONAL
from symguide.proofs.derivation import catalogue, run

DERIVATION = catalogue()["posterior bounds"]


def problem(seed: int, length: int = 3, zeros: bool = False) -> Problem:
    random = Random(seed)
    points = list(product(range(2), repeat=length))

    def law() -> dict[Context, Fraction]:
        weights = [random.randint(0 if zeros else 1, 9) + (x == points[0]) for x in points]
        return {x: Fraction(weight, sum(weights)) for x, weight in zip(points, weights, strict=True) if weight}

    return ClassMixture.of(2, length, {"z": ("1/4", law()), "other": ("3/4", law())}).problem("z")


def by_covariances(data: Problem, value: Any) -> float:
    """The slope at ``w = 0`` of ``E[value(X)]``, from covariances of one reveal, context by context."""
    given: Any = data.conditional
    free: Any = data.unconditional

    def expected(context: Context) -> float:
        inside = [x for x in given.weights if all(a in (None, b) for a, b in zip(context, x, strict=True))]
        return float(sum(given.weight(x) * value(x) for x in inside) / given.weight(context))

    def slope(context: Context) -> float:
        places = [i for i, token in enumerate(context) if token is None]
        total = 0.0
        for i in places:
            for token, chance in given.conditional(context, i).items():
                if chance == 0:
                    continue
                after = (*context[:i], token, *context[i + 1 :])
                ratio = float(chance / free.conditional(context, i)[token])
                total += float(chance) * (slope(after) + (expected(after) - expected(context)) * log(ratio))
        return total / len(places) if places else 0.0

    return slope((None,) * data.conditional.length)


def test_every_step_is_proved_and_every_instance_agrees() -> None:
    proof = run(DERIVATION)
    assert [str(outcome) for outcome in proof.failed] == []
    assert {outcome.verdict for outcome in (proof, *proof.instances)} == {Verdict.PROVED}


@pytest.mark.parametrize("seed", range(4))
def test_first_order_is_the_same_under_both_rules(seed: int) -> None:
    data = problem(seed, zeros=bool(seed % 2))

    def value(x: Context) -> float:
        return float(sum((j + 1) * token for j, token in enumerate(x)) ** 2)  # pyright: ignore[reportOperatorIssue]

    predicted = by_covariances(data, value)
    for rule in ("rate", "normalised"):
        chain = guided_chain(guidance(data, rule))
        ahead, behind = (expectation(terminal_law(chain.over(FLOATS, w)), value) for w in (1e-4, -1e-4))
        assert (ahead - behind) / 2e-4 == pytest.approx(predicted, rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_the_mean_reciprocal_falls_to_first_order(seed: int) -> None:
    data = problem(seed)
    given: Any = data.conditional
    free: Any = data.unconditional
    slope = by_covariances(data, lambda x: free.weight(x) / (data.prior * given.weight(x)))
    assert slope < 0
    start = reciprocal_posterior(terminal_law(guided_chain(guidance(data)).over(RATIONAL, Fraction(0))), data)
    assert start == 1 / data.prior


@pytest.mark.parametrize("rule", ("rate", "normalised"))
@pytest.mark.parametrize("seed", range(4))
def test_bounds_on_random_data(seed: int, rule: str) -> None:
    data = problem(seed, zeros=True)
    given: Any = data.conditional
    free: Any = data.unconditional
    chain = guided_chain(guidance(data, rule))
    for strength in map(Fraction, (0, 1, 2, 5)):
        law = terminal_law(chain.over(RATIONAL, strength))
        mean, reciprocal = posterior(law, data), reciprocal_posterior(law, data)
        logs = expectation(law.map(float, FLOATS), lambda x: log(data.prior * given.weight(x) / free.weight(x)))
        assert reciprocal <= 1 / data.prior
        assert mean >= data.prior + data.prior * (1 - data.prior * reciprocal)
        assert logs >= log(data.prior) + 1 - float(data.prior * reciprocal)
