"""Composed guidance, derived: every step is proved, wrong ones are not, and its examples by brute force."""

from dataclasses import replace
from fractions import Fraction
from math import log
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm
from sympy import Eq, Integer

from symguide.evidence import Verdict
from symguide.proofs.derivation import Step, catalogue, run

DERIVATION = catalogue()["composed"]


def test_every_step_is_proved() -> None:
    proof = run(DERIVATION)
    assert [str(outcome) for outcome in proof.failed] == []
    assert proof.verdict is Verdict.PROVED
    assert len(proof.steps) == 14 + 2  # with diversity, and the claim


@pytest.mark.parametrize("step", DERIVATION.steps, ids=lambda step: step.name)
def test_a_wrong_formula_does_not_pass(step: Step) -> None:
    for item in step.content:
        if not isinstance(item, Eq):
            continue
        wrong: Any = Eq(item.args[0], item.args[1] + Integer(1), evaluate=False)
        content = tuple(wrong if other == item else other for other in step.content)
        assert replace(step, content=content).examine().verdict is Verdict.REFUTED
    assert replace(step, content=()).examine().verdict is Verdict.UNKNOWN


def _law(classes: list[dict[tuple[int, ...], float]], size: int, length: int) -> dict[tuple[int | None, ...], float]:
    """The law at ``s = 60`` of both conditions at power one, by the exponential of a generator over all contexts."""
    contexts: list[tuple[int | None, ...]] = [(None,) * length]
    index = {contexts[0]: 0}
    rates: list[tuple[int, int, float]] = []

    def weight(law: dict[tuple[int, ...], float], context: tuple[int | None, ...]) -> float:
        return sum(p for x, p in law.items() if all(a in (None, b) for a, b in zip(context, x, strict=True)))

    for context in contexts:
        for position in (i for i, token in enumerate(context) if token is None):
            for token in range(size):
                after = (*context[:position], token, *context[position + 1 :])
                q = 1.0
                for law in classes:
                    q *= weight(law, after) / weight(law, context) if weight(law, context) else 0.0
                base = sum(weight(law, after) for law in classes) / sum(weight(law, context) for law in classes)
                if q > 0:
                    if after not in index:
                        index[after] = len(contexts)
                        contexts.append(after)
                    rates.append((index[context], index[after], q / base))
    generator = np.zeros((len(contexts),) * 2)
    for source, target, rate in rates:
        generator[target, source] += rate
        generator[source, source] -= rate
    found = expm(60 * generator)[:, 0]
    return dict(zip(contexts, found.tolist(), strict=True))


def test_examples_by_brute_force() -> None:
    xor = [{(0, 0): 0.5, (1, 1): 0.5}, {(0, 1): 0.5, (1, 0): 0.5}]
    assert sum(p for x, p in _law(xor, 2, 2).items() if None in x) == pytest.approx(1)
    shared = [dict.fromkeys([*law, (2, 2)], 1 / 3) for law in xor]
    found = _law(shared, 3, 2)
    assert found[2, 2] == pytest.approx(1 / 3)
    assert sum(p for x, p in found.items() if None in x) == pytest.approx(2 / 3)
    coin = _law([{(0,): 0.75, (1,): 0.25}, {(0,): 0.25, (1,): 0.75}], 2, 1)
    assert -log(coin[None,]) / 60 == pytest.approx(float(Fraction(3, 4)))
    assert coin[0,] == pytest.approx(coin[1,])
