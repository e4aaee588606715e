"""False claims and wrong steps, many kinds of them: each brings its derivation down, and by the step it spoils."""

import importlib.util
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sympy import Ge, Integer, Lambda, Rational, exp

from symguide.evidence import Verdict
from symguide.proofs import lemmas
from symguide.proofs.derivation import Derivation, Outcome, Step, run
from symguide.proofs.identities import Formulas, Meaning, identities, rises, times
from symguide.symbols import s, u, w

FOLDER = Path(__file__).parents[2] / "derivations"


@cache
def words(name: str) -> ModuleType:
    """The file of a derivation, for its names."""
    spec = importlib.util.spec_from_file_location(f"falsehoods_{name}", FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def right(name: str) -> Derivation:
    """The derivation as it is, without its instances."""
    return replace(words(name).derivation(), instances=())


def believed(step: Step) -> Step:
    """A step that is as it was; it is proved where derivations are tested."""
    seen = Verdict.PROVED, "as it was"
    if isinstance(step.check, Formulas):
        return replace(step, check=replace(step.check, judge=lambda relation, meaning: seen))
    return replace(step, check=lambda content, given=(): seen)


tokens, order, rates, moving = map(words, ("any_number_of_tokens", "domination", "renyi_divergence", "drift"))
parts, growth, regions, row = map(words, ("shared_and_private", "monotonicity", "regions", "published_row"))
decoy, kept = map(words, ("not_monotone", "posterior_bounds"))


@dataclass(frozen=True)
class Falsehood:
    """A formula of a step in place of another, of a kind, and what becomes of the step.

    Attributes
    ----------
    kind
        Of mistake.
    where
        The file, and the step that must catch it.
    place
        Which formula of the step is wrong.
    wrong
        What it says instead.
    verdict
        What the step must find.
    check
        Another check for the step, where an assumption is what is wrong.
    """

    kind: str
    where: tuple[str, str]
    place: int
    wrong: Any
    verdict: Verdict = Verdict.REFUTED
    check: Any = None

    @property
    def step(self) -> Step:
        """The step as it is."""
        return next(item for item in right(self.where[0]).steps if item.name == self.where[1])

    def spoilt(self) -> Derivation:
        """The derivation with the wrong formula, in its step and in the claim if it is claimed."""
        derivation, item = right(self.where[0]), self.step
        old = item.content[self.place]
        assert old != self.wrong or self.check is not None
        content = tuple(self.wrong if place == self.place else formula for place, formula in enumerate(item.content))
        wrong = replace(item, content=content, check=self.check or item.check)
        claimed = tuple(self.wrong if formula == old else formula for formula in derivation.claim.content)
        return replace(
            derivation,
            claim=replace(derivation.claim, content=claimed),
            steps=tuple(wrong if other is item else believed(other) for other in derivation.steps),
        )


def of(relation: Any, left: Any = None, right: Any = None) -> Any:
    """The relation with another side."""
    sides = relation.args[0] if left is None else left, relation.args[1] if right is None else right
    return relation.func(*sides, evaluate=False)


def turned(relation: Any) -> Any:
    """The relation with its sides exchanged."""
    return relation.func(relation.args[1], relation.args[0], evaluate=False)


def negated(relation: Any) -> Any:
    return of(relation, right=-relation.args[1])


def with_(relation: Any, changes: dict[Any, Any]) -> Any:
    """The relation with parts of its right side exchanged."""
    return of(relation, right=relation.args[1].xreplace(changes))


ANY, DOMINATION, RENYI, DRIFT = "any_number_of_tokens", "domination", "renyi_divergence", "drift"
SHARED, MONOTONE, REGIONS, ROW = "shared_and_private", "monotonicity", "regions", "published_row"
DECOY, KEPT = "not_monotone", "posterior_bounds"
i, j, k, n, m = tokens.i, tokens.j, tokens.k, tokens.n, tokens.m
T = tokens
NOT_THERE = lemmas.missing(lemmas.i)
PRIVATE = parts.posterior(parts.v) ** w
TANGENT = Meaning(functions={lemmas.phi: Lambda(lemmas.r, lemmas.TANGENT)}, example={w: -Rational(1, 2)})
GUIDED, WEAKENED = "w ≥ 0", "−1 < w ≤ 0"
NEGATIVE = {**lemmas.LAWS, w: -Rational(1, 2)}


def formula(where: tuple[str, str], place: int) -> Any:
    return next(item for item in right(where[0]).steps if item.name == where[1]).content[place]


def entry(kind: str, name: str, step: str, place: int, change: Callable[[Any], Any], **more: Any) -> Falsehood:
    """A formula of a step, changed."""
    return Falsehood(kind, (name, step), place, change(formula((name, step), place)), **more)


FALSEHOODS: tuple[Falsehood, ...] = (
    # --- any number of tokens
    entry("sign", ANY, "one rate more", 1, lambda x: of(x, right=T.first(s) + T.b * T.both(s))),
    entry("rate", ANY, "one rate more", 1, lambda x: of(x, right=T.first(s) - T.a * T.both(s))),
    entry("order", ANY, "one rate more", 1, lambda x: of(x, right=T.last(s) - T.b * T.both(s))),
    entry("swapped roles", ANY, "one rate more", 2, lambda x: of(x, right=T.last(s) - T.b * T.both(s))),
    entry("initial value", ANY, "one rate more", 3, lambda x: of(x, right=Integer(1))),
    entry("constant", ANY, "one rate more", 0, lambda x: of(x, right=(T.first(s) - T.last(s)) / (T.a + T.b))),
    entry("order", ANY, "one rate", 2, lambda x: of(x, right=exp(-T.b * s) - T.b * T.dd(T.a, T.b))),
    entry("initial value", ANY, "nothing revealed", 1, lambda x: of(x, right=Integer(0))),
    entry("missing term", ANY, "orders of revealing", 1, lambda x: of(x, right=x.rhs + T.exit_rate * T.path(s))),
    entry("sign", ANY, "orders of revealing", 1, lambda x: of(x, right=x.rhs + 2 * T.exit_rate * T.path(s))),
    entry("initial value", ANY, "orders of revealing", 2, lambda x: of(x, right=Integer(1))),
    entry("range", ANY, "orders of revealing", 0, lambda x: with_(x, {n: n - 1})),
    entry("swapped roles", ANY, "orders of revealing", 0, lambda x: with_(x, {T.long(i, j, s): T.short(i, j, s)})),
    entry(
        "missing term",
        ANY,
        "sets of revealed positions",
        0,
        lambda x: of(x, right=x.rhs - T.own * exp(-T.exit_rate * s)),
    ),
    entry("swapped roles", ANY, "sets of revealed positions", 1, negated),
    entry("rate", ANY, "sets of revealed positions", 1, lambda x: with_(x, {T.exit_rate: T.exit_rate + 1})),
    entry("sign", ANY, "sets of revealed positions", 2, negated),
    entry("initial value", ANY, "sets of revealed positions", 4, lambda x: of(x, right=Integer(1))),
    entry("limit", ANY, "what dies out", 0, lambda x: of(x, right=T.own)),
    entry("limit", ANY, "what dies out", 1, lambda x: of(x, right=Integer(0))),
    entry("rate", ANY, "time spent", 0, lambda x: of(x, right=x.rhs * T.exit_rate)),
    entry("missing term", ANY, "jump chain", 0, lambda x: of(x, right=T.over(i, T.rate(i) * T.visits(i), n))),
    entry("rate", ANY, "jump chain", 0, lambda x: of(x, right=T.over(i, T.rate(i) * T.visits(i) / T.exit_rate, n))),
    entry("swapped roles", ANY, "mass", 0, lambda x: of(x, right=T.over(j, T.flow(j, k), T.count))),
    entry("constant", ANY, "mass", 1, lambda x: of(x, right=Integer(1))),
    entry("bound direction", ANY, "contexts without masks only gain", 0, turned),
    entry("constant", ANY, "total variation", 4, lambda x: of(x, right=x.rhs / 2)),
    entry("sign", ANY, "total variation", 0, lambda x: of(x, right=2 - x.rhs)),
    entry(
        "sign",
        ANY,
        "total variation",
        3,
        lambda x: of(x, right=times(T.HALF, T.over(i, T.mass(i), n) - T.over(j, T.gain(j), m))),
    ),
    # --- domination
    entry("sign", DOMINATION, "a token at its own pace", 0, negated),
    entry("initial value", DOMINATION, "a token at its own pace", 1, lambda x: of(x, right=Integer(1))),
    entry("bound direction", DOMINATION, "a token at its own pace", 2, turned),
    entry("bound direction", DOMINATION, "a probability", 0, turned),
    entry("constant", DOMINATION, "one mask more", 1, lambda x: of(x, right=(1 - order.k) * order.step(order.k, s))),
    entry("order", DOMINATION, "one mask more", 0, negated),
    entry(
        "missing term",
        DOMINATION,
        f"induction, {GUIDED}",
        0,
        lambda x: of(x, right=x.rhs - (order.exit_rate - order.k) * order.step(order.k, s)),
    ),
    entry("sign", DOMINATION, f"induction, {GUIDED}", 0, negated),
    entry("initial value", DOMINATION, f"induction, {GUIDED}", 1, lambda x: of(x, right=Integer(1))),
    entry("bound direction", DOMINATION, f"exit rates, {GUIDED}", 0, turned),
    entry("bound direction", DOMINATION, f"exit rates, {WEAKENED}", 0, turned),
    entry("bound direction", DOMINATION, f"the gap never closes, {GUIDED}", 0, turned),
    entry("bound direction", DOMINATION, f"from the start, {GUIDED}", 0, turned),
    entry("bound direction", DOMINATION, f"from the start, {WEAKENED}", 0, turned),
    entry(
        "constant",
        DOMINATION,
        f"from the start, {GUIDED}",
        0,
        lambda x: of(x, left=1 - (1 - u) ** (order.length - 1)),
    ),
    # --- position rates, with and without the assumption on the strength
    entry("missing term", RENYI, "divergence", 1, lambda x: of(x, right=exp(rates.divergence(i)))),
    entry("sign", RENYI, "divergence", 1, lambda x: of(x, right=1 / x.rhs)),
    entry("constant", RENYI, "divergence", 0, lambda x: of(x, right=x.rhs * w / (1 + w))),
    entry(
        "missing term",
        RENYI,
        f"what a position rate is, {GUIDED}",
        0,
        lambda x: with_(x, {w * lemmas.missing(lemmas.i): Integer(0)}),
    ),
    entry("constant", RENYI, f"what a position rate is, {GUIDED}", 0, lambda x: of(x, right=x.rhs - 1)),
    entry("missing term", RENYI, f"a power and its tangent, {GUIDED}", 2, lambda x: of(x, right=x.rhs / (1 + w))),
    entry("bound direction", RENYI, f"Bernoulli's inequality, {GUIDED}", 0, turned),
    entry("bound direction", RENYI, f"position rates, {WEAKENED}", 0, turned),
    entry("bound direction", RENYI, "a power and its tangent, w > 0", 0, turned),
    entry("constant", RENYI, "equality", 0, lambda x: of(x, right=Integer(1))),
    entry(
        "assumption",
        RENYI,
        f"Bernoulli's inequality, {GUIDED}",
        0,
        lambda x: x,
        check=rises(lemmas.r, 1, order=2, meaning=TANGENT),
    ),
    entry(
        "assumption",
        RENYI,
        f"position rates, {GUIDED}",
        0,
        lambda x: x,
        verdict=Verdict.UNKNOWN,  # the lemma it leans on is one for w ≥ 0
        check=identities(
            Meaning(
                example={
                    **NEGATIVE,
                    lemmas.rate: Lambda(lemmas.i, lemmas.RATE),
                    lemmas.phi: Lambda(lemmas.r, lemmas.TANGENT),
                }
            )
        ),
    ),
    # --- drift
    entry("swapped roles", DRIFT, "Bayes' rule", 0, lambda x: of(x, right=moving.posterior**2 / x.rhs)),
    entry("sign", DRIFT, "drift", 0, negated),
    entry("missing term", DRIFT, "drift", 0, lambda x: of(x, right=x.rhs * moving.posterior)),
    entry("rate", DRIFT, "drift", 1, lambda x: of(x, right=moving.DRIFT.rhs)),
    entry("missing term", DRIFT, "two tangents", 0, lambda x: of(x, right=x.rhs * (1 + w))),
    entry("bound direction", DRIFT, "one sign", 0, turned),
    entry(
        "missing term",
        DRIFT,
        "rates rise with the strength",
        0,
        lambda x: with_(x, {NOT_THERE: Integer(0)}),
    ),
    entry("bound direction", DRIFT, "so they are larger", 0, turned),
    entry("bound direction", DRIFT, "the drift is not positive", 0, turned),
    # --- shared and private
    entry(
        "constant",
        SHARED,
        "posterior",
        1,
        lambda x: with_(x, {PRIVATE: PRIVATE ** (1 + w)}),
    ),
    entry("swapped roles", SHARED, "given that it is private", 0, lambda x: of(x, right=parts.private(parts.j))),
    entry("limit", SHARED, "strong guidance", 0, lambda x: of(x, right=parts.own(parts.j))),
    entry("limit", SHARED, "strong guidance", 1, lambda x: of(x, right=Integer(1))),
    entry("sign", SHARED, "reweighting", 0, lambda x: of(x, right=1 / x.rhs)),
    entry("constant", SHARED, "how far from it", 2, lambda x: of(x, right=2 * x.rhs)),
    entry("bound direction", SHARED, "how far from it", 0, turned),
    # --- monotonicity
    entry("sign", MONOTONE, "variance", 0, negated),
    entry("bound direction", MONOTONE, "the mean log posterior rises", 0, turned),
    entry("constant", MONOTONE, "covariance", 1, lambda x: of(x, right=2 * x.rhs)),
    entry("swapped roles", MONOTONE, "covariance", 0, negated),
    entry("bound direction", MONOTONE, "exponential and tangent", 0, turned),
    entry("order", MONOTONE, "opposed", 0, lambda x: with_(x, {growth.a: growth.b, growth.b: growth.a + 1})),
    entry("bound direction", MONOTONE, "the mean reciprocal posterior falls", 0, turned),
    # --- regions: the published order, where it may not be used
    entry("swapped roles", REGIONS, "regions", 2, lambda x: of(x, right=1 + 1 / regions.d(regions.y))),
    entry("missing term", REGIONS, "regions", 5, lambda x: of(x, right=regions.POINT_PRIVATE.rhs)),
    entry("bound direction", REGIONS, "rates of the second reveal", 0, turned),
    entry("bound direction", REGIONS, "shared points lose", 0, turned),
    entry("order", REGIONS, "the largest weight", 0, turned),
    entry("order", REGIONS, "one row, one column", 0, turned),
    entry("constant", REGIONS, "a reversed order", 1, lambda x: of(x, right=Rational(10, 7))),
    entry("order", REGIONS, "a reversed order", 3, turned),
    entry("order", REGIONS, "and its transpose", 4, turned),
    entry("swapped roles", REGIONS, "neither row nor column", 2, turned),
    # --- the published row
    entry("constant", ROW, "exact law", 4, lambda x: of(x, right=Rational(2208, 10**6))),
    entry("constant", ROW, "the sum of the row", 0, lambda x: of(x, right=Integer(1))),
    entry("bound direction", ROW, "sampling error", 3, turned),
    entry("bound direction", ROW, "cells that are no counts", 0, turned),
    entry("bound direction", ROW, "what it excludes", 0, turned),
    # --- not monotone
    entry("swapped roles", DECOY, "where the chain ends", 0, lambda x: of(x, right=decoy.S.rhs)),
    entry("missing term", DECOY, "where the chain ends", 2, lambda x: of(x, right=decoy.SLOW_P.rhs - Rational(1, 3))),
    entry("sign", DECOY, "the shared point is ahead", 0, negated),
    entry("bound direction", DECOY, "at every strength", 1, turned),
    entry("bound direction", DECOY, "powers that rise", 1, turned),
    entry("bound direction", DECOY, "the private point is given up", 0, turned),
    entry("sign", DECOY, "what guidance does to them", 0, lambda x: of(x, right=Rational(3, 2) - x.args[1])),
    entry("sign", DECOY, "slope without guidance", 0, negated),
    entry("order", DECOY, "no point excluded", 3, turned),
    entry("order", DECOY, "the mean time rises", 2, turned),
    entry("order", DECOY, "survival rises", 2, turned),
    entry("missing term", DECOY, "strengths below zero", 0, lambda x: of(x, right=Integer(1))),
    # --- posterior bounds
    entry("sign", KEPT, "a reveal, to first order", 1, negated),
    entry("missing term", KEPT, "a reveal, to first order", 2, lambda x: of(x, right=kept.MOVED)),
    entry("missing term", KEPT, "means and the mean reciprocal", 0, lambda x: of(x, right=x.args[1] - kept.SPREAD)),
    entry("bound direction", KEPT, "so they are bounded below", 0, turned),
    entry("bound direction", KEPT, "with the drift", 1, turned),
    entry("sign", KEPT, "the reciprocal posterior", 0, negated),
    entry("bound direction", KEPT, "has no positive covariance", 0, turned),
    entry("bound direction", KEPT, "and no positive slope", 0, turned),
    # --- what no instance shows to be false, but no step may lean on
    Falsehood(
        "order",
        (REGIONS, "one row, one column"),
        0,
        Ge(regions.first(regions.x, regions.y), regions.third(regions.a, regions.b), evaluate=False),
        Verdict.UNKNOWN,
    ),
    Falsehood(
        "order",
        (REGIONS, "one row, one column"),
        1,
        Ge(regions.third(regions.x, regions.y), regions.fourth(regions.x, regions.b), evaluate=False),
        Verdict.UNKNOWN,
    ),
)


@pytest.mark.parametrize(
    "falsehood", FALSEHOODS, ids=lambda x: f"{x.where[0]}-{x.where[1]}-{x.place}-{x.kind}".replace(" ", "_")
)
def test_falsehood_is_caught_by_its_step(falsehood: Falsehood) -> None:
    proof = run(falsehood.spoilt())
    first, *others = proof.failed
    assert first.name == falsehood.where[1]
    assert first.verdict is falsehood.verdict, first
    assert not proof.verdict.passes
    assert all(map(_without_ground, others)), others


def _without_ground(outcome: Outcome) -> bool:
    """Whether a step fell only with the formula it leans on."""
    return "no earlier step shows it" in outcome.evidence[0].detail


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.py"))])
def test_a_step_that_leans_on_itself_or_on_what_comes_later_is_not_run(name: str) -> None:
    derivation = right(name)
    for number, item in enumerate(derivation.steps):
        for source in {number, len(derivation.steps) - 1}:
            borrowed = derivation.steps[source].content[:1]
            if any(borrowed[0] in other.content for other in derivation.steps[:number]):
                continue
            steps = list(map(believed, derivation.steps))
            steps[number] = replace(item, given=borrowed)
            outcome = run(replace(derivation, steps=tuple(steps))).steps[number]
            assert outcome.verdict is Verdict.UNKNOWN
            assert "is used, but no earlier step shows it" in outcome.evidence[0].detail
            break


def test_what_holds_under_a_condition_serves_no_step_without_it() -> None:
    """Weights of other rows are compared where ``c`` is larger there; neither a step nor the claim may forget that."""
    derivation = right(REGIONS)
    shown = formula((REGIONS, "rows whose second reveal is faster"), 0)
    plain = next(item for item in derivation.steps if item.name == "the largest weight")
    mixed = replace(plain, name="mixed", content=(shown,), given=(shown,))
    claim = replace(derivation.claim, content=(shown,))
    *_, outcome, _ = run(replace(derivation, steps=(*derivation.steps, mixed))).steps
    assert outcome.verdict is Verdict.UNKNOWN
    assert "or under a condition" in outcome.evidence[0].detail
    proof = run(replace(derivation, claim=claim, steps=tuple(map(believed, derivation.steps))))
    assert [failed.name for failed in proof.failed] == ["claim"]


def test_a_bound_for_strong_guidance_is_no_bound_for_weak() -> None:
    """``w ≥ 0`` gives ``Λ ≥ k``; a step for ``−1 < w ≤ 0`` may not lean on it."""
    derivation = right(DOMINATION)
    shown = formula((DOMINATION, f"exit rates, {GUIDED}"), 0)
    last = derivation.steps[[item.name for item in derivation.steps].index(f"from the start, {WEAKENED}")]
    mixed = replace(last, name="mixed", given=(shown,))
    *_, outcome, _ = run(replace(derivation, steps=(*derivation.steps, mixed))).steps
    assert outcome.name == "mixed"
    assert outcome.verdict is Verdict.UNKNOWN
    assert "was shown for another range of its symbols" in outcome.evidence[0].detail


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.py"))])
def test_a_claim_beyond_the_steps_is_not_proved(name: str) -> None:
    """The claim alone is strengthened; the steps stay as they are."""
    derivation = right(name)
    first, *others = derivation.claim.content
    stronger = replace(derivation.claim, content=(of(first, right=first.args[1] + 1), *others))
    proof = run(replace(derivation, claim=stronger, steps=tuple(map(believed, derivation.steps))))
    assert [outcome.name for outcome in proof.failed] == ["claim"]
    assert proof.verdict is Verdict.UNKNOWN


def test_the_battery_is_as_wide_as_it_claims() -> None:
    kinds = Counter(falsehood.kind for falsehood in FALSEHOODS)
    assert len(FALSEHOODS) >= 80
    assert len(kinds) >= 10
    assert min(kinds.values()) >= 1
    known = {ANY, DOMINATION, RENYI, DRIFT, SHARED, MONOTONE, REGIONS, ROW, DECOY, KEPT}
    assert {falsehood.where[0] for falsehood in FALSEHOODS} == known
    for name in known:
        assert sum(falsehood.where[0] == name for falsehood in FALSEHOODS) >= 5
