"""The turn of τ-leaping: every step holds, wrong ones are refuted, and numbers come out by other routes."""

from dataclasses import replace
from fractions import Fraction
from math import exp, log2, prod
from typing import Any

import numpy as np
import pytest
from plain_samplers import enumerate_law, plain_steps
from scipy.optimize import brentq
from strategies import HARD, mixture, uniform
from sympy import Eq, Gt, Integer

from symguide.answers.samples import sample_answer
from symguide.evidence import Verdict
from symguide.instances.datasets import load
from symguide.proofs.derivation import Proof, catalogue, run
from symguide.schedules.published import log_linear

DERIVATION = catalogue()["tau leaping"]


@pytest.fixture(scope="module")
def proof() -> Proof:
    return run(DERIVATION, digits=30)


def left(pace: float, first: int = 50, last: int = 26) -> float:
    """The mask half-way."""
    return prod(1 - pace / n * exp(-pace / n) for n in range(last, first + 1))


def test_every_step_holds(proof: Proof) -> None:
    assert [str(outcome) for outcome in proof.failed] == []
    assert proof.verdict is Verdict.ENCLOSED
    found = {outcome.name: outcome.verdict for outcome in proof.steps}
    enclosed = {name for name, verdict in found.items() if verdict is Verdict.ENCLOSED}
    assert enclosed == {
        "leaving the exact curve",
        "falling",
        "rising",
        "turn",
        "one turn",
        "turn in the guidance strength",
    }
    assert all(verdict is Verdict.PROVED for name, verdict in found.items() if name not in enclosed)
    assert {outcome.verdict for outcome in proof.instances} == {Verdict.PROVED, Verdict.ENCLOSED}


@pytest.mark.parametrize("name", [step.name for step in DERIVATION.steps])
def test_a_wrong_formula_is_refuted_or_unknown(name: str) -> None:
    """Equations off by a term, bounds turned around."""
    (step,) = (step for step in DERIVATION.steps if step.name == name)
    for item in step.content:
        if isinstance(item, Eq):
            wrong: Any = Eq(item.lhs, item.rhs + Integer(1), evaluate=False)
        else:
            wrong = type(item)(-item.lhs, -item.rhs + (item.lhs - item.lhs), evaluate=False)
        content = tuple(wrong if other == item else other for other in step.content)
        evidence = replace(step, content=content).examine()
        assert not evidence.verdict.passes, (name, wrong)
    assert replace(step, content=()).examine().verdict is Verdict.UNKNOWN


def test_a_claim_that_no_step_shows_is_unknown() -> None:
    steps = tuple(step for step in DERIVATION.steps if step.name in ("one step", "grid", "curve"))
    assert run(replace(DERIVATION, steps=steps, instances=())).verdict is Verdict.UNKNOWN


def test_turn_by_another_route() -> None:
    def fall(pace: float) -> float:
        return float(sum((1 - pace / n) / (n * (exp(pace / n) - pace / n)) for n in range(26, 51)))

    turn = brentq(fall, 26, 50, xtol=1e-12)
    assert 36.6421 < turn < 36.6422
    assert 5.7672 < log2((3 * turn - 1) / 2) < 5.7673
    paces = np.linspace(1, 200, 20_000)
    assert paces[np.argmin([left(pace) for pace in paces])] == pytest.approx(turn, abs=0.02)
    leave = brentq(lambda pace: left(pace) * 2**pace - 2, 1, 20, xtol=1e-12)
    assert 7.7239 < leave < 7.7240


@pytest.mark.parametrize("w", [0, 2, 4, 6, 8])
def test_the_command_line_draws_the_same_curve(w: int) -> None:
    found = sample_answer(load("interval-overlap"), "tau-leaping", 50, log_linear(), w, at_step=25)
    assert found.tv_to_exact.value == pytest.approx(left(1 / 3 + 2 / 3 * 2**w), rel=1e-12)
    assert found.masked.value == pytest.approx(found.tv_to_exact.value, rel=1e-12)


def test_clamps_by_enumeration() -> None:
    """The numbers behind the instances, from joint tables."""
    half = Fraction(1, 2)
    interval = mixture(10, 1, [(half, uniform((v,) for v in range(4, 10))), (half, uniform((v,) for v in range(6)))])
    times = [1 - Fraction(j, 50) for j in range(26)]

    def distance(sampler: str, w: int) -> Fraction:
        law = enumerate_law(interval, sampler, "rate", w, plain_steps(times))
        weights = {x: p * (p / interval.unconditional[x]) ** w for x, p in interval.conditional.items()}
        end = {x: value / sum(weights.values()) for x, value in weights.items()}
        return sum(abs(law.get(x, Fraction(0)) - end.get(x, Fraction(0))) for x in law.keys() | end.keys()) / 2

    assert [distance("euler-entrywise", w) for w in (6, 8)] == [0, 0]
    grows = [distance("euler-entrywise", w) for w in (8, 9, 10, 12, 40)]
    assert grows == sorted(grows)
    assert float(grows[-1]) == pytest.approx(1 / 601, rel=1e-9)
    falls = [distance("euler", w) for w in range(9)]
    assert falls == sorted(falls, reverse=True)
    assert HARD["one token"].length == 1


def test_bounds_need_their_direction() -> None:
    (step,) = (step for step in DERIVATION.steps if step.name == "falling")
    (bound,) = step.content
    assert isinstance(bound, Gt)
    assert replace(step, content=(Gt(-bound.lhs, 0, evaluate=False),)).examine().verdict is Verdict.REFUTED
