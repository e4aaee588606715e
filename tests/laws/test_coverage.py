"""What the laws must not miss: every rule, every arithmetic, every path, every target of compilation."""

import ast
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from pathlib import Path
from typing import Any

import flint
import mpmath
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from laws.second_route import guided
from strategies import HARD, RULE_NAMES, Instance, instances

from symguide.answers.answer import PATHS, answer
from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import terminal_law
from symguide.closed_forms.compiled import compile_solution
from symguide.closed_forms.printers import TARGETS
from symguide.closed_forms.solution import solve
from symguide.laws.tilt import RULES, guidance
from symguide.numbers import arithmetic as arithmetics
from symguide.numbers.arithmetic import FLINT, RATIONAL, Arithmetic

TESTS = Path(__file__).parents[1]


def _arithmetics() -> dict[str, Arithmetic]:
    """Every arithmetic that the package makes public."""
    values = (getattr(arithmetics, name) for name in arithmetics.__all__)
    return {value.name: value for value in values if isinstance(value, Arithmetic)}


def _strength(name: str) -> Any:
    return {"sympy": sympy.Integer(2), "float": 2.0}.get(name, Fraction(2))


def _clock(name: str) -> Any:
    """``s = ln 2`` in an arithmetic."""
    with mpmath.workdps(60):
        return {
            "sympy": sympy.log(2),
            "float": float(mpmath.log(2)),
            "mpmath": mpmath.log(2),
            "balls": flint.arb(2).log(),
        }[name]


def test_rules_are_those_that_the_laws_run_over() -> None:
    assert set(RULE_NAMES) == set(RULES)


def _names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Name):
            yield node.id


def test_paths_are_those_that_are_tried() -> None:
    assert set(PATHS) == {"exact", "symbolic", "lumped", "markov", "array"}


def test_arithmetics_are_all_used_by_the_laws() -> None:
    public = {name for name in arithmetics.__all__ if isinstance(getattr(arithmetics, name), Arithmetic)}
    used = {name for path in (TESTS / "laws").glob("test_*.py") for name in _names(path)}
    assert public <= used
    assert {value.name for value in _arithmetics().values()} == {
        "sympy",
        "rational",
        "fmpq",
        "float",
        "mpmath",
        "balls",
    }


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("name", sorted(_arithmetics()))
@settings(max_examples=25)
@given(instance=instances())
def test_every_arithmetic_under_every_rule(name: str, rule: str, instance: Instance) -> None:
    arithmetic = _arithmetics()[name]
    with mpmath.workdps(30), flint.ctx.workprec(300):
        chain = guided_chain(guidance(instance.problem, rule)).over(arithmetic, _strength(name))
        reference = guided(instance, rule, Fraction(2))
        for x, p in terminal_law(chain).table.items():
            assert float(p) == pytest.approx(float(reference.terminal()[x]), rel=1e-12)
        if arithmetic not in (RATIONAL, FLINT):
            law = reference.at(Fraction(1, 2))
            for x, p in zip(chain.states, expand(chain).probabilities(_clock(name)), strict=True):
                assert float(p) == pytest.approx(float(law[x]), rel=1e-11, abs=1e-300)


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize("target", sorted(TARGETS))
@settings(max_examples=15)
@given(instance=instances(), strength=st.sampled_from([-0.5, 0.0, 1.5]))
def test_every_target_under_every_rule(target: str, rule: str, instance: Instance, strength: float) -> None:
    kind: Any = {"numpy": float, "mpmath": mpmath.mpf, "balls": flint.arb}[target]
    solution = solve(guided_chain(guidance(instance.problem, rule)))
    found = compile_solution(solution, solution.probabilities, target=target)(kind(strength), kind(0.5))
    with flint.ctx.workprec(300):
        law = guided(instance, rule, Fraction(strength), exact=False).at(Fraction(1, 2))
        for x, p in zip(solution.states, found, strict=True):
            assert float(p) == pytest.approx(float(law[x]), rel=1e-11, abs=1e-300)


@pytest.mark.parametrize("rule", sorted(RULES))
@pytest.mark.parametrize(
    ("path", "name"),
    [
        *product(["exact", "symbolic", "array"], ["slower sampling", "a tie at w = 1", "pair", "one token"]),
        *product(["lumped"], ["one token", "squares", "three tokens"]),
    ],
)
def test_every_path_under_every_rule(name: str, path: str, rule: str) -> None:
    half = Fraction(1, 2)
    listed = path != "lumped"
    (found,) = answer(HARD[name].problem, [Fraction(1)], [half], rule, states=listed, path=path).results
    reference = guided(HARD[name], rule, Fraction(1))
    with flint.ctx.workprec(300):
        law = reference.at(half)
        assert found.tv is not None
        assert found.tv.value == pytest.approx(
            float(sum((law[x] for x in reference.transient), flint.arb(0))), rel=1e-13
        )
        assert (found.states is not None) == listed
        if found.states is not None:
            assert {x: q.value for x, q in found.states.items()} == pytest.approx(
                {x: float(p) for x, p in law.items()}, rel=1e-13
            )
    assert {x: q.value for x, q in found.terminal.items()} == pytest.approx(
        {x: float(p) for x, p in reference.terminal().items()}, rel=1e-14
    )
