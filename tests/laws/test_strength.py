"""Strength conventions against the guided law each of them names."""

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from symguide.errors import StrengthError
from symguide.laws.strength import CONVENTIONS, from_w, read_strength, to_w
from symguide.symbols import symbol, w

# The guided log-probability of a token up to normalisation, as each source writes it: label, conditional and
# unconditional log-probabilities, and ln p(z), which drops out of every law.
SOURCES = {
    "w": lambda label, c, u, z: (1 + label) * c - label * u,
    "gamma": lambda label, c, u, z: label * c + (1 - label) * u,
    "guidance-scale": lambda label, c, u, z: u + label * (c - u),
    "cfg-scale": lambda label, c, u, z: u + (label + 1) * (c - u),
    "temperature": lambda label, c, u, z: u + (c - u + z) / label,
}
strengths = st.fractions(min_value=-1, max_value=1000, max_denominator=10**6)


def test_every_convention_is_covered() -> None:
    assert set(SOURCES) == set(CONVENTIONS)
    for convention in CONVENTIONS.values():
        assert "arXiv:" in convention.source and "w" in convention.formula and "\n" not in convention.description


@pytest.mark.parametrize("name", SOURCES)
@given(strength=strengths.filter(lambda value: value > -1))
@settings(deadline=None, max_examples=30)
def test_a_label_means_the_law_of_its_source(name: str, strength: Fraction) -> None:
    tokens = [(Fraction(-1, 3), Fraction(-2)), (Fraction(-5, 2), Fraction(-1, 7)), (Fraction(-3), Fraction(-3))]
    label = from_w(strength, name)
    guided = [SOURCES[name](label, c, u, Fraction(-9, 4)) for c, u in tokens]
    expected = [(1 + strength) * c - strength * u for c, u in tokens]
    # Equal laws: log-probabilities that differ by a constant.
    assert len({a - b for a, b in zip(guided, expected, strict=True)}) == 1


@pytest.mark.parametrize("name", CONVENTIONS)
@given(strength=strengths)
@settings(deadline=None, max_examples=30)
def test_there_and_back_exactly(name: str, strength: Fraction) -> None:
    label = from_w(strength, name)
    back = to_w(label, name)
    assert back == strength and isinstance(back, Fraction)
    assert to_w(str(label), name) == strength if label != sympy.oo else strength == -1


@pytest.mark.parametrize("name", CONVENTIONS)
def test_symbols_pass(name: str) -> None:
    assert sympy.simplify(to_w(from_w(w, name), name) - w) == 0  # type: ignore[operator]
    scale = symbol("x", positive=True)
    assert sympy.simplify(from_w(to_w(scale, name), name) - scale) == 0  # type: ignore[operator]


def test_anchors() -> None:
    unconditional = {"w": -1, "gamma": 0, "guidance-scale": 0, "cfg-scale": -1, "temperature": sympy.oo}
    conditional = {"w": 0, "gamma": 1, "guidance-scale": 1, "cfg-scale": 0, "temperature": 1}
    for name in CONVENTIONS:
        assert from_w(-1, name) == unconditional[name] and from_w(0, name) == conditional[name]
        assert to_w(unconditional[name], name) == -1 and to_w(conditional[name], name) == 0
        assert isinstance(to_w(unconditional[name], name), Fraction)


def test_floats_stay_floats() -> None:
    for name in CONVENTIONS:
        label = from_w(0.5, name)
        assert type(label) is float and type(to_w(label, name)) is float and to_w(label, name) == pytest.approx(0.5)
    assert from_w(-1.0, "temperature") == math.inf and type(from_w(-1.0, "temperature")) is float
    assert to_w(math.inf, "temperature") == -1.0 and type(to_w(math.inf, "temperature")) is float
    assert read_strength(np.float64(2.5)) == 2.5 and read_strength(np.int64(2)) == Fraction(2)
    assert read_strength(sympy.sqrt(2)) == sympy.sqrt(2)
    assert read_strength("-1") == -1 and read_strength(-1.0) == -1.0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("-1.0001", "w is -10001/10000: below -1 the guided chain is not defined; use w >= -1 .-1 is unconditional."),
        (-1.0000000000000002, "below -1"),
        (-sympy.sqrt(2), r"w is -sqrt\(2\): below -1"),
        (-2 - symbol("x", positive=True), "below -1"),
        (sympy.I, "w is I: a strength is a real number"),
        (math.nan, "w is nan: only finite numbers"),
        (math.inf, "w is inf: only finite numbers"),
        (sympy.oo, "w is oo: only finite numbers"),
        (sympy.nan, "w is nan: only finite numbers"),
        ("inf", "w is inf: only finite numbers"),
        (True, "w is True: that is no number"),
        (None, "w is None: that is no number"),
        ("two", "w is 'two': that is no number"),
        ([1, 2], "of type list: a number belongs here"),
    ],
)
def test_bad_strengths(value: Any, message: str) -> None:
    for ask in (read_strength, lambda given: from_w(given, "gamma"), lambda given: to_w(given, "w")):
        with pytest.raises(StrengthError, match=message) as caught:
            ask(value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "name", "message"),
    [
        ("-1/2", "gamma", "w behind gamma -1/2 is -3/2: below -1"),
        (-0.5, "guidance-scale", "w behind guidance-scale -0.5 is -1.5: below -1"),
        (0, "temperature", "temperature is 0: 1/T = 1 [+] w has no strength there; use a temperature above 0"),
        (0.0, "temperature", "temperature is 0.0: "),
        ("-1/2", "temperature", "temperature is -1/2: "),
        (-math.inf, "temperature", "temperature is -inf: only finite numbers"),
        (-symbol("x", positive=True), "temperature", "temperature is -x: "),
        (5e-324, "temperature", "w behind temperature 5e-324 is inf: only finite numbers"),
        (math.nan, "temperature", "temperature is nan: only finite numbers"),
        (math.inf, "gamma", "gamma is inf: only finite numbers"),
        (False, "temperature", "temperature is False: that is no number"),
        (
            1,
            "scale",
            "convention 'scale' is unknown, so its numbers mean nothing; choose one of w, gamma, guidance-scale",
        ),
        (1, None, "convention None is unknown"),
    ],
)
def test_bad_labels(value: Any, name: Any, message: str) -> None:
    with pytest.raises(StrengthError, match=message) as caught:
        to_w(value, name)
    assert "\n" not in str(caught.value)


def test_the_list_is_read_only() -> None:
    with pytest.raises(TypeError):
        CONVENTIONS["mine"] = CONVENTIONS["w"]  # type: ignore[index]
