"""Certificates: what holds is certified and re-checked, what does not is refuted, and what is open is said to be."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import flint
import mpmath
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HARD, RULE_NAMES, Instance, instances, mixtures

from symguide import recheck
from symguide.certificates import certificate
from symguide.certificates.certificate import Budget, Certificate, Claim, certify, certify_value
from symguide.certificates.formula import FORMULAS, Formula, U, W, evaluate
from symguide.chains.chain import Chain, guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import terminal_law
from symguide.errors import SymguideError
from symguide.evidence import Verdict
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS, FLOATS
from symguide.recheck import check
from symguide.symbols import w

HALF = Fraction(1, 2)


def _chain(name: str, rule: str = "rate") -> Chain[Any]:
    return guided_chain(guidance(HARD[name].problem, rule))


def _tv(name: str) -> Formula:
    return expand(_chain(name).over(FORMULAS, w)).survival(None)


def _power(base: Any, coefficient: Any = 1) -> Formula:
    return FORMULAS.term(Fraction(coefficient), Fraction(base), w)


def _holds(found: Certificate) -> bool:
    """Certified, and confirmed by the verifier."""
    assert found.verdict >= Verdict.ENCLOSED, found.detail
    return check(json.loads(json.dumps(found.data))) == found.text


@settings(max_examples=30)
@given(instances())
def test_normalisers_are_at_least_one(instance: Instance) -> None:
    """``Z_i(x_S) ≥ 1`` on all of ``[0, ∞)``, ties at ``w = 0`` included."""
    chain = guided_chain(guidance(instance.problem))
    for state in chain.transient[:4]:
        masked = chain.states[state].count(None)
        formula = chain.over(FORMULAS, w).exit_rate(state) - masked
        assert _holds(certify(Claim("exit rate", formula, Fraction(0), None)))


@settings(max_examples=20)
@given(mixtures(max_length=2, max_vocabulary=3), st.sampled_from(RULE_NAMES))
def test_comparisons_of_terminal_probabilities(instance: Instance, rule: str) -> None:
    """Either order holds, or one of them is refuted, or neither side wins for good; floats agree at some strengths."""
    chain = guided_chain(guidance(instance.problem, rule))
    law = terminal_law(chain.over(FORMULAS, w)).table
    first, last = chain.states[chain.terminal[0]], chain.states[chain.terminal[-1]]
    found = certify(Claim("order", law[last] - law[first], HALF, None), Budget(300, 512))
    values = [terminal_law(chain.over(FLOATS, strength)) for strength in (0.5, 1.0, 3.0, 10.0)]
    if found.verdict.passes:
        assert _holds(found)
        assert all(p[last] >= p[first] - 1e-12 for p in values)
    elif found.verdict is Verdict.REFUTED:
        back = certify(Claim("order", law[first] - law[last], HALF, None, relation=">0"), Budget(300, 512))
        assert back.verdict is not Verdict.UNKNOWN
        if back.verdict.passes:
            assert _holds(back)
            assert all(p[last] < p[first] + 1e-12 for p in values)


@pytest.mark.parametrize("name", ["one token", "squares", "slower sampling", "exact ties", "xor", "three tokens"])
def test_domination_on_a_range_of_strengths(name: str) -> None:
    """``TV(1/2) ≤ 1 − (1/2)^D`` for ``0 ≤ w ≤ 3``: both sides meet at ``w = 0``."""
    bound = 1 - (1 - U) ** _chain(name).length
    found = certify(Claim("domination", bound - _tv(name), Fraction(0), Fraction(3), fixed=HALF))
    assert _holds(found)
    boxes = found.data["argument"]["boxes"]
    assert boxes[0][2:] == [1, "low", 1]


@pytest.mark.parametrize("name", ["squares", "slower sampling", "xor", "a tie at w = 1", "one token"])
def test_domination_along_the_clock(name: str) -> None:
    """``TV(u) ≤ 1 − (1 − u)^D`` for ``1/10 ≤ u ≤ 1`` at ``w = 1``: a zero of order ``D`` at ``u = 1``."""
    length = _chain(name).length
    found = certify(Claim("clock", 1 - (1 - U) ** length - _tv(name), Fraction(1, 10), Fraction(1), "u", Fraction(1)))
    assert _holds(found)
    assert found.data["argument"]["boxes"][-1][2:] == [length, "high", length]
    assert found.verdict is Verdict.ENCLOSED


def test_bounds_of_tv_without_ties() -> None:
    """``TV(1/2)`` of the overlapping squares stays above ``u`` and is known to three digits on a unit range."""
    for formula in (_tv("squares") - U, Fraction(64358, 100000) - _tv("squares")):
        found = certify(Claim("bound", formula, Fraction(1), Fraction(4), fixed=HALF, relation=">0"))
        assert _holds(found)


def test_order_of_regions() -> None:
    """Weights relative to ``p(x|z)``: the corner that both squares share weighs least, whatever ``w > 0``."""
    chain = _chain("squares")
    law = terminal_law(chain.over(FORMULAS, w)).table
    for left, right in (((4, 4), (2, 4)), ((2, 4), (2, 2)), ((4, 4), (2, 2))):
        assert _holds(certify(Claim("regions", law[left] - law[right], Fraction(0), None)))
        strict = certify(Claim("regions", law[left] - law[right], Fraction(1, 1000), None, relation=">0"))
        assert _holds(strict)
        assert certify(Claim("regions", law[right] - law[left], HALF, None)).verdict is Verdict.REFUTED


def test_boxes_and_a_tail() -> None:
    """Three changes of sign and no zero: no exact argument at hand decides, subdivision and the leading term do."""
    formula = _power(3) - _power(2, 2) + 2 - _power("1/2", "1/4")
    found = certify(Claim("dip", formula, Fraction(0), None, relation=">0"))
    assert found.data["argument"]["kind"] == "boxes"
    assert found.data["argument"]["tail"]["base"] == "3"
    assert _holds(found)


def test_exact_arguments_where_only_rationals_are_compared() -> None:
    found = certify(Claim("sum", _power(2) - 1, Fraction(0), None))
    assert found.verdict is Verdict.PROVED
    assert found.data["argument"] == {"kind": "sums", "pivots": []}
    assert certify(Claim("sum", _power(2) - 1, HALF, None)).verdict is Verdict.ENCLOSED
    assert certify(Claim("sum", _power(2) - 1, Fraction(0), None, relation=">0")).verdict is Verdict.REFUTED
    zero = certify(Claim("zero", _power(2) - _power(2), Fraction(0), None))
    assert _holds(zero)


@pytest.mark.parametrize(
    ("formula", "low", "high", "relation", "said"),
    [
        (1 - _power(2), 0, None, ">=0", r"-1 \(2\)\^w leads, so it fails for large w"),
        (_power(4) - _power(2, 6) + 8, 0, None, ">=0", r"at w = \S+ it is -"),
        (_power(2) - 1 - W / 2, 0, 1, ">0", "it is 0 at w = 0"),
        (W - _power(2), 0, 1, ">=0", "at w = 0 it is -1"),
    ],
)
def test_false_claims_are_refuted(formula: Formula, low: int, high: int | None, relation: str, said: str) -> None:
    end = None if high is None else Fraction(high)
    found = certify(Claim("false", formula, Fraction(low), end, relation=relation))
    assert found.verdict is Verdict.REFUTED
    assert re.match(said, found.detail), found.detail
    with pytest.raises(SymguideError, match="it is refuted, so there is nothing to save; correct the claim"):
        found.save("never.json")


def test_a_spent_budget_says_what_was_reached() -> None:
    claim = Claim("domination", 1 - (1 - U) ** 2 - _tv("squares"), Fraction(0), Fraction(3), fixed=HALF)
    found = certify(claim, Budget(boxes=10))
    assert found.verdict is Verdict.UNKNOWN
    assert "the budget was spent: certified on [0, " in found.detail
    with pytest.raises(SymguideError, match="it is unknown, so there is nothing to save; spend a larger budget"):
        found.save("never.json")
    touching = Claim("touches", (W - 1) * (W - 1), Fraction(0), Fraction(3))
    assert "open from" in certify(touching, Budget(boxes=100)).detail  # zero inside the range: no box can show it
    assert "no quotient of exponential sums" in certify(Claim("open", W, Fraction(1), None)).detail


def test_values_to_any_width() -> None:
    formula = _tv("squares")
    for width in ("1e-5", "1e-40", "1e-300"):
        found = certify_value("TV", formula, width, w=1, u=HALF)
        assert found.verdict is Verdict.ENCLOSED
        assert check(dict(found.data)) == "TV"
        lower, upper = Fraction(found.data["lower"]), Fraction(found.data["upper"])
        assert 0 < upper - lower <= Fraction(width)
        with flint.ctx.workprec(1200):
            exact = expand(_chain("squares").over(BALLS, Fraction(1))).survival(flint.arb(2).log())
            assert BALLS.number(lower) < exact < BALLS.number(upper)
    spent = certify_value("TV", formula, "1e-300", w=1, u=HALF, budget=Budget(bits=256))
    assert spent.verdict is Verdict.UNKNOWN
    assert "the budget was spent: width" in spent.detail
    assert "at 256 bits" in spent.detail


def test_published_values_of_overlapping_squares() -> None:
    for strength, value in ((1, "0.643562"), (2, "0.556597"), (4, "0.507966"), (8, "0.500489"), (16, "0.500002")):
        found = certify_value("TV", _tv("squares"), "1e-12", w=strength, u=HALF)
        assert float(Fraction(found.data["lower"])) == pytest.approx(float(value), abs=6e-7)


def test_saved_whole_or_not_at_all(tmp_path: Path) -> None:
    found = certify(Claim("sum", _power(2) - 1, Fraction(0), None))
    place = found.save(tmp_path / "sum.json")
    assert json.loads(place.read_text()) == found.data
    assert [path.name for path in tmp_path.iterdir()] == ["sum.json"]
    with pytest.raises(SymguideError, match="so the certificate was not written; choose another path"):
        found.save(tmp_path / "nowhere" / "sum.json")
    (tmp_path / "folder").mkdir()
    with pytest.raises(SymguideError, match="was not written"):
        found.save(tmp_path / "folder")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "sum.json"]
    assert found.evidence.verdict is Verdict.PROVED


def test_precision_is_left_as_it_was() -> None:
    before = flint.ctx.prec, flint.ctx.cap, mpmath.mp.prec
    check(dict(certify(Claim("sum", _power(2) - _power(3) / 3 - W / 9, Fraction(0), HALF)).data))
    assert (flint.ctx.prec, flint.ctx.cap, mpmath.mp.prec) == before


def test_bad_claims() -> None:
    zero, one = Fraction(0), Fraction(1)
    for arguments, said in (
        ((W, zero, one, "t"), "its variable is 't'"),
        ((W, one, zero), r"its range \[1, 0\] is empty"),
        ((W, Fraction(-2), one), "its range leaves w >= -1"),
        ((U, zero, one, "u"), "its range leaves w >= -1 or 0 < u <= 1"),
        ((U, HALF, None, "u"), "its range leaves"),
        ((W * U, zero, one), "its formula speaks of u, which has no value; give one as fixed"),
        ((W * U, HALF, one, "u"), "its formula speaks of w"),
        ((W, zero, one, "w", None, "<0"), "its relation is '<0'; choose one of >=0, >0"),
    ):
        with pytest.raises(SymguideError, match=said):
            Claim("bad", *arguments)
    for arguments, said in (
        ((0,), "an interval of that width encloses nothing"),
        ((0.5,), "width is 0.5: certificates speak of rational numbers"),
    ):
        with pytest.raises(SymguideError, match=said):
            certify_value("bad", W, *arguments, w=1)


def test_evaluation_agrees_with_the_verifiers_power_series() -> None:
    """Jets on one side, power series and Toeplitz blocks on the other, in ``w`` and in ``u``."""
    lines = (_tv("a tie at w = 1") * U / (1 + W)).lines
    for variable, fixed, point in (("w", HALF, Fraction(1, 3)), ("u", Fraction(1, 3), HALF)):
        claim = Claim("both", _tv("a tie at w = 1") * U / (1 + W), HALF / 2, Fraction(1), variable, fixed)
        with flint.ctx.workprec(256):
            ours = certificate._enclosed(claim, lines, point, point, 256, 4)
            places = recheck._places(variable, BALLS.number(point), fixed)
            theirs = recheck._coefficients(recheck._read_lines([list(line) for line in lines]), 4, *places, variable)
            assert all(abs(a - b) < 1e-60 for a, b in zip(ours, theirs, strict=True))
            assert evaluate(lines, BALLS, *(BALLS.number(Fraction(1, 3)),) * 2, BALLS.number(HALF)).overlaps(
                theirs[0] if variable == "w" else ours[0]
            )
