"""Numbers as data gives them: read exactly, never evaluated, refused with a reason."""

import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import flint
import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from symguide.errors import DataError, StrengthError, SymguideError
from symguide.numbers.number import canonical_string, is_exact, read_number, shown, to_sympy, total
from symguide.numbers.numeral import read_numeral


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [
        (3, Fraction(3)),
        (-2, Fraction(-2)),
        (np.int64(7), Fraction(7)),
        (Fraction(2, 6), Fraction(1, 3)),
        ("1/3", Fraction(1, 3)),
        ("-1/2", Fraction(-1, 2)),
        (" 0.1 ", Fraction(1, 10)),
        ("+.5", Fraction(1, 2)),
        ("2.", Fraction(2)),
        ("1e-20", Fraction(1, 10**20)),
        ("2.5E3", Fraction(2500)),
        (Decimal("0.1"), Fraction(1, 10)),
        (sympy.Rational(2, 3), Fraction(2, 3)),
        (sympy.Integer(4), Fraction(4)),
        (flint.fmpq(3, 9), Fraction(1, 3)),
    ],
)
def test_exact_numbers_become_fractions(given_value: object, expected: Fraction) -> None:
    found = read_number(given_value, "it")
    assert found == expected
    assert isinstance(found, Fraction)


def test_floats_stay_floats_and_expressions_expressions() -> None:
    for value in (0.1, np.float64(0.1), np.float32(0.5), sympy.Float("0.25")):
        found = read_number(value, "it")
        assert type(found) is float
        assert found == float(value)
    symbol = sympy.Symbol("a", positive=True)
    assert read_number(symbol / 3, "it") == symbol / 3
    assert read_number(sympy.sqrt(2), "it") == sympy.sqrt(2)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (True, "it is True: that is no number"),
        (False, "it is False: that is no number"),
        (None, "it is None: that is no number"),
        (float("nan"), "only finite numbers"),
        (float("inf"), "only finite numbers"),
        (-np.inf, "only finite numbers"),
        (Decimal("NaN"), "only finite numbers"),
        (sympy.oo, "only finite numbers"),
        (sympy.nan, "only finite numbers"),
        (sympy.zoo, "only finite numbers"),
        ("nan", "only finite numbers"),
        ("-Infinity", "only finite numbers"),
        ("1/0", "its denominator is zero"),
        ("", "text is never evaluated"),
        ("sqrt(2)", "text is never evaluated"),
        ("1+1", "text is never evaluated"),
        ("0x10", "text is never evaluated"),
        ("1_000", "text is never evaluated"),
        ("1/2/3", "text is never evaluated"),
        ("1e99999", "exponents are read up to four digits"),
        ("9" * 5000, "a text of 5000 characters"),
        (1j, "of type complex"),
        ([1], "of type list"),
        ({"a": 1}, "of type dict"),
        (np.True_, "of type bool"),
    ],
)
def test_everything_else_is_refused_in_one_line(value: object, why: str) -> None:
    with pytest.raises(StrengthError, match=why) as caught:
        read_number(value, "it", StrengthError)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("it is ")
    assert len(str(caught.value)) < 250


def test_text_is_never_evaluated() -> None:
    seen: list[int] = []

    class Trap(str):
        __slots__ = ()

        def __call__(self) -> None:
            seen.append(1)

    with pytest.raises(SymguideError, match="text is never evaluated"):
        read_number(Trap("__import__('os').getcwd()"), "prior")
    assert not seen


@given(st.fractions())
def test_spelling_reads_back(value: Fraction) -> None:
    assert read_number(canonical_string(value), "it") == value
    assert to_sympy(value) == sympy.Rational(value.numerator, value.denominator)
    assert read_number(to_sympy(value), "it") == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_decimals_are_read_as_they_are_spelled(value: Decimal) -> None:
    assert read_number(value, "it") == read_number(str(value), "it") == Fraction(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_kept_to_the_bit(value: float) -> None:
    assert read_number(value, "it") == value
    assert not is_exact(read_number(value, "it"))
    assert float(to_sympy(value)) == value


def test_exactness() -> None:
    symbol = sympy.Symbol("a")
    assert is_exact(Fraction(1, 3))
    assert is_exact(symbol + sympy.Rational(1, 3))
    assert not is_exact(0.5)
    assert not is_exact(symbol + 0.5)


@given(st.lists(st.fractions(max_denominator=50), min_size=1, max_size=6))
def test_totals(values: list[Fraction]) -> None:
    assert total(values) == sum(values)
    symbol = sympy.Symbol("a")
    mixed: Any = [symbol, *values]
    assert total(mixed) == symbol + to_sympy(sum(values, Fraction(0)))


def test_values_in_messages_are_short() -> None:
    assert shown(Fraction(2, 3)) == "2/3"
    assert shown(Fraction(1, 3**400)).startswith("about ")
    assert len(shown("x" * 1000)) <= 40
    huge = Fraction(10**6000 + 1, 10**6000)
    assert shown(huge) == "about 1.0"
    with pytest.raises(DataError) as caught:
        read_number("z" * 3000, "prior of 'a'", DataError)
    assert len(str(caught.value)) < 200


def test_numerals_need_no_sympy() -> None:
    use = "import sys, symguide.numbers.numeral, symguide.laws.rules"
    script = f"{use}; print(*{{'sympy', 'numpy', 'mpmath'}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@given(st.text(alphabet="0123456789+-./eE _nx", max_size=8))
def test_a_numeral_is_read_as_python_reads_fractions_or_not_at_all(text: str) -> None:
    try:
        found = read_numeral(text, "it")
    except SymguideError:
        return
    assert found == Fraction(text.strip())
