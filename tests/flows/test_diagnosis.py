"""Diagnosis against the one-step laws written out token by token, and thresholds against what they promise."""

from fractions import Fraction
from math import exp, expm1, log
from typing import Any

import numpy as np
import pytest

from symguide.cli.diagnose import diagnose_command
from symguide.errors import ClockError, DataError, InfiniteRatioError, StrengthError
from symguide.flows import diagnosis
from symguide.flows.diagnosis import DIAGNOSED, Diagnosis, diagnose
from symguide.flows.steps import Step, uniform_steps
from symguide.schedules.published import cosine, log_linear

GRID = uniform_steps(log_linear(), 12)


def laws(count: int = 7, width: int = 5, seed: int = 0, spread: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    logits = random.normal(size=(2, count, width)) * spread
    logs = logits - np.log(np.exp(logits).sum(axis=2, keepdims=True))
    return logs[0], logs[1]


def by_hand(
    sampler: str, rule: str, c: np.ndarray, base: np.ndarray, w: float, step: Step
) -> tuple[float, float, float]:
    """Reveal of the sampler and of the exact chain, and TV, for one position: the published rules, token by token."""
    p, q = np.exp(c), np.exp(base)
    raw = [a ** (1 + w) * b**-w for a, b in zip(p, q, strict=True)]
    z, pace, survival = sum(raw), float(step.pace), float(step.survival)
    rates = [pace * (x / z if rule == "normalised" else x) for x in raw]
    total = sum(rates)
    clock = 1.0 if rule == "normalised" else z
    exact = [(1 - survival**clock) * x / z for x in raw]
    if sampler == "ancestral":
        law = exact
    elif sampler == "euler":
        law = rates if total <= 1 else [r / total for r in rates]
    elif sampler == "euler-entrywise":
        clamped = [min(1.0, r) for r in rates]
        law = [r / max(1.0, sum(clamped)) for r in clamped]
    elif sampler == "tau-leaping":
        law = [r * exp(-total) for r in rates]
    elif sampler == "exponential-jump":
        law = [b * -expm1(-pace * (a / b) ** (1 + w)) for a, b in zip(p, q, strict=True)]
    else:
        law = [(1 - survival) * x / (survival + (1 - survival) * z) for x in raw]
    apart = sum(abs(a - b) for a, b in zip(law, exact, strict=True)) + abs(sum(law) - sum(exact))
    return sum(law), sum(exact), apart / 2


@pytest.mark.parametrize("rule", ["rate", "normalised"])
@pytest.mark.parametrize("sampler", DIAGNOSED)
@pytest.mark.parametrize("w", [-0.5, 0.0, 1.0, 6.0])
def test_against_the_rules_token_by_token(sampler: str, rule: str, w: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diagnosis, "BLOCK", 15)  # three positions at a time
    c, base = laws()
    found = diagnose(c, base, w, GRID, sampler, rule, tolerance=0.02)
    expected = np.array([[by_hand(sampler, rule, c[i], base[i], w, step) for step in GRID] for i in range(len(c))])
    assert found.reveals == pytest.approx(expected[:, :, 0].sum(axis=0), rel=1e-11)
    assert found.exact_reveals == pytest.approx(expected[:, :, 1].sum(axis=0), rel=1e-11)
    assert found.apart == pytest.approx(expected[:, :, 2].mean(axis=0), rel=1e-9, abs=1e-14)
    assert found.share == pytest.approx((expected[:, :, 2] > 0.02).mean(axis=0))
    assert np.exp(found.log_z) == pytest.approx((np.exp(c + w * (c - base))).sum(axis=1), rel=1e-12)


def test_tau_leaping_turns_at_the_threshold() -> None:
    c, base = laws(count=40)
    found = diagnose(c, base, 0.0, GRID, "tau-leaping")
    step = GRID[found.watched or 0]
    assert found.watched == len(GRID) - 2  # the last step has the pace one

    def revealed(i: int, w: float) -> float:
        return by_hand("tau-leaping", "rate", c[i], base[i], w, step)[0]

    for i, w in enumerate(found.threshold):
        assert revealed(i, w - 1e-3) < revealed(i, w) > revealed(i, w + 1e-3)
        z = np.exp(c[i] + w * (c[i] - base[i])).sum()
        assert float(step.pace) * z == pytest.approx(1, rel=1e-10)


def test_entrywise_clamps_at_the_threshold() -> None:
    c, base = laws(count=20)
    found = diagnose(c, base, 0.0, GRID[:4], "euler-entrywise")
    pace = float(GRID[3].pace)
    for i, w in enumerate(found.threshold):
        assert pace * np.exp(c[i] + w * (c[i] - base[i])).max() == pytest.approx(1, rel=1e-10)


def test_no_threshold_where_the_pace_does_not_depend_on_the_strength() -> None:
    c, base = laws()
    for sampler, rule in (("ancestral", "rate"), ("tau-leaping", "normalised"), ("joint", "rate")):
        assert np.isinf(diagnose(c, base, 1.0, GRID, sampler, rule).threshold).all()
    assert np.isinf(diagnose(c, c, 1.0, GRID, "tau-leaping").threshold).all()  # Z = 1 for every w


@pytest.mark.parametrize("sampler", DIAGNOSED)
def test_fine_steps_come_near_the_exact_law(sampler: str) -> None:
    c, base = laws(spread=0.7)
    far, near = (float(diagnose(c, base, 1.0, [Step(1, 1 - h, h, 1 - h)], sampler).apart[0]) for h in (1e-3, 1e-4))
    if sampler == "ancestral":
        assert far == near == 0
    elif sampler == "exponential-jump":
        assert near < 0.02 * far  # p_u (p_c/p_u)^γ is q to first order
    else:
        assert 0.008 * far < near < 0.012 * far


def test_excluded_tokens() -> None:
    with np.errstate(divide="ignore"):
        c, base = np.log([[0.5, 0.5, 0.0]]), np.log([[0.25, 0.5, 0.25]])
    found = diagnose(c, base, 2.0, GRID, "euler-entrywise")
    assert np.exp(found.log_z[0]) == pytest.approx(0.5 * 4 + 0.5)
    with pytest.raises(InfiniteRatioError, match="position 0, token 2"):
        diagnose(base, c, 2.0, GRID)
    # At w = 0 the unconditional law does not count; below 0 it excludes its tokens.
    assert np.exp(diagnose(base, c, 0.0, GRID).log_z[0]) == pytest.approx(1)
    half = diagnose(base, c, -0.5, GRID).log_z[0]
    assert np.exp(half) == pytest.approx((0.25 * 0.5) ** 0.5 + 0.5)


def test_shapes_precision_and_huge_strengths() -> None:
    c, base = laws(count=6)
    flat = diagnose(c, base, 1.0, GRID, "euler")
    folded = diagnose(c.reshape(2, 3, 5), base.reshape(2, 3, 5), 1.0, GRID, "euler")
    assert (flat.reveals == folded.reveals).all()
    single = diagnose(c.astype(np.float32), base.astype(np.float32), 1.0, GRID, "euler")
    assert single.reveals == pytest.approx(flat.reveals, rel=1e-5)
    for sampler in DIAGNOSED:
        found = diagnose(c, base, 1e4, GRID, sampler)
        for values in (found.log_z, found.reveals, found.exact_reveals, found.apart):
            assert np.isfinite(values).all()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"conditional": np.zeros((2, 5))}, DataError, "probabilities sum to 5"),
        ({"unconditional": np.zeros((2, 4))}, DataError, "cannot be compared"),
        ({"conditional": np.zeros((7, 5), dtype=int)}, DataError, "give floats"),
        ({"conditional": np.full((7, 5), np.nan)}, DataError, "position 0"),
        ({"w": -1.5}, StrengthError, "w >= -1"),
        ({"w": float("nan")}, StrengthError, "w >= -1"),
        ({"steps": []}, ClockError, "nothing is revealed"),
        ({"steps": uniform_steps(cosine(), 3)[::-1], "sampler": "first-hitting"}, DataError, "not diagnosed"),
        ({"rule": "both"}, DataError, "choose one of rate, normalised"),
        ({"steps": [Step(1.0, 0.5, float("inf"), 0.5)], "sampler": "euler"}, ClockError, "hazard is infinite"),
    ],
)
def test_bad_input(change: dict[str, Any], error: type[Exception], message: str) -> None:
    c, base = laws()
    if "conditional" in change and change["conditional"].shape == (2, 5):
        base = base[:2]
    given: dict[str, Any] = {"conditional": c, "unconditional": base, "w": 1.0, "steps": GRID}
    with pytest.raises(error, match=message):
        diagnose(**(given | change))


def test_the_command_line_offers_what_there_is() -> None:
    (choices,) = [x.settings["choices"] for x in diagnose_command.parameters if x.names == ("--sampler",)]
    assert set(choices) == set(DIAGNOSED)


def test_ancestral_needs_no_finite_hazard() -> None:
    c, base = laws()
    found = diagnose(c, base, 1.0, [Step(Fraction(1), Fraction(1, 2), float("inf"), 0.5)])
    assert isinstance(found, Diagnosis)
    z = np.exp(found.log_z)
    assert found.reveals[0] == pytest.approx(sum(1 - exp(x * log(0.5)) for x in z))
