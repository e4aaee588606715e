"""The verifier: what was tampered with is rejected, for the right reason, and nothing of the prover is in it."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from copy import deepcopy
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import flint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import HARD, RULE_NAMES, Instance, mixtures

from symguide import recheck
from symguide.certificates.certificate import Certificate, Claim, certify, certify_value
from symguide.certificates.dominance import expanded
from symguide.certificates.formula import FORMULAS, Formula, U
from symguide.chains.chain import guided_chain
from symguide.chains.expansion import expand
from symguide.chains.functionals import terminal_law
from symguide.laws.tilt import guidance
from symguide.numbers.arithmetic import BALLS
from symguide.numbers.divided_differences import exp_dd_ball
from symguide.recheck import RejectedError, UnreadableError, check, main
from symguide.symbols import w

HALF = Fraction(1, 2)
Tamper = Callable[[dict[str, Any]], Any]


def _tv(name: str) -> Formula:
    return expand(guided_chain(guidance(HARD[name].problem)).over(FORMULAS, w)).survival(None)


def _power(base: Any, coefficient: Any = 1) -> Formula:
    return FORMULAS.term(Fraction(coefficient), Fraction(base), w)


@cache
def _certificates() -> dict[str, Certificate]:
    squares = _tv("squares")
    tail = _power(3) - _power(2, 2) + 2 - _power("1/2", "1/4")
    rate = guided_chain(guidance(HARD["slower sampling"].problem)).over(FORMULAS, w).exit_rate(0) - 2
    return {
        "strengths": certify(Claim("strengths", 1 - (1 - U) ** 2 - squares, Fraction(0), Fraction(3), fixed=HALF)),
        "clock": certify(Claim("clock", 1 - (1 - U) ** 2 - squares, Fraction(1, 10), Fraction(1), "u", Fraction(1))),
        "one token": certify(Claim("one token", U - _tv("one token"), HALF, Fraction(1), "u", Fraction(1))),
        "bound": certify(
            Claim("bound", Fraction(64358, 100000) - squares, Fraction(1), Fraction(4), fixed=HALF, relation=">0")
        ),
        "tail": certify(Claim("tail", tail, Fraction(0), None, relation=">0")),
        "pivots": certify(Claim("pivots", rate, Fraction(0), None)),
        "sums": certify(Claim("sums", _power(2) - 1, Fraction(0), None)),
        "value": certify_value("value", squares, "1e-20", w=1, u=HALF),
    }


def _data(name: str) -> dict[str, Any]:
    return json.loads(json.dumps(_certificates()[name].data))


@pytest.mark.parametrize("name", ["strengths", "clock", "one token", "bound", "tail", "pivots", "sums", "value"])
def test_what_was_certified_holds(name: str) -> None:
    assert check(_data(name)) == name


def _boxes(data: dict[str, Any]) -> list[list[Any]]:
    return data["argument"]["boxes"]


def _set(path: str, value: Any) -> Tamper:
    """Replace what stands at a path of keys and places."""

    def change(data: dict[str, Any]) -> None:
        *outer, last = [int(key) if key.lstrip("-").isdigit() else key for key in path.split(".")]
        inner: Any = data
        for key in outer:
            inner = inner[key]
        assert inner[last] != value
        inner[last] = value

    return change


def _replace_number(old: str, new: str) -> Tamper:
    def change(data: dict[str, Any]) -> None:
        lines = [line for line in data["formula"] if line[0] in ("number", "power") and line[1] == old]
        assert lines, data["formula"]
        lines[0][1] = new

    return change


def _replace_operation(old: str, new: str) -> Tamper:
    def change(data: dict[str, Any]) -> None:
        next(line for line in data["formula"] if line[0] == old)[0] = new

    return change


def _negate(data: dict[str, Any]) -> None:
    lines = data["formula"]
    lines.append(["*", len(lines) - 1, lines.index(["number", "-1"])])


TAMPERED: dict[str, tuple[str, Tamper, str]] = {
    "first box removed": ("strengths", lambda data: _boxes(data).pop(0), "the boxes do not meet at 0"),
    "last box removed": ("strengths", lambda data: _boxes(data).pop(), "the boxes end at"),
    "middle box removed": ("clock", lambda data: _boxes(data).pop(9), "the boxes do not meet at"),
    "box before the tail removed": ("tail", lambda data: _boxes(data).pop(), "the boxes end at"),
    "all boxes removed": ("bound", lambda data: _boxes(data).clear(), "the boxes end at 1, not at 4"),
    "box shortened": ("bound", _set("argument.boxes.-1.1", "39/10"), "the boxes end at 39/10, not at 4"),
    "box begun earlier": ("bound", _set("argument.boxes.1.0", "1"), "the boxes do not meet at"),
    "box turned round": ("tail", lambda data: _boxes(data)[0].__setitem__(slice(0, 2), ["1", "0"]), "do not meet at 0"),
    "one box for all": ("strengths", _set("argument.boxes", [["0", "3", 0]]), "the sign is not seen"),
    "box turned back": ("bound", lambda data: _boxes(data).append(["4", "4", 0]), "the boxes do not meet at 4"),
    "boxes swapped": ("bound", lambda data: _boxes(data).reverse(), "the boxes do not meet at 1"),
    "test of order 0 at a tie": ("strengths", lambda data: _boxes(data)[0].__setitem__(slice(2, 5), [0]), "not seen"),
    "test of another order": (
        "clock",
        lambda data: _boxes(data)[-1].__setitem__(slice(2, 5), [1, "high", 1]),
        "the sign is not seen",
    ),
    "fewer zeros": ("clock", _set("argument.boxes.-1.4", 1), "a lower coefficient at its end has the wrong sign"),
    "more zeros": ("strengths", lambda data: _boxes(data)[0].__setitem__(slice(2, 5), [2, "low", 2]), "no zeros"),
    "zeros inside": ("strengths", lambda data: _boxes(data)[1].__setitem__(slice(2, 5), [1, "high", 1]), "not touch"),
    "another end": ("strengths", _set("argument.boxes.0.3", "high"), "does not touch an end of the range"),
    "strict at a tie": ("strengths", _set("relation", ">0"), "the formula vanishes at an end of its range"),
    "strict sums at a tie": ("sums", _set("relation", ">0"), "the sum vanishes at w = 0"),
    "sign flipped": ("bound", _replace_number("32179/50000", "-32179/50000"), "the sign is not seen"),
    "sign flipped in a sum": ("sums", _negate, "a partial sum at w = 0 is negative"),
    "coefficient changed": ("bound", _replace_number("32179/50000", "16089/25001"), "the sign is not seen"),
    "coefficient changed at a tie": ("strengths", _replace_number("1", "99/100"), "no zeros at its end"),
    "constant changed at a tie": ("pivots", _replace_number("-2", "-201/100"), "the sum is negative at w = 0"),
    "base changed": ("tail", _replace_number("3", "2"), "its tail has another leading term"),
    "sum made a product": ("sums", _replace_operation("+", "*"), "negative"),
    "range widened below": ("bound", _set("from", "1/2"), "the boxes do not meet at 1/2"),
    "range widened above": ("bound", _set("to", "5"), "the boxes end at 4, not at 5"),
    "range and box widened": (
        "bound",
        lambda data: (data.update({"from": "1/2"}), _boxes(data)[0].__setitem__(0, "1/2")),
        "the sign is not seen",
    ),
    "range made infinite": ("bound", _set("to", "infinity"), "it has no tail"),
    "range of sums widened": ("sums", _set("from", "-1"), "a partial sum at w = -1 is negative"),
    "range below -1": ("sums", _set("from", "-2"), "its range is off"),
    "range emptied": ("bound", _set("to", "1"), "its range is empty"),
    "range of u beyond 1": ("clock", _set("to", "2"), "its range is off"),
    "other mask fraction": ("bound", _set("fixed", "9/10"), "the sign is not seen"),
    "mask fraction removed": ("bound", _set("fixed", None), "speaks of u, which has no value"),
    "other strength": ("clock", _set("fixed", "-1"), ""),
    "strength no integer": ("clock", _set("fixed", "1/2"), "nothing is known to vanish at strengths that are no"),
    "other variable": ("sums", _set("variable", "u"), "its range is off"),
    "tail begun earlier": ("tail", _set("argument.tail.from", "1/2"), "outweigh the leading one at w = 1/2"),
    "tail begun later": ("tail", _set("argument.tail.from", "100"), "the boxes end at"),
    "tail of another base": ("tail", _set("argument.tail.base", "2"), "its tail has another leading term"),
    "tail of another coefficient": ("tail", _set("argument.tail.coefficient", "2"), "another leading term"),
    "tail removed": ("tail", _set("argument.tail", None), "it has no tail"),
    "tail added": (
        "bound",
        _set("argument.tail", {"from": "4", "base": "1", "coefficient": "1"}),
        "it has a tail beyond its range",
    ),
    "pivot removed": ("pivots", _set("argument.pivots", []), "a partial sum at w = 0 is negative"),
    "pivot changed": ("pivots", _set("argument.pivots", ["100"]), "a partial sum at w = 0 is negative"),
    "pivot negative": ("pivots", _set("argument.pivots", ["-1"]), "a pivot is not positive"),
    "interval cut off": ("value", lambda data: data.update(lower=data["upper"]), "not inside the interval"),
    "interval moved": ("value", _set("lower", "13/20"), "not inside the interval"),
    "value at another strength": ("value", _set("w", "2"), "not inside the interval"),
    "value without a mask fraction": ("value", _set("u", None), "speaks of u, which has no value"),
    "too many bits": ("sums", _set("bits", 10**6), "more than 65536 bits"),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampered_certificates_are_rejected(name: str) -> None:
    base, tamper, reason = TAMPERED[name]
    data = _data(base)
    tamper(data)
    with pytest.raises(RejectedError, match="its digest is another"):
        check(data)
    with pytest.raises(RejectedError) as raised:
        check(_sealed(data))
    assert reason in str(raised.value)


def _leaves(inner: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a file at which a text, a number or nothing stands."""
    for key, value in inner.items() if isinstance(inner, dict) else enumerate(inner):
        if isinstance(value, dict | list):
            yield from _leaves(value)
        else:
            yield inner, key


@pytest.mark.parametrize("name", ["tail", "pivots", "value"])
def test_no_change_goes_unnoticed(name: str) -> None:
    """Not even one that leaves a true claim with a valid argument."""
    data = _data(name)
    for inner, key in list(_leaves(data)):
        before = inner[key]
        inner[key] = before + 1 if isinstance(before, int) else f"{before or ''}1"
        with pytest.raises((RejectedError, UnreadableError)):
            check(data)
        inner[key] = before
    assert check(data) == name


def _sealed(data: dict[str, Any]) -> dict[str, Any]:
    """With the digest of what stands in it now: only the mathematics is left to object."""
    return {**data, "digest": recheck.digest(data)}


UNREADABLE: dict[str, tuple[str, Tamper]] = {
    "another schema": ("sums", _set("schema", "symguide certificate 0")),
    "another kind": ("sums", _set("kind", "proof")),
    "a field removed": ("sums", lambda data: data.pop("relation")),
    "a field added": ("sums", lambda data: data.update(note="trust me")),
    "another relation": ("sums", _set("relation", "<0")),
    "words that are none": ("sums", _set("text", None)),
    "bits that are none": ("sums", _set("bits", True)),
    "a decimal": ("bound", _set("from", "0.5")),
    "a fraction not in lowest terms": ("bound", _set("from", "2/2")),
    "a number that is no text": ("bound", _set("from", 1)),
    "division by zero": ("bound", _set("from", "1/0")),
    "no formula": ("sums", _set("formula", [])),
    "an unknown operation": ("sums", _set("formula.0.0", "sin")),
    "a line that points ahead": ("sums", lambda data: data["formula"].append(["*", 0, 99])),
    "a line that points back from the end": ("sums", lambda data: data["formula"].append(["*", 0, -1])),
    "a base that is not positive": ("sums", _replace_number("2", "-2")),
    "too few operands": ("sums", lambda data: data["formula"].append(["/", 0])),
    "no argument": ("sums", _set("argument", None)),
    "an unknown argument": ("sums", _set("argument", {"kind": "authority"})),
    "boxes that are none": ("bound", _set("argument.boxes", "all")),
    "a box with a test of no order": ("bound", _set("argument.boxes.0.2", -1)),
    "a box with too much in it": ("bound", lambda data: _boxes(data)[0].append("low")),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_certificate_is_not_read(name: str) -> None:
    base, tamper = UNREADABLE[name]
    data = _data(base)
    tamper(data)
    with pytest.raises(UnreadableError):
        check(_sealed(data))


def test_no_box_can_be_spared() -> None:
    for name in ("strengths", "tail", "bound"):
        whole = _data(name)
        for place in range(len(_boxes(whole))):
            data = deepcopy(whole)
            del _boxes(data)[place]
            with pytest.raises(RejectedError, match="the boxes"):
                check(_sealed(data))


def test_a_false_claim_has_no_certificate() -> None:
    """Everything consistent, but for the truth: ``2^w ≥ 1 + w`` fails between 0 and 1."""
    formula = _power(2) - 1 - Formula("w", ())
    data = dict(certify(Claim("false", formula, Fraction(1), Fraction(2))).data)
    check(data)
    data.update({"from": "0"})
    data["argument"] = {**data["argument"], "boxes": [["0", "1", 1, "low", 1], *data["argument"]["boxes"]]}
    with pytest.raises(RejectedError, match="the sign is not seen"):
        check(_sealed(data))


def test_denominators_that_change_sign_decide_nothing() -> None:
    """``1/(2 − 2^w)`` is positive at 0 and negative beyond 1; its numerator never changes sign."""
    data = _data("sums")
    data["formula"] = [["power", "2"], ["number", "-1"], ["*", 0, 1], ["number", "2"], ["+", 3, 2], ["number", "1"]]
    data["formula"].append(["/", 5, 4])
    with pytest.raises(RejectedError, match="a denominator has negative terms"):
        check(_sealed(data))
    data = _data("bound")
    data["formula"] = [["w"], ["number", "-2"], ["+", 0, 1], ["number", "1"], ["/", 3, 2]]
    with pytest.raises(RejectedError, match="the sign is not seen"):
        check(_sealed(data))


@settings(max_examples=30)
@given(mixtures(max_length=2, max_vocabulary=3), st.sampled_from(RULE_NAMES))
def test_both_sides_multiply_out_to_the_same_signs(instance: Instance, rule: str) -> None:
    """Two pieces of code for one thing: numerators over positive denominators."""
    law = terminal_law(guided_chain(guidance(instance.problem, rule)).over(FORMULAS, w)).probabilities
    lines = (law[0] - law[-1] * Fraction(2, 3)).lines
    ours, theirs = expanded(lines), recheck._numerator(recheck._read_lines([list(line) for line in lines]))
    assert ours is not None
    assert len(ours.terms) == len(theirs)
    if theirs:  # one-term denominators are multiplied in on one side and divided out on the other
        (base, coefficient), (other_base, other) = ours.terms[0], theirs[0]
        scaled = [(other_base / base * b, other / coefficient * c) for b, c in ours]
        assert scaled == theirs
        assert other / coefficient > 0


@settings(max_examples=25)
@given(mixtures(max_length=2), st.fractions(Fraction(1, 10), 1, max_denominator=10))
def test_exact_forms_have_the_right_values(instance: Instance, fraction: Fraction) -> None:
    """``Σ c s^k u^λ`` at an integer strength, confluent rates included."""
    chain = guided_chain(guidance(instance.problem))
    lines = expand(chain.over(FORMULAS, w)).survival(None).lines
    form = recheck._form(recheck._read_lines([list(line) for line in lines]), Fraction(1))
    with flint.ctx.workprec(600):
        u = BALLS.number(fraction)
        s = -u.log()
        value = flint.arb(0)
        for (k, exponent), coefficient in form.items():
            part = BALLS.number(coefficient) * (-s * BALLS.number(exponent)).exp()
            for _ in range(k):
                part *= s
            value += part
        expected = expand(chain.over(BALLS, Fraction(1))).survival(s)
        assert value.overlaps(expected)
        assert value.rad() < 1e-30


@given(
    st.lists(st.sampled_from([Fraction(0), Fraction(1), Fraction(1, 3), Fraction(5)]), min_size=1, max_size=6),
    st.fractions(Fraction(1, 10), 1, max_denominator=10),
)
def test_partial_fractions_with_repeated_nodes(nodes: list[Fraction], fraction: Fraction) -> None:
    with flint.ctx.workprec(600):
        s = -BALLS.number(fraction).log()
        parts = [flint.arb(0)]
        for (k, exponent), coefficient in recheck._partial_fractions(nodes).items():
            part = BALLS.number(coefficient) * (-s * BALLS.number(exponent)).exp()
            for _ in range(k):
                part *= s
            parts.append(part)
        expected = exp_dd_ball([BALLS.number(node) for node in nodes], s)
        assert abs(sum(parts, start=flint.arb(0)) - expected) < 1e-60


def test_on_the_command_line(tmp_path: Path) -> None:
    good = _certificates()["bound"].save(tmp_path / "good.json")
    bad, broken = tmp_path / "bad.json", tmp_path / "broken.json"
    data = _data("bound")
    _boxes(data).pop()
    bad.write_text(json.dumps(_sealed(data)))
    broken.write_text("{")
    for files, status, said in (
        ((good,), 0, "good.json: holds: bound"),
        ((good, bad), 1, "bad.json: rejected: the boxes end at"),
        ((bad, broken, good), 2, "broken.json: unreadable: "),
        ((tmp_path / "none.json",), 2, "none.json: unreadable: No such file or directory"),
        ((), 2, ""),
    ):
        command = [sys.executable, "-m", "symguide.recheck", *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == status
        assert said in done.stdout
        assert done.stderr == ""


def test_nested_beyond_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    assert main([str(path)]) == 2
    assert "unreadable" in capsys.readouterr().out


def test_it_imports_the_standard_library_and_flint_only() -> None:
    tree = ast.parse(Path(recheck.__file__).read_text(encoding="utf-8"))
    names = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"flint"}
    script = "import sys, symguide.recheck; print(sorted(n for n in sys.modules if n.startswith('symguide')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['symguide', 'symguide.recheck']"


def _signed(**changes: Any) -> dict[str, Any]:
    third = {
        "schema": recheck.SCHEMA,
        "kind": "enclosure",
        "text": "a third",
        "formula": [["number", "1/3"]],
        "w": None,
        "u": None,
        "lower": "1/4",
        "upper": "1/2",
        "bits": 64,
    }
    data = {**third, **changes}
    return {**data, "digest": recheck.digest(data)}


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({}, 0, "holds: a third [formula "),
        ({"formula": [["number", "1"], ["number", "0"], ["/", 0, 1]]}, 1, "divides by zero"),
        ({"formula": [["number", "1e400000000"]]}, 2, "is no rational number"),
        ({"formula": [["number", "1" * 5000]]}, 2, "is no rational number"),
        ({"text": "a third\n/x.json: holds: anything"}, 2, "several lines"),
        ({"u": "2"}, 1, "outside its range"),
        ({"u": "0"}, 1, "outside its range"),
        ({"w": "-5"}, 1, "outside its range"),
    ],
)
def test_files_made_by_hand(
    changes: dict[str, Any], status: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hand.json"
    file.write_text(json.dumps(_signed(**changes)), encoding="utf-8")
    assert recheck.main([str(file)]) == status
    assert words in capsys.readouterr().out


def test_what_was_checked_is_said_beside_the_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "words.json"
    file.write_text(json.dumps(_signed(text="The Riemann hypothesis")), encoding="utf-8")
    assert recheck.main([str(file)]) == 0
    assert "in [1/4, 1/2]; the words are not checked]" in capsys.readouterr().out


def test_names_that_stand_twice_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "twice.json"
    spelled = json.dumps(_signed())
    file.write_text(spelled.replace('"lower": "1/4"', '"lower": "2/5", "lower": "1/4"'), encoding="utf-8")
    assert recheck.main([str(file)]) == 2
    assert "stands twice" in capsys.readouterr().out
