"""Early or late, derived: steps hold, wrong ones do not, and its statements on random data by brute force."""

from dataclasses import replace
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
from sympy import Eq, Integer

from symguide.evidence import Verdict
from symguide.proofs.derivation import Step, catalogue, run

DERIVATION = catalogue()["early or late"]
SHARES = ((5, 1), (3, 3), (1, 5))


def test_every_step_holds_and_every_instance_agrees() -> None:
    proof = run(DERIVATION)
    assert [str(outcome) for outcome in proof.failed] == []
    weaker = {item.check: item.verdict for item in proof.evidence if item.verdict is not Verdict.PROVED}
    assert weaker == {"random mixtures, raw rule": Verdict.ENCLOSED}
    assert {outcome.verdict for outcome in proof.instances} == {Verdict.AGREES}
    assert len(proof.instances) == 4


@pytest.mark.parametrize("step", DERIVATION.steps, ids=lambda step: step.name)
def test_a_wrong_formula_does_not_pass(step: Step) -> None:
    for item in step.content:
        wrong: Any = Eq(item.args[0], item.args[1] + Integer(1), evaluate=False)
        content = tuple(wrong if other == item else other for other in step.content)
        assert replace(step, content=content).examine().verdict is Verdict.REFUTED
    assert replace(step, content=()).examine().verdict is Verdict.UNKNOWN


def tables(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """``p(·|z)`` and ``p`` as the derivation draws them."""
    random = Random(seed)
    weights = np.array([[random.randint(1, 9) for _ in range(9)] for _ in range(2)], dtype=float).reshape(2, 3, 3)
    laws = weights / weights.sum(axis=(1, 2), keepdims=True)
    return laws[0], laws.mean(axis=0)


def tilted(law: np.ndarray, base: np.ndarray, w: float) -> np.ndarray:
    weights = law ** (1 + w) * base**-w
    return weights / weights.sum()


def six_components(law: np.ndarray, base: np.ndarray, strengths: tuple[float, ...]) -> np.ndarray:
    """The terminal law of the normalised rule, three equal windows, from arrays alone."""
    out = np.zeros((3, 3))
    for j in range(3):
        for k in range(j, 3):
            weight = (1 if j == k else 2) / 9
            for flip in (False, True):
                a, b = (law.T, base.T) if flip else (law, base)
                first = tilted(a.sum(1), b.sum(1), strengths[j])
                rows = [tilted(a[v] / a[v].sum(), b[v] / b[v].sum(), strengths[k]) for v in range(3)]
                both = first[:, None] * np.array(rows)
                out += weight / 2 * (both.T if flip else both)
    return out


def raw_chain(law: np.ndarray, base: np.ndarray, strengths: tuple[float, ...], steps: int = 3000) -> np.ndarray:
    """The terminal law of raw intensities, windows integrated on the clock by classical Runge-Kutta."""
    start, first, second, pairs = 1.0, np.zeros(3), np.zeros(3), np.zeros((3, 3))
    edges = [0.0, np.log(1.5), np.log(3.0), 40.0]
    for w, begin, end in zip(strengths, edges[:-1], edges[1:], strict=True):
        q1, q2 = (law.sum(i) ** (1 + w) * base.sum(i) ** -w for i in (1, 0))
        after_1 = (law / law.sum(1, keepdims=True)) ** (1 + w) * (base / base.sum(1, keepdims=True)) ** -w
        after_2 = (law / law.sum(0)) ** (1 + w) * (base / base.sum(0)) ** -w
        c, d = after_1.sum(1), after_2.sum(0)

        def slope(y: np.ndarray, q1=q1, q2=q2, after_1=after_1, after_2=after_2, c=c, d=d) -> np.ndarray:
            m, f, s = y[0], y[1:4], y[4:7]
            gain = f[:, None] * after_1 + s[None, :] * after_2
            return np.concatenate([[-m * (q1.sum() + q2.sum())], m * q1 - f * c, m * q2 - s * d, gain.ravel()])

        y, h = np.concatenate([[start], first, second, pairs.ravel()]), (end - begin) / steps
        for _ in range(steps):
            k1 = slope(y)
            k2 = slope(y + h / 2 * k1)
            k3 = slope(y + h / 2 * k2)
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + slope(y + h * k3))
        start, first, second, pairs = y[0], y[1:4], y[4:7], y[7:].reshape(3, 3)
    return pairs


def test_the_table_of_the_normalised_rule_from_arrays() -> None:
    wins = {"moves": [0, 0, 0], "own": [0, 0, 0], "mean": [0, 0, 0]}
    for seed in range(60):
        law, base = tables(seed)
        found = [six_components(law, base, tuple(3.0 * (k == j) for k in range(3))) for j in range(3)]
        for name, other, best in (
            ("moves", law, np.argmax),
            ("own", tilted(law, base, 3), np.argmin),
            ("mean", tilted(law, base, 1), np.argmin),
        ):
            wins[name][int(best([np.abs(p - other).sum() for p in found]))] += 1
    shown: dict[str, list[int]] = {"moves": [], "own": [], "mean": []}
    (step,) = [step for step in DERIVATION.steps if step.name == "random mixtures, normalised rule"]
    for item in step.content:
        relation: Any = item
        shown[str(relation.lhs.func).removeprefix("n_")].append(int(relation.rhs))
    assert shown == wins


def test_the_raw_table_on_some_mixtures_by_integration() -> None:
    (module,) = {step.check.__globals__["__name__"] for step in DERIVATION.steps if step.name == "late moves more"}
    scope = next(step.check.__globals__ for step in DERIVATION.steps if step.name == "late moves more")
    assert "early_or_late" in module
    for seed in (0, 7):
        law, base = tables(seed)
        for j in range(3):
            strengths = tuple(3.0 * (k == j) for k in range(3))
            exact = scope["terminal"](scope["random_mixture"](seed), "rate", scope["placed"](j))
            hand = raw_chain(law, base, strengths)
            for (a, b), value in exact.table.items():
                assert float(value) == pytest.approx(hand[a, b], abs=1e-9)


@pytest.mark.parametrize("rule", ["rate", "normalised"])
def test_small_strengths_go_as_the_theorem_says(rule: str) -> None:
    for seed in range(3):
        law, base = tables(seed)
        ratio = np.log(law / base)
        l1, l2 = np.log(law.sum(1) / base.sum(1)), np.log(law.sum(0) / base.sum(0))
        on_1, on_2 = ratio - l1[:, None], ratio - l2[None, :]
        m1, m2 = (law.sum(1) * l1).sum(), (law.sum(0) * l2).sum()
        m21 = (law * on_1).sum(1) / law.sum(1)
        m12 = (law * on_2).sum(0) / law.sum(0)
        a = law / 2 * (l1[:, None] - m1 + l2[None, :] - m2)
        b = law / 2 * (on_1 - m21[:, None] + on_2 - m12[None, :])
        for j, (first, second) in enumerate(SHARES):
            h = 1e-4
            strengths = [tuple(sign * h * (k == j) for k in range(3)) for sign in (1, -1)]
            laws = [
                six_components(law, base, w) if rule == "normalised" else raw_chain(law, base, w, 300)
                for w in strengths
            ]
            slope = (laws[0] - laws[1]) / (2 * h)
            assert slope == pytest.approx((first * a + second * b) / 9, abs=2e-6)
        assert Fraction(SHARES[0][0] + SHARES[1][0] + SHARES[2][0], 9) == 1
