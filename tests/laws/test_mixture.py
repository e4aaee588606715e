"""Class mixtures and problems: what is read, what is refused, the marginal law."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from strategies import Instance, mixtures

from symguide.errors import DataError
from symguide.laws.law import TableLaw
from symguide.laws.mixture import ClassMixture, Problem

POINT = {(0,): 1}
EVEN = {(0,): "1/2", (1,): "1/2"}


@given(mixtures())
def test_marginal_is_the_weighted_sum_of_the_classes(instance: Instance) -> None:
    problem = instance.problem
    assert isinstance(problem.unconditional, TableLaw)
    assert isinstance(problem.conditional, TableLaw)
    assert problem.unconditional.weights == instance.unconditional
    assert problem.conditional.weights == instance.conditional
    assert sum(instance.unconditional.values()) == 1
    assert problem.prior == instance.prior
    assert (problem.vocabulary, problem.length) == (instance.vocabulary, instance.length)


def test_class_laws_in_every_form() -> None:
    table = TableLaw.from_mapping(2, 1, EVEN)
    mixture = ClassMixture.of(
        2,
        1,
        {
            "mapping": ("1/5", EVEN),
            "pairs": ("1/5", [((0,), "1/2"), ((1,), "1/2")]),
            "array": ("1/5", np.array(["1/2", "1/2"], dtype=object)),
            "floats": ("1/5", np.array([0.5, 0.5])),
            "table": ("1/5", table),
        },
    )
    assert all(law.weights == table.weights for law in mixture.laws.values())
    assert mixture.marginal.weight((0,)) == 0.5
    assert mixture.problem("floats").target == "floats"


def test_one_class_is_its_own_marginal() -> None:
    problem = ClassMixture.of(2, 1, {"a": (1, EVEN)}).problem("a")
    assert problem.conditional.weight((0,)) == problem.unconditional.weight((0,)) == Fraction(1, 2)


@pytest.mark.parametrize(
    ("classes", "why"),
    [
        ({}, "there are no classes"),
        ({"a": (0, POINT), "b": (1, POINT)}, "class 'a': prior is 0: a class needs a positive prior"),
        ({"a": ("-1/2", POINT), "b": ("3/2", POINT)}, "a class needs a positive prior"),
        ({"a": ("1/2", POINT)}, "the priors sum to 1/2, not to 1"),
        ({"a": ("0.3333", POINT), "b": ("0.6666", POINT)}, "the priors sum to"),
        ({"a": (True, POINT)}, "prior is True: that is no number"),
        ({"a": (None, POINT)}, "prior is None"),
        ({"a": (float("nan"), POINT)}, "only finite numbers"),
        ({"a": ("half", POINT)}, "text is never evaluated"),
        ({"a": (1, {})}, "class 'a': no tokens have positive weight"),
        ({"a": (1, {(0, 0): 1})}, "have length 2, but the law has 1"),
        ({"a": (1, {(5,): 1})}, "outside the vocabulary"),
        ({"a": (1, np.full((3,), 1 / 3))}, r"the law lives on \(N, D\) = \(3, 1\), the mixture on \(2, 1\)"),
        ({"a": (1, TableLaw.from_mapping(2, 2, {(0, 0): 1}))}, r"the law lives on \(N, D\) = \(2, 2\)"),
    ],
)
def test_what_is_no_mixture_is_refused(classes: Any, why: str) -> None:
    with pytest.raises(DataError, match=why) as caught:
        ClassMixture.of(2, 1, classes, name="file.json")
    assert str(caught.value).startswith("file.json")
    assert "\n" not in str(caught.value)


def test_rounded_priors_are_divided_by_their_sum_and_said_so() -> None:
    classes = {name: ("0.333333333333", POINT) for name in "abc"}
    mixture = ClassMixture.of(2, 1, classes, decimal=True)
    assert set(mixture.priors.values()) == {Fraction(1, 3)}
    assert mixture.notes == ("the priors were divided by their sum",)
    assert mixture.problem("a").notes == mixture.notes
    rounded = ClassMixture.of(3, 1, {"a": (1, {(v,): "0.333333333333" for v in range(3)})}, decimal=True)
    assert rounded.notes == ("law of class 'a' was divided by its sum",)
    assert ClassMixture.of(2, 1, {"a": (0.5, POINT), "b": (0.5, POINT)}).notes == ()


def test_unknown_targets_are_refused_with_the_choice() -> None:
    mixture = ClassMixture.of(2, 1, {"a": ("1/2", POINT), "b": ("1/2", EVEN)})
    with pytest.raises(DataError, match="there is no class 'c'; choose one of 'a', 'b'"):
        mixture.problem("c")


def test_classes_priors_and_grids_must_match() -> None:
    laws = {"a": TableLaw.from_mapping(2, 1, EVEN), "b": TableLaw.from_mapping(3, 1, EVEN)}
    with pytest.raises(DataError, match=r"different grids"):
        ClassMixture(laws, dict.fromkeys(laws, Fraction(1, 2)))
    with pytest.raises(DataError, match="priors for"):
        ClassMixture({"a": laws["a"]}, {"b": Fraction(1)})
    with pytest.raises(DataError, match="give both one grid"):
        Problem(*laws.values())


def test_labels_are_one_per_token() -> None:
    with pytest.raises(DataError, match="3 labels for a vocabulary of 2"):
        ClassMixture.of(2, 1, {"a": (1, POINT)}, labels=("x", "y", "z"))
    law = TableLaw.from_mapping(2, 1, EVEN)
    with pytest.raises(DataError, match="1 labels for a vocabulary of 2"):
        Problem(law, law, labels=("x",))
    with pytest.raises(DataError, match="label 'x' stands for the tokens 0 and 1"):
        Problem(law, law, labels=("x", "x"))
    with pytest.raises(DataError, match="mixture: label 'x' stands for the tokens 0 and 1"):
        ClassMixture.of(2, 1, {"a": (1, POINT)}, labels=("x", "x"))
    problem = ClassMixture.of(2, 1, {"a": (1, POINT)}, labels=("x", "y"), source="nobody").problem("a")
    assert (problem.labels, problem.source) == (("x", "y"), "nobody")


def test_symbolic_data() -> None:
    mixture = ClassMixture.symbolic(2, 1, 3)
    assert list(mixture.laws) == ["1", "2", "3"]
    weight = mixture.marginal.weight((0,))
    assert isinstance(weight, sympy.Expr)
    assert {str(symbol) for symbol in weight.free_symbols} == {
        f"{x}{k}{y}" for x, y in (("a_", ""), ("p(0|", ")")) for k in "123"
    }
    assert mixture.problem("2").prior == mixture.priors["2"]
    named = {"x": sympy.Symbol("x", positive=True), "a": sympy.Symbol("a", positive=True)}
    mixed = ClassMixture.of(
        2, 1, {"a": (named["a"], {(0,): named["x"], (1,): 1 - named["x"]}), "b": (1 - named["a"], EVEN)}
    )
    assert mixed.marginal.weight((0,)) == named["a"] * named["x"] + (1 - named["a"]) / 2
