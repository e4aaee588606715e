"""Parallel updates on large supports: the same law as with every context listed, but for the two lumps."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sampler_cases import ONE_STEP, UNEVEN, charged
from strategies import RULE_NAMES, Instance, instances

from symguide.answers.samples import sample_answer
from symguide.errors import ChainTooLargeError, InfiniteRatioError, StrengthError
from symguide.flows import sampler_flows
from symguide.flows.flow import run
from symguide.flows.sampler_flows import sampler_flow
from symguide.flows.samplers import FINALS
from symguide.flows.steps import steps_between
from symguide.flows.support_updates import SupportKernel, stands_for_others, support_updates
from symguide.flows.updates import parallel_updates
from symguide.instances.datasets import load
from symguide.laws.law import TableLaw
from symguide.laws.mixture import ClassMixture, Problem
from symguide.laws.tilt import composed, guidance
from symguide.numbers.arithmetic import FLOATS
from symguide.schedules.published import log_linear


def lumped(law: dict[Any, Any], instance: Instance) -> dict[Any, float]:
    """A law with every context off the support of ``p(.|z)`` put into one of two lumps."""
    out: dict[Any, float] = {}
    for context, probability in law.items():
        on = any(
            all(token in (None, v) for token, v in zip(context, x, strict=True)) for x in instance.conditional
        ) and not stands_for_others(context, instance.vocabulary)
        name = context if on else ("masked" if None in context else "complete")
        out[name] = out.get(name, 0.0) + float(probability)
    return out


def both(instance: Instance, monkeypatch: pytest.MonkeyPatch, sampler: str, w: Any, **more: Any) -> tuple[dict, dict]:
    steps = steps_between(log_linear(), [Fraction(9, 10), Fraction(2, 3), Fraction(1, 4), Fraction(1, 10)])
    listed = run(sampler_flow(instance.problem, sampler, w, steps, FLOATS, **more))
    with monkeypatch.context() as patch:
        patch.setattr(sampler_flows, "parallel_updates", _refuse)
        flow = sampler_flow(instance.problem, sampler, w, steps, FLOATS, **more)
        assert all(isinstance(part, SupportKernel) for part in flow.parts)
        found = run(flow)
    assert float(found.column.sum()) == pytest.approx(1, abs=1e-14)
    return lumped(charged(found), instance), lumped(charged(listed), instance)


def _refuse(*arguments: Any, **more: Any) -> Any:
    raise ChainTooLargeError("parallel updates: too many")


def _same(found: dict[Any, float], expected: dict[Any, float]) -> None:
    for name in found.keys() | expected.keys():
        assert found.get(name, 0.0) == pytest.approx(expected.get(name, 0.0), rel=1e-11, abs=2e-15), name


@pytest.mark.parametrize("rule", RULE_NAMES)
@pytest.mark.parametrize("sampler", ONE_STEP)
@settings(max_examples=12)
@given(instance=instances(), w=st.sampled_from([0, 1, Fraction(5, 2)]))
def test_law_is_that_of_all_contexts(sampler: str, rule: str, instance: Instance, w: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        _same(*both(instance, patch, sampler, w, rule=rule))


@pytest.mark.parametrize("final", FINALS)
@pytest.mark.parametrize("sampler", ONE_STEP)
def test_last_step_where_contexts_leave_the_support(sampler: str, final: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, expected = both(UNEVEN, monkeypatch, sampler, 1, final=final)
    assert expected["complete"] > 0.01
    assert expected["masked"] > 0.01
    _same(found, expected)


def test_strengths_that_change_from_step_to_step(monkeypatch: pytest.MonkeyPatch) -> None:
    _same(*both(UNEVEN, monkeypatch, "ancestral", [2, 0, 1]))


def test_unconditional_steps_are_listed_on_the_unconditional_support() -> None:
    conditional = {(0, 0): "1/2", (1, 1): "1/2"}
    mixture = ClassMixture.of(2, 2, {"a": ("1/2", conditional), "b": ("1/2", {(0, 1): "1/2", (1, 0): "1/2"})})
    assert len(support_updates(guidance(mixture.problem("a")).at(-1)).states) == 9 + 2
    assert len(support_updates(guidance(mixture.problem("a"))).states) == 7 + 2


def test_menus_and_chances_are_those_of_listed_updates() -> None:
    tilt = guidance(UNEVEN.problem)
    large, small = support_updates(tilt), parallel_updates(tilt)
    rows = {
        (large.states[int(c)], int(i)): row
        for row, (c, i) in enumerate(zip(large.contexts, large.positions, strict=True))
    }
    order = [rows[small.states[int(c)], int(i)] for c, i in zip(small.contexts, small.positions, strict=True)]
    assert sorted(order) == list(range(len(large.contexts)))
    mine, theirs = large.menus(FLOATS, 1.5), small.menus(FLOATS, 1.5)
    np.testing.assert_array_equal(large.tokens[order], small.tokens)
    for name in ("rates", "shares", "paces", "alive"):
        np.testing.assert_allclose(getattr(mine, name)[order], getattr(theirs, name), rtol=1e-13)
    law = UNEVEN.problem.unconditional
    np.testing.assert_allclose(large.chances_under(law, FLOATS)[order], small.chances_under(law, FLOATS), rtol=1e-13)
    best = [row.argmax() for row in small.ranks(1.5)]
    assert [row.argmax() for row in large.ranks(1.5)[order]] == best


def test_dead_positions_keep_their_masks() -> None:
    """Two conditions that agree on every token but on no pair."""
    laws = {"a": {(0, 0): "1/2", (1, 1): "1/2"}, "b": {(0, 1): "1/2", (1, 0): "1/2"}}
    mixture = ClassMixture.of(2, 2, {name: ("1/2", law) for name, law in laws.items()})
    found = support_updates(composed(mixture, {"a": 1, "b": 1}))
    menus = found.menus(FLOATS, 0.0)
    assert menus.alive.ravel().tolist() == [bool(row) for row in (found.tokens >= 0).any(axis=1)]
    step = found.kernel(menus.shares, 0 * menus.paces, FLOATS)
    law = step.push(np.eye(len(found.states))[0])
    # Both positions are shown at once: all four pairs are off the support, none has a mask.
    assert law[-2:].tolist() == [0.0, 1.0]
    again = step.push(np.eye(len(found.states))[1])
    assert again[1] == 1.0


def test_one_position_never_leaves_the_support() -> None:
    problem = load("interval-overlap")
    found = support_updates(guidance(problem))
    menus = found.menus(FLOATS, 2.0)
    law = found.kernel(menus.shares / 2, 0 * menus.paces + 0.5, FLOATS).push(np.eye(len(found.states))[0])
    assert len(set(found.states)) == len(found.states)
    assert law[-2:] == pytest.approx([0, 0], abs=1e-15)


def test_too_many_moves_on_the_support_are_refused() -> None:
    with pytest.raises(ChainTooLargeError, match=r"make 16807 moves between contexts on the support, more than the"):
        support_updates(guidance(load("hypercubes-5d")), limit=16806)


def test_negative_powers_of_what_is_excluded_are_refused() -> None:
    pair = Problem(TableLaw.from_mapping(2, 1, {(0,): 1}), TableLaw.from_mapping(2, 1, {(1,): 1}), "pair", None)
    with pytest.raises(InfiniteRatioError):
        support_updates(guidance(pair))
    with pytest.raises(StrengthError):
        support_updates(guidance(UNEVEN.problem)).menus(FLOATS, -1.5)


def test_words_are_answered() -> None:
    """Each word of the first step is its product of letters' chances; the rest is masked or no word."""
    problem = load("words", target="fr")
    found = sample_answer(problem, "ancestral", 1, log_linear(), 1)
    assert found.path == "array"
    law = problem.conditional
    rest = (None,) * 5
    tilt = guidance(problem, "normalised").at(1)
    shares = []
    for position in range(5):
        raw = {v: float(q.expression(sympy.Integer(1))) for v, q in tilt.intensities(rest, position).items()}
        shares.append({v: q / sum(raw.values()) for v, q in raw.items()})
    for word in list(law.weights)[:20]:
        expected = float(np.prod([shares[i][v] for i, v in enumerate(word)]))
        assert found.terminal[word].value == pytest.approx(expected, rel=1e-12)
    assert found.off_support.value == pytest.approx(1 - sum(q.value for q in found.terminal.values()), abs=1e-13)
    assert found.masked.value == pytest.approx(0, abs=1e-15)
