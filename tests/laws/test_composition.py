"""Several conditions as one thing to ask for, and the answers about them."""

import json
from fractions import Fraction
from typing import Any

import pytest

from symguide.answers.answer import answer
from symguide.chains.chain import guided_chain
from symguide.cli import main
from symguide.errors import DataError, StrengthError, SymguideError
from symguide.laws.composition import Composition
from symguide.laws.mixture import ClassMixture
from symguide.laws.tilt import guidance

LAWS = {
    "a": {(0, 0): "1/2", (0, 1): "1/4", (1, 1): "1/4"},
    "b": {(0, 0): "1/8", (0, 1): "1/8", (1, 1): "3/4"},
    "c": {(0, 0): "1/3", (0, 1): "1/3", (1, 1): "1/3"},
}
MIXTURE = ClassMixture.of(2, 2, {name: ("1/3", law) for name, law in LAWS.items()})
ONE = ClassMixture.of(
    3, 1, {"a": ("1/2", {(0,): "1/2", (1,): "1/4", (2,): "1/4"}), "b": ("1/2", {(0,): "1/8", (1,): "1/8", (2,): "3/4"})}
)


@pytest.mark.parametrize("rule", ["rate", "normalised"])
@pytest.mark.parametrize("path", [None, "array"])
@pytest.mark.parametrize("w", [Fraction(2), Fraction(1, 2), Fraction(-1, 2)])
def test_one_condition_is_one_strength(rule: str, path: str | None, w: Fraction) -> None:
    problem, half = MIXTURE.problem("a"), [Fraction(1, 2)]
    (plain,) = answer(problem, [w], half, rule, path=path).results
    (found,) = answer(problem, [Composition((("a", w),))], half, rule, path=path).results
    assert found.tv is not None
    assert plain.tv is not None
    assert found.tv.value == pytest.approx(plain.tv.value, rel=1e-13)
    for x, q in plain.terminal.items():
        assert found.terminal[x].value == pytest.approx(q.value, rel=1e-13)
    for name, q in plain.functionals.items():
        other = found.functionals[name]
        assert other is not None
        assert q is not None
        assert other.value == pytest.approx(q.value, rel=1e-9, abs=1e-13)


@pytest.mark.parametrize(
    "conditions", [{"a": 1, "b": 0}, {"a": 2, "b": Fraction(-3, 2)}, {"a": Fraction(1, 3), "b": 1}]
)
def test_one_token_has_the_tilted_law(conditions: dict[str, Any]) -> None:
    """``∝ p(v)^{1−Σγ} Π p(v|k)^{γ_k}`` with ``γ_k = 1 + w_k``, under both rules."""
    laws = {name: {v: float(p) for (v,), p in ONE.laws[name].weights.items()} for name in ("a", "b")}
    marginal = {v: (laws["a"][v] + laws["b"][v]) / 2 for v in range(3)}
    powers = {name: 1 + float(w) for name, w in conditions.items()}
    weights = {
        v: marginal[v] ** (1 - sum(powers.values())) * laws["a"][v] ** powers["a"] * laws["b"][v] ** powers["b"]
        for v in range(3)
    }
    composition = Composition(tuple(conditions.items()))
    for rule in ("rate", "normalised"):
        (found,) = answer(ONE.problem("a"), [composition], rule=rule).results
        for v, weight in weights.items():
            assert found.terminal[(v,)].value == pytest.approx(weight / sum(weights.values()), rel=1e-12)
        away = found.functionals["tv_to_tilted"]
        assert away is not None
        assert away.value == pytest.approx(0, abs=1e-15)


def test_paths_agree() -> None:
    composition = Composition.parse(["a:1", "b:-3/2"])
    problem = MIXTURE.problem("b")
    (exact,) = answer(problem, [composition], [Fraction(1, 3)], states=True).results
    (floats,) = answer(problem, [composition], [Fraction(1, 3)], states=True, path="array").results
    assert exact.states is not None
    assert floats.states is not None
    assert exact.terminal.keys() == floats.terminal.keys()
    for mine, other in ((exact.terminal, floats.terminal), (exact.states, floats.states)):
        for x, q in mine.items():
            assert other[x].value == pytest.approx(q.value, rel=1e-11, abs=1e-15)
    assert exact.functionals["posterior"] is not None  # of the target of the problem, b


def test_dead_contexts_are_reported() -> None:
    laws = {"a": {(0, 0): "1/2", (1, 1): "1/2"}, "b": {(0, 1): "1/2", (1, 0): "1/2"}}
    mixture = ClassMixture.of(2, 2, {name: ("1/2", law) for name, law in laws.items()})
    found = answer(mixture.problem("a"), [Composition.parse(["a:0", "b:0"])])
    assert found.results[0].dead is not None
    assert found.results[0].dead.value == 1
    assert any("dead contexts" in note for note in found.notes)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ([], StrengthError, "no conditions"),
        (["a"], StrengthError, "names no class"),
        ([":1"], StrengthError, "names no class"),
        (["a:x"], StrengthError, "is 'x'"),
        (["a:1e400"], StrengthError, "no arithmetic here"),
        (["a:-1e7"], StrengthError, "no arithmetic here"),
        (["a:1", "a:2"], DataError, "given twice"),
    ],
)
def test_texts_that_are_no_conditions(given: list[str], error: type[SymguideError], words: str) -> None:
    with pytest.raises(error, match=words):
        Composition.parse(given)


def test_questions_that_make_no_sense() -> None:
    problem, both = MIXTURE.problem("a"), Composition.parse(["a:1", "b:0"])
    with pytest.raises(StrengthError, match="ask one by one"):
        answer(problem, [both, Fraction(1)])
    with pytest.raises(DataError, match="one condition only"):
        answer(problem, [both], path="lumped")
    with pytest.raises(DataError, match="no class 'z'"):
        answer(problem, [Composition.parse(["z:1"])])


def test_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    both = ("--condition", "high:0", "--condition", "low:-1/2", "--json")
    assert main(["solve", "squares-overlap", *both]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert (result["w"], result["conditions"]) == (None, {"high": "0", "low": "-1/2"})
    assert main(["solve", "squares-overlap", "--condition", "high:1"]) == 0
    assert "w = high:1" in capsys.readouterr().out
    bad = {
        "--condition high:1 --w 1": "--condition and --w",
        "--condition high:1 --guidance-schedule ramp-up:1": "--condition and --guidance-schedule",
        "--condition high": "names no class",
        "--condition high:1 --condition low:-3/2": "negative exponent",
        "--condition top:1": "no class 'top'",
    }
    for arguments, words in bad.items():
        assert main(["solve", "squares-overlap", *arguments.split()]) == 2
        err = capsys.readouterr().err
        assert words in err
        assert err.count("\n") == 1
    assert main(["solve", "characters", "--condition", "a:1"]) == 2
    assert "no classes" in capsys.readouterr().err


def test_tables_where_all_mass_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """No token suits both classes, so there is no terminal law to list."""
    assert main(["solve", "interval-disjoint", "--condition", "low:1", "--condition", "high:1"]) == 0
    assert "dead contexts hold mass 1" in " ".join(capsys.readouterr().out.split())


def test_negative_conditions_repel() -> None:
    problem = MIXTURE.problem("b")
    plain, away = (
        answer(problem, [Composition.parse(given)]).results[0].functionals["posterior"]
        for given in (["a:0"], ["a:0", "b:-3/2"])
    )
    assert plain is not None
    assert away is not None
    assert away.value < plain.value - 0.01


def test_irrational_shares_are_no_rational_chain() -> None:
    """Exit rates of the normalised rule are whole numbers whatever the shares are."""
    chain = guided_chain(Composition.parse(["a:1/2", "b:0"]).tilt(MIXTURE.problem("a"), "normalised"))
    assert not chain.is_rational
    assert chain.is_exact
    floats = ClassMixture.of(2, 1, {"a": ("1/2", {(0,): 0.25, (1,): 0.75}), "b": ("1/2", {(0,): 0.5, (1,): 0.5})})
    assert not guided_chain(guidance(floats.problem("a"), "normalised")).is_exact
