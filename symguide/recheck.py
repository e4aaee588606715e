r"""Check saved certificates again: ``python -m symguide.recheck FILE…``.

Small on purpose, and without a line of what made the certificates: the standard library and python-flint only. It
reads the formula, sees to it that the boxes cover the range without a gap, encloses the formula on each of them, and
repeats the exact arguments. What it relies on:

* a formula is a list of operations on rationals, ``w`` and ``u``; ``power b`` is ``b^w``, ``exp_dd Λ_0 … Λ_n`` is
  the corner of ``exp(s B)`` for the bidiagonal ``B`` with ``−Λ_j`` on its diagonal and ones above it, ``s = −ln u``;
* ``s^{−n}`` times that corner decreases in every ``Λ_j s``, so boxes may be followed to their ends;
* ``f = Σ_{j<k} f_j(a) (x − a)^j + f_k(ξ) (x − a)^k`` for a ``ξ`` between ``a`` and ``x``, with Taylor coefficients
  ``f_j``: no term may be negative;
* ``Σ_j c_j b_j^{a+x} = Σ_j S_j (b_j^x − b_{j+1}^x) + S_n b_n^x`` for partial sums ``S_j`` over falling bases.

What holds is the formula of a certificate; its words are guarded by a digest only. Exit status: 0 all hold, 1 some do
not, 2 some cannot be read.
"""

import hashlib
import json
import re
import sys
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import flint

__all__ = ["RejectedError", "UnreadableError", "check", "digest", "main"]

SCHEMA = "symguide certificate 1"
EXTRA_BITS = 64
MOST_BITS = 65536
MOST_ORDER = 16
HALVINGS = 6
"""How often a box is halved before its test is given up."""
MOST_TERMS = 400_000
MOST_DIGITS, MOST_POWER = 4000, 100_000
"""Digits of a number, and powers of one, that are written out."""


class RejectedError(Exception):
    """A certificate that does not hold, or not as far as can be seen."""


class UnreadableError(Exception):
    """What is no certificate."""


def main(paths: Sequence[str]) -> int:
    """Check files, say what was found of each, and return the exit status.

    >>> main(["no such file"])
    no such file: unreadable: No such file or directory
    2
    """
    worst = 0 if paths else 2
    for path in paths:
        try:
            with open(path, encoding="utf-8") as stream:
                data = json.load(stream, object_pairs_hook=_once)
            words = check(data)
            print(f"{path}: holds: {words} [{_checked(data)}; the words are not checked]")
        except RejectedError as problem:
            print(f"{path}: rejected: {problem}")
            worst = max(worst, 1)
        except (UnreadableError, ValueError, RecursionError) as problem:
            print(f"{path}: unreadable: {problem}")
            worst = 2
        except OSError as problem:
            print(f"{path}: unreadable: {problem.strerror}")
            worst = 2
    return worst


def check(data: Any) -> str:
    """Check one certificate, and return its words.

    Raises
    ------
    RejectedError
        Where it does not hold.
    UnreadableError
        Where it is none.

    >>> third = {"schema": SCHEMA, "kind": "enclosure", "text": "a third", "formula": [["number", "1/3"]], "w": None,
    ...          "u": None, "lower": "1/4", "upper": "1/2", "bits": 64}
    >>> check({**third, "digest": digest(third)})
    'a third'
    """
    _need(isinstance(data, dict) and data.get("schema") == SCHEMA, f"its schema is not {SCHEMA!r}")
    names = {
        "enclosure": "schema kind text formula w u lower upper bits digest",
        "inequality": "schema kind text formula relation variable from to fixed bits argument digest",
    }.get(str(data.get("kind")))
    _need(names is not None and set(data) == set(str(names).split()), "its kind or its fields are not known")
    _need(isinstance(data["text"], str) and _is_count(data["bits"]), "its words or its bits are of the wrong type")
    _need(data["text"].isprintable(), "its words run over several lines")
    _require(data["digest"] == digest(data), "it was changed after it was made: its digest is another")
    _require(data["bits"] <= MOST_BITS, f"it asks for more than {MOST_BITS} bits")
    lines = _read_lines(data["formula"])
    with flint.ctx.workprec(2 * data["bits"] + EXTRA_BITS):
        _check_enclosure(data, lines) if data["kind"] == "enclosure" else _check_inequality(data, lines)
    return data["text"]


def digest(data: dict[str, Any]) -> str:
    """SHA-256 of everything but the digest itself: it guards against accidents, the checks against falsehood.

    >>> digest({"digest": "any"}) == digest({})
    True
    """
    rest = {name: value for name, value in data.items() if name != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# --- reading ----------------------------------------------------------------------------------------------------------

ARITIES: dict[str, Callable[[int], bool]] = {
    "number": lambda n: n == 1,
    "power": lambda n: n == 1,
    "w": lambda n: n == 0,
    "u": lambda n: n == 0,
    "+": lambda n: n >= 2,
    "*": lambda n: n == 2,
    "/": lambda n: n == 2,
    "exp_dd": lambda n: n >= 1,
}


def _read_lines(given: Any) -> list[tuple[Any, ...]]:
    _need(isinstance(given, list) and len(given) > 0, "its formula is no list of lines")
    lines: list[tuple[Any, ...]] = []
    for line in given:
        known = isinstance(line, list) and len(line) > 0 and isinstance(line[0], str) and line[0] in ARITIES
        _need(known and ARITIES[line[0]](len(line) - 1), f"line {len(lines)} of its formula is not known")
        operation, *parts = line
        if operation in ("number", "power"):
            parts = [_read_rational(parts[0])]
            _need(operation == "number" or parts[0] > 0, f"line {len(lines)} has a base that is not positive")
        else:
            _need(all(_is_count(part) and part < len(lines) for part in parts), f"line {len(lines)} points nowhere")
        lines.append((operation, *parts))
    return lines


def _read_rational(text: Any) -> Fraction:
    _need(isinstance(text, str), f"{text!r} is no spelled rational")
    spelling = f"-?[0-9]{{1,{MOST_DIGITS}}}(/[0-9]{{1,{MOST_DIGITS}}})?"
    _need(re.fullmatch(spelling, text) is not None, f"{text[:40]!r} is no rational number of {MOST_DIGITS} digits")
    try:
        value = Fraction(text)
    except ZeroDivisionError:
        raise UnreadableError(f"{text[:40]!r} is no rational number") from None
    _need(str(value) == text, f"{text[:40]!r} is not spelled in lowest terms")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object in which no name stands twice, for readers see either."""
    names = [name for name, _ in pairs]
    _need(len(set(names)) == len(names), "a name stands twice in it")
    return dict(pairs)


def _checked(data: dict[str, Any]) -> str:
    """What a certificate that holds says, of the formula that its digest names."""
    if data["kind"] == "enclosure":
        places = ", ".join(f"{name} = {data[name]}" for name in ("w", "u") if data[name] is not None)
        return f"formula {data['digest'][:12]} in [{data['lower']}, {data['upper']}]{places and f' at {places}'}"
    other = "u" if data["variable"] == "w" else "w"
    fixed = "" if data["fixed"] is None else f" at {other} = {data['fixed']}"
    ends = f"{data['variable']} from {data['from']} to {data['to']}"
    return f"formula {data['digest'][:12]} {data['relation']} for {ends}{fixed}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _need(condition: bool, otherwise: str) -> None:
    if not condition:
        raise UnreadableError(otherwise)


def _require(condition: bool, otherwise: str) -> None:
    if not condition:
        raise RejectedError(otherwise)


def _ball(value: Fraction) -> flint.arb:
    return flint.arb(flint.fmpq(value.numerator, value.denominator))


# --- the two kinds ----------------------------------------------------------------------------------------------------


def _check_enclosure(data: dict[str, Any], lines: list[tuple[Any, ...]]) -> None:
    lower, upper = _read_rational(data["lower"]), _read_rational(data["upper"])
    places = {name: None if data[name] is None else _read_rational(data[name]) for name in ("w", "u")}
    for name, place in places.items():
        _require_inside(name, place)
    w, u = (None if place is None else _ball(place) for place in places.values())
    value = _coefficients(lines, 0, w, u, None)[0]
    _require(bool(_ball(lower) <= value and value <= _ball(upper)), "the value is not inside the interval")


def _require_inside(name: str, place: Fraction | None) -> None:
    inside = place is None or (place >= -1 if name == "w" else 0 < place <= 1)
    _require(inside, f"{name} = {place} is outside its range")


def _check_inequality(data: dict[str, Any], lines: list[tuple[Any, ...]]) -> None:
    _need(data["relation"] in (">=0", ">0") and data["variable"] in ("w", "u"), "its relation or variable is unknown")
    low = _read_rational(data["from"])
    high = None if data["to"] == "infinity" else _read_rational(data["to"])
    _require(high is None or low < high, "its range is empty")
    _require(low > 0 and high is not None and high <= 1 if data["variable"] == "u" else low >= -1, "its range is off")
    argument = data["argument"]
    _need(isinstance(argument, dict), "it has no argument")
    if argument.get("kind") == "sums":
        _need(set(argument) == {"kind", "pivots"} and isinstance(argument["pivots"], list), "its argument is unknown")
        _require(data["variable"] == "w", "sums in w say nothing of a range of u")
        _check_sums(_numerator(lines), low, [_read_rational(p) for p in argument["pivots"]], data["relation"] == ">0")
        return
    _need(argument.get("kind") == "boxes" and set(argument) == {"kind", "boxes", "tail"}, "its argument is unknown")
    end = high
    if high is None:
        end = _check_tail(lines, argument["tail"])
    else:
        _require(argument["tail"] is None, "it has a tail beyond its range")
    fixed = None if data["fixed"] is None else _read_rational(data["fixed"])
    _require_inside("u" if data["variable"] == "w" else "w", fixed)
    _need(isinstance(argument["boxes"], list), "its boxes are no list")
    edge = low
    for box in argument["boxes"]:
        _need(isinstance(box, list) and len(box) in (3, 5) and _is_count(box[2]), f"box {box} is unknown")
        left, right, order = _read_rational(box[0]), _read_rational(box[1]), box[2]
        _require(left == edge and left < right, f"the boxes do not meet at {edge}")
        sign = 1
        if order:
            known = len(box) == 5 and box[3] in ("low", "high") and _is_count(box[4]) and box[4] <= order <= MOST_ORDER
            _need(known, f"box {box} is unknown")
            anchor, sign, zeros = (left, 1, box[4]) if box[3] == "low" else (right, -1, box[4])
            if zeros:
                _require(anchor in (low, high), f"box {box} does not touch an end of the range")
                _require(data["relation"] == ">=0", f"box {box}: the formula vanishes at an end of its range")
                _require(_vanishes(lines, data["variable"], anchor, fixed, zeros), f"box {box}: no zeros at its end")
            w, u = _places(data["variable"], _ball(anchor), fixed)
            values = _coefficients(lines, order - 1, w, u, data["variable"])
            signs = [bool(values[j] * sign**j > 0) for j in range(zeros, order)]
            _require(all(signs), f"box {box}: a lower coefficient at its end has the wrong sign")
        else:
            _need(len(box) == 3, f"box {box} is unknown")
        strict = data["relation"] == ">0" and not order
        holds = _keeps_sign(lines, data["variable"], left, right, fixed, order, sign**order, strict, HALVINGS)
        _require(holds, f"box {box}: the sign is not seen")
        edge = right
    _require(edge == end, f"the boxes end at {edge}, not at {end}")


def _keeps_sign(
    lines: list[tuple[Any, ...]],
    variable: str,
    left: Fraction,
    right: Fraction,
    fixed: Fraction | None,
    order: int,
    sign: int,
    strict: bool,
    halvings: int,
) -> bool:
    """Whether a Taylor coefficient has the sign on a box, halved where its enclosure is too wide."""
    w, u = _places(variable, _ball(left).union(_ball(right)), fixed)
    value = sign * _coefficients(lines, order, w, u, variable)[order]
    if value > 0 or (not strict and value >= 0):
        return True
    if not halvings or value < 0:
        return False
    middle = (left + right) / 2
    return all(
        _keeps_sign(lines, variable, *half, fixed, order, sign, strict, halvings - 1)
        for half in ((left, middle), (middle, right))
    )


def _places(variable: str, moving: flint.arb, fixed: Fraction | None) -> tuple[flint.arb | None, flint.arb | None]:
    """Strength and mask fraction."""
    other = None if fixed is None else _ball(fixed)
    return (moving, other) if variable == "w" else (other, moving)


# --- enclosures -------------------------------------------------------------------------------------------------------


def _coefficients(
    lines: list[tuple[Any, ...]], order: int, w: flint.arb | None, u: flint.arb | None, variable: str | None
) -> list[flint.arb]:
    """The Taylor coefficients of the formula in ``w`` or ``u`` up to an order, by power series."""
    cap = flint.ctx.cap
    flint.ctx.cap = order + 1
    try:
        strength, fraction = (
            None if value is None else flint.arb_series([value, int(variable == name)], prec=order + 1)
            for name, value in (("w", w), ("u", u))
        )
        clock = None if fraction is None else -fraction.log()
        values: list[flint.arb_series] = []
        for operation, *parts in lines:
            if operation == "number":
                value = flint.arb_series([_ball(parts[0])], prec=order + 1)
            elif operation == "power":
                value = (_given(strength, "w") * _ball(parts[0]).log()).exp()
            elif operation in ("w", "u"):
                value = _given(strength if operation == "w" else fraction, operation)
            elif operation == "+":
                value = values[parts[0]]
                for part in parts[1:]:
                    value = value + values[part]
            elif operation == "*":
                value = values[parts[0]] * values[parts[1]]
            elif operation == "/":
                try:
                    value = values[parts[0]] / values[parts[1]]
                except ZeroDivisionError:
                    raise RejectedError("its formula divides by zero") from None
            else:
                value = _divided_difference([values[part] for part in parts], _given(clock, "u"), order)
            values.append(value)
        return [values[-1][k] for k in range(order + 1)]
    finally:
        flint.ctx.cap = cap


def _given(value: Any, name: str) -> Any:
    _require(value is not None, f"its formula speaks of {name}, which has no value")
    return value


def _divided_difference(nodes: list[flint.arb_series], s: flint.arb_series, order: int) -> flint.arb_series:
    exponents, n = [node * s for node in nodes], len(nodes) - 1
    if order == 0:
        clock = s[0]
        ends = [
            _corner([[end(y[0])] for y in exponents], [flint.arb(1)])[0] for end in (flint.arb.lower, flint.arb.upper)
        ]
        value = ends[0].union(ends[1])
        for _ in range(n):
            value = value * clock
        return flint.arb_series([value], prec=1)
    rows = [[y[k] for k in range(order + 1)] for y in exponents]
    return flint.arb_series(_corner(rows, [s[k] for k in range(order + 1)]), prec=order + 1)


def _corner(exponents: list[list[flint.arb]], step: list[flint.arb]) -> list[flint.arb]:
    """The corner of the exponential of a bidiagonal matrix whose entries are power series, as Toeplitz blocks."""
    size, shift = len(step), min(y[0].mid() for y in exponents)
    matrix = flint.arb_mat(len(exponents) * size, len(exponents) * size)
    for j, y in enumerate(exponents):
        for row in range(size):
            for column in range(row, size):
                k = column - row
                matrix[j * size + row, j * size + column] = (shift if k == 0 else 0) - y[k]
                if j + 1 < len(exponents):
                    matrix[j * size + row, (j + 1) * size + column] = step[k]
    flow, scale = matrix.exp(), (-shift).exp()
    return [scale * flow[0, (len(exponents) - 1) * size + k] for k in range(size)]


# --- what vanishes exactly --------------------------------------------------------------------------------------------

_Form = dict[tuple[int, Fraction], Fraction]
"""``Σ c s^k u^λ`` as ``{(k, λ): c}``."""


def _vanishes(lines: list[tuple[Any, ...]], variable: str, end: Fraction, fixed: Fraction | None, order: int) -> bool:
    """Whether the Taylor coefficients below an order are zero at an end of the range, in exact arithmetic."""
    strength = end if variable == "w" else fixed
    form = _form(lines, strength)
    if variable == "w":
        value: dict[tuple[int, Fraction], Fraction] = {}
        for (k, exponent), coefficient in form.items():
            if k == 0 and exponent.denominator == 1 and fixed is not None:
                _require(abs(exponent) <= MOST_POWER, f"a power of {exponent} is too large to be written out")
                exponent, coefficient = Fraction(0), coefficient * fixed ** int(exponent)
            value[k, exponent] = value.get((k, exponent), Fraction(0)) + coefficient
        return order == 1 and not any(value.values())
    if end != 1:
        return False
    cap = flint.ctx.cap
    flint.ctx.cap = order
    try:
        logarithm: Any = flint.fmpq_series([1, 1], prec=order).log()
        total: Any = flint.fmpq_series([0], prec=order)
        for (k, exponent), coefficient in form.items():
            part = (logarithm * flint.fmpq(exponent.numerator, exponent.denominator)).exp()
            for _ in range(k):
                part = part * -logarithm
            total = total + part * flint.fmpq(coefficient.numerator, coefficient.denominator)
        return all(total[k] == 0 for k in range(order))
    finally:
        flint.ctx.cap = cap


def _form(lines: list[tuple[Any, ...]], strength: Fraction | None) -> _Form:
    """The formula at an integer strength."""
    whole = strength is None or (strength.denominator == 1 and abs(strength) <= 1000)
    _require(whole, "nothing is known to vanish at strengths that are no integers")
    zero, one = Fraction(0), Fraction(1)
    forms: list[_Form] = []
    for operation, *parts in lines:
        form: _Form = {}
        if operation == "number":
            form = {(0, zero): parts[0]}
        elif operation == "power":
            form = {(0, zero): parts[0] ** int(_given(strength, "w"))}
        elif operation == "w":
            form = {(0, zero): _given(strength, "w")}
        elif operation == "u":
            form = {(0, one): one}
        elif operation == "+":
            for part in parts:
                for key, value in forms[part].items():
                    form[key] = form.get(key, zero) + value
        elif operation == "*":
            for (j, a), x in forms[parts[0]].items():
                for (k, b), y in forms[parts[1]].items():
                    form[j + k, a + b] = form.get((j + k, a + b), zero) + x * y
        elif operation == "/":
            divisor = _constant(forms[parts[1]])
            _require(divisor != 0, "its formula divides by zero at an end of its range")
            form = {key: value / divisor for key, value in forms[parts[0]].items()}
        else:
            form = _partial_fractions([_constant(forms[part]) for part in parts])
        forms.append({key: value for key, value in form.items() if value})
    return forms[-1]


def _constant(form: _Form) -> Fraction:
    _require(set(form) <= {(0, Fraction(0))}, "exit rates and divisors vary with u, so nothing is known to vanish")
    return form.get((0, Fraction(0)), Fraction(0))


def _partial_fractions(nodes: list[Fraction]) -> _Form:
    """``Σ_λ u^λ Σ_k s^k/k! · [x^{m−1−k}] Π 1/(Λ_i − λ + x)`` over the nodes ``λ``, each ``m`` times there."""
    form: _Form = {}
    for node in set(nodes):
        count = nodes.count(node)
        series = [Fraction(1)] + [Fraction(0)] * (count - 1)
        for other in nodes:
            if other != node:
                gap = other - node
                for k in range(count):  # divided by gap + x
                    series[k] = (series[k] - (series[k - 1] if k else 0)) / gap
        factorial = 1
        for k in range(count):
            factorial *= max(k, 1)
            form[k, node] = series[count - 1 - k] / factorial
    return form


# --- exponential sums -------------------------------------------------------------------------------------------------

_Sum = dict[Fraction, Fraction]
"""``Σ c b^w`` as ``{b: c}``."""


def _numerator(lines: list[tuple[Any, ...]]) -> list[tuple[Fraction, Fraction]]:
    """The formula over positive denominators: pairs (base, coefficient) of what is above, largest base first."""
    values: list[tuple[_Sum, list[_Sum]]] = []
    for operation, *parts in lines:
        if operation == "number":
            values.append(({Fraction(1): parts[0]}, []))
        elif operation == "power":
            values.append(({parts[0]: Fraction(1)}, []))
        elif operation == "+":
            total: _Sum = {}
            below = _common([values[part][1] for part in parts])
            for part in parts:
                above = values[part][0]
                for factor in _without(below, values[part][1]):
                    above = _multiplied(above, factor)
                for base, coefficient in above.items():
                    total[base] = total.get(base, Fraction(0)) + coefficient
            values.append((total, below))
        elif operation == "*":
            (first, under), (second, beneath) = (values[part] for part in parts)
            values.append((_multiplied(first, second), under + beneath))
        elif operation == "/":
            (first, under), (second, beneath) = (values[part] for part in parts)
            divisor = {base: coefficient for base, coefficient in second.items() if coefficient}
            _require(bool(divisor) and all(c > 0 for c in divisor.values()), "a denominator has negative terms")
            for factor in beneath:
                first = _multiplied(first, factor)
            values.append((first, [*under, divisor]))
        else:
            raise RejectedError(f"its formula is no quotient of exponential sums: it has {operation}")
    return sorted(((b, c) for b, c in values[-1][0].items() if c), reverse=True)


def _multiplied(left: _Sum, right: _Sum) -> _Sum:
    _require(len(left) * len(right) <= MOST_TERMS, "its formula is too long to be multiplied out")
    out: _Sum = {}
    for a, x in left.items():
        for b, y in right.items():
            out[a * b] = out.get(a * b, Fraction(0)) + x * y
    return out


def _common(lists: list[list[_Sum]]) -> list[_Sum]:
    """The least list of factors that holds all of the given ones."""
    out: list[_Sum] = []
    for factors in lists:
        out += _without(factors, out)
    return out


def _without(factors: list[_Sum], taken: list[_Sum]) -> list[_Sum]:
    left = list(factors)
    for factor in taken:
        if factor in left:
            left.remove(factor)
    return left


def _check_sums(terms: list[tuple[Fraction, Fraction]], low: Fraction, pivots: list[Fraction], strict: bool) -> None:
    exact = low.denominator == 1 and abs(low) <= 1000
    weights: list[tuple[Fraction, Any]] = list(terms) if exact else [(b, _ball(c)) for b, c in terms]
    start: Any = int(low) if exact else _ball(low)
    for order in range(len(pivots) + 1):
        total: Any = Fraction(0) if exact and not order else flint.arb(0)
        for base, weight in weights:
            total = total + weight * (base**start if exact and not order else _ball(base) ** _ball(low))
            settled = total >= 0 if exact and not order else total > 0
            _require(bool(settled) or order < len(pivots), f"a partial sum at w = {low} is negative")
        nonnegative = total >= 0 if exact and not order else total > 0
        _require(bool(nonnegative) or not weights, f"the sum is negative at w = {low}")
        _require(order > 0 or not strict or bool(total > 0), f"the sum vanishes at w = {low}")
        if order < len(pivots):
            pivot = pivots[order]
            _require(pivot > 0, "a pivot is not positive")
            weights = [
                (b, (_ball(c) if isinstance(c, Fraction) else c) * _ball(b / pivot).log())
                for b, c in weights
                if b != pivot
            ]


def _check_tail(lines: list[tuple[Any, ...]], tail: Any) -> Fraction:
    _require(isinstance(tail, dict) and set(tail) == {"from", "base", "coefficient"}, "it has no tail")
    start, base, coefficient = (_read_rational(tail[name]) for name in ("from", "base", "coefficient"))
    terms = _numerator(lines)
    _require(bool(terms) and terms[0] == (base, coefficient), "its tail has another leading term")
    _require(coefficient > 0, "its leading term is negative")
    negative = flint.arb(0)
    for b, c in terms[1:]:
        if c < 0:
            negative += _ball(-c / coefficient) * _ball(b / base) ** _ball(start)
    _require(bool(negative < 1), f"negative terms outweigh the leading one at w = {start}")
    return start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
