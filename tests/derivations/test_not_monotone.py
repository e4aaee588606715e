"""Two tokens on which guidance works the wrong way: every number by a generator over all contexts, in plain NumPy."""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise, product
from math import log
from typing import Any

import numpy as np
import pytest
from scipy.linalg import expm
from sympy import lambdify

from symguide.evidence import Verdict
from symguide.proofs.derivation import Derivation, catalogue, run
from symguide.symbols import w

DERIVATION = catalogue()["not monotone"]
SIZE, PRIOR = 3, 1 / 7
TARGET = {(0, 1): 0.5, (1, 1): 0.5}
SOFT = {(0, 1): 0.499, (1, 1): 0.499, (1, 2): 0.001, (2, 1): 0.001}
OTHER = {(0, 1): 1 / 12, (1, 2): 1 / 2, (2, 1): 5 / 12}
CONTEXTS = tuple(product((None, 0, 1, 2), repeat=2))


def chance(law: dict[tuple[int, int], float], context: tuple[int | None, ...]) -> float:
    return sum(p for x, p in law.items() if all(a in (None, b) for a, b in zip(context, x, strict=True)))


def reveals(target: dict[tuple[int, int], float], rule: str, strength: float) -> Iterator[tuple[int, int, float]]:
    """From which context, into which, at what rate."""
    for context in CONTEXTS:
        if chance(target, context) == 0:
            continue
        for position in (i for i, token in enumerate(context) if token is None):
            found = []
            for token in range(SIZE):
                after = (*context[:position], token, *context[position + 1 :])
                given = chance(target, after) / chance(target, context)
                if given == 0:
                    continue
                free, whole = (PRIOR * chance(target, x) + (1 - PRIOR) * chance(OTHER, x) for x in (after, context))
                found.append((CONTEXTS.index(after), given ** (1 + strength) * (free / whole) ** -strength))
            total = sum(rate for _, rate in found) if rule == "normalised" else 1.0
            yield from ((CONTEXTS.index(context), after, rate / total) for after, rate in found)


@cache
def generator(rule: str, strength: float, soft: bool = False) -> np.ndarray:
    matrix = np.zeros((len(CONTEXTS),) * 2)
    for source, after, rate in reveals(SOFT if soft else TARGET, rule, strength):
        matrix[after, source] += rate
        matrix[source, source] -= rate
    return matrix


def at(clock: float, rule: str, strength: float, soft: bool = False) -> dict[tuple[int | None, ...], float]:
    return dict(zip(CONTEXTS, expm(clock * generator(rule, strength, soft))[:, 0].tolist(), strict=True))


def survival(clock: float, strength: float) -> float:
    return sum(p for x, p in at(clock, "rate", strength).items() if None in x)


def mean_time(strength: float, soft: bool = False) -> float:
    masked = [j for j, context in enumerate(CONTEXTS) if None in context]
    live = [j for j in masked if generator("rate", strength, soft)[j, j] < 0]
    inner = generator("rate", strength, soft)[np.ix_(live, live)]
    return float(-np.linalg.inv(inner)[:, live.index(0)].sum())


def formula(name: str, strength: float) -> float:
    """The right side of a formula that the proof shows, in doubles."""
    shown: Any = next(item for step in DERIVATION.steps for item in step.content if str(item.args[0]) == name)
    letters = sorted(shown.rhs.free_symbols, key=str)
    return lambdify(letters, shown.rhs)(2.0**strength, 1.75**strength)


def words(derivation: Derivation) -> dict[str, Any]:
    """The names of its file."""
    return derivation.figures[0].draw.__globals__


def test_every_step_is_proved_and_every_instance_agrees() -> None:
    proof = run(DERIVATION)
    assert [str(outcome) for outcome in proof.failed] == []
    assert proof.verdict is Verdict.PROVED
    assert {outcome.verdict for outcome in proof.instances} == {Verdict.ENCLOSED}


@pytest.mark.parametrize("strength", (-0.7, 0.0, 0.3, 1.0, 2.5, 6.0))
@pytest.mark.parametrize(("rule", "mark"), (("rate", ""), ("normalised", "^{n}")))
def test_terminal_laws(rule: str, mark: str, strength: float) -> None:
    law = at(200.0, rule, strength)
    assert formula(f"P{mark}(a, c)", strength) == pytest.approx(law[1, 1], rel=1e-9)
    assert formula(f"S{mark}(a, c)", strength) == pytest.approx(law[0, 1], rel=1e-9)
    assert formula(f"g{mark}(a, c)", strength) == pytest.approx(law[0, 1] - law[1, 1], abs=1e-9)


@pytest.mark.parametrize("rule", ("rate", "normalised"))
def test_the_posterior_falls_where_guidance_begins(rule: str) -> None:
    reached = {strength: at(200.0, rule, strength)[1, 1] for strength in (-0.001, 0.001, 0.5, 1.0, 3.0, 8.0)}
    slope = (reached[0.001] - reached[-0.001]) / 0.002
    assert slope == pytest.approx(-log(7 / 4) / 8, rel=1e-5)
    assert reached[-0.001] > 0.5
    assert all(found < 0.5 for strength, found in reached.items() if strength > 0)


def test_where_no_point_is_excluded() -> None:
    given = {x: PRIOR * p / (PRIOR * p + (1 - PRIOR) * OTHER.get(x, 0.0)) for x, p in SOFT.items()}
    laws = [at(200.0, "rate", strength, soft=True) for strength in (0.0, 1.0, 2.0)]
    reciprocals = [sum(law[x] / given[x] for x in SOFT) for law in laws]
    assert reciprocals[0] == pytest.approx(7)
    assert reciprocals[1] < 8 / 5 < 5 / 3 < reciprocals[2]
    means = [sum(law[x] * given[x] for x in SOFT) for law in laws]
    assert means[0] > means[1] > means[2]
    assert mean_time(3, soft=True) > mean_time(2, soft=True)


def test_paces() -> None:
    assert mean_time(2) == pytest.approx(58341 / 75950)
    assert mean_time(3) == pytest.approx(17850529 / 21571956)
    one, two = (survival(16 * log(2), j) for j in (1, 2))
    assert one < 0.6 / 2**16 < 0.7 / 2**16 < two
    half = [survival(log(2), j) for j in (2, 3, 4, 6)]
    assert all(before < after for before, after in pairwise(half))


def test_letters_are_the_powers() -> None:
    """``7^w = a² c``, which is what the formulas are rewritten by."""
    scope = words(DERIVATION)
    assert {prime: scope["in_strength"](form).subs(w, 2) for prime, form in scope["LETTERS"].items()} == {2: 4, 7: 49}
