r"""Certificates: inequalities on whole ranges of ``w`` or ``u`` and enclosures of values, saved to be checked again.

An inequality on ``[a, b]`` or ``[a, ∞)`` is settled by an exact argument on exponential sums where one decides, and
otherwise by boxes that cover the range: on each the formula is enclosed in balls, with more boxes and more bits until
its sign is known. Where both sides meet at an end of the range, as in ``Z(0) = 1``, boxes carry the order ``k`` of a
derivative test: at one of their ends the lower Taylor coefficients are positive, or vanish exactly, and the ``k``-th
keeps its sign on the box. An infinite range of ``w`` ends with a tail on which the leading term decides. Nothing is
sampled.

:mod:`symguide.recheck` checks a saved certificate and shares no code with what made it.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeAlias

import flint
from sympy import Expr, Integer, expand, expand_log

from symguide.certificates.dominance import expanded, find_pivots, find_tail, leading
from symguide.certificates.formula import Formula, Line, evaluate
from symguide.certificates.jets import Jet, Jets
from symguide.errors import SymguideError
from symguide.evidence import Evidence, Verdict
from symguide.numbers.arithmetic import BALLS, SYMBOLIC
from symguide.numbers.exp_dd import in_powers
from symguide.numbers.number import Number, read_number, to_sympy
from symguide.symbols import u as mask_fraction

__all__ = ["RELATIONS", "SCHEMA", "Budget", "Certificate", "Claim", "certify", "certify_value"]

SCHEMA = "symguide certificate 1"
RELATIONS = (">=0", ">0")
"""What an inequality may say of its formula."""
MAX_ORDER = 6
"""Largest order of a derivative test."""
FIRST_BITS = 64
WITNESS_BITS = 256
WITNESSES = 64
"""Points at which a claim is looked at for a refutation, before its range is covered."""
DEEPEST = 60
"""How often a box is halved."""

Box: TypeAlias = tuple[Any, ...]
"""Both ends and the order ``k`` of the test; for ``k > 0`` the end ``a`` at which the lower coefficients are looked at,
and how many of them vanish there. With ``f = Σ_{j<k} f_j(a) (x − a)^j + f_k(ξ) (x − a)^k`` no term may be negative."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent: evaluations on boxes, and bits of precision.

    >>> Budget(boxes=10).bits
    4096
    """

    boxes: int = 4000
    bits: int = 4096


@dataclass(frozen=True, slots=True)
class Claim:
    """That a formula is ``≥ 0`` or ``> 0`` on a whole range of ``w`` or of ``u``.

    Attributes
    ----------
    text
        The claim in words.
    formula
        Its left side, the right one being 0.
    low, high
        The closed range; ``None`` for no end (of ``w``).
    variable
        ``w`` or ``u``.
    fixed
        The value of the other one; ``None`` where the formula does not speak of it.
    relation
        One of :data:`RELATIONS`.

    Raises
    ------
    SymguideError
        For another variable or relation, an empty range, one outside ``w ≥ −1`` or ``0 < u ≤ 1``, and a formula that
        speaks of the other variable where that has no value.

    >>> from symguide.certificates.formula import W
    >>> Claim("w is at least its start", W - 2, Fraction(2), None).relation
    '>=0'
    """

    text: str
    formula: Formula
    low: Fraction
    high: Fraction | None
    variable: str = "w"
    fixed: Fraction | None = None
    relation: str = ">=0"

    def __post_init__(self) -> None:
        what = f"claim {self.text!r}"
        if self.variable not in ("w", "u"):
            raise SymguideError(f"{what}: its variable is {self.variable!r}, but ranges are of w or of u; name one")
        if self.relation not in RELATIONS:
            raise SymguideError(f"{what}: its relation is {self.relation!r}; choose one of {', '.join(RELATIONS)}")
        if self.high is not None and not self.low < self.high:
            raise SymguideError(f"{what}: its range [{self.low}, {self.high}] is empty; give ends in order")
        inside = self.low >= -1 if self.variable == "w" else self.low > 0 and self.high is not None and self.high <= 1
        if not inside:
            raise SymguideError(f"{what}: its range leaves w >= -1 or 0 < u <= 1, where chains are defined; shorten it")
        operations = {line[0] for line in self.formula.lines}
        speaks = {"w": operations & {"w", "power"}, "u": operations & {"u", "exp_dd"}}
        other = "u" if self.variable == "w" else "w"
        if self.fixed is None and speaks[other]:
            raise SymguideError(f"{what}: its formula speaks of {other}, which has no value; give one as fixed")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was found, and how it can be checked.

    Attributes
    ----------
    text
        The claim in words.
    verdict
        *Proved* where only rational numbers were compared, *enclosed* where balls were, *unknown* where the budget was
        spent, *refuted* where a ball at one point excludes the claim.
    detail
        By what; for *unknown*, what was reached.
    data
        What is saved.

    >>> Certificate("nothing", Verdict.UNKNOWN, "the budget was spent", {}).evidence.verdict
    <Verdict.UNKNOWN: 1>
    """

    text: str
    verdict: Verdict
    detail: str
    data: Mapping[str, Any]

    @property
    def evidence(self) -> Evidence:
        """As a piece of evidence."""
        return Evidence(self.text, self.verdict, self.detail)

    def save(self, path: str | Path) -> Path:
        """Write the certificate as JSON, whole or not at all.

        Raises
        ------
        SymguideError
            For a certificate of nothing (*unknown* or *refuted*), and where the file cannot be written.
        """
        target = Path(path)
        if not self.verdict.passes:
            remedy = "spend a larger budget" if self.verdict is Verdict.UNKNOWN else "correct the claim"
            raise SymguideError(
                f"certificate of {self.text!r}: it is {self.verdict}, so there is nothing to save; {remedy}"
            )
        beside = None
        try:
            with tempfile.NamedTemporaryFile("w", dir=target.parent, suffix=".json", delete=False) as beside:
                json.dump(self.data, beside, indent=1)
                beside.write("\n")
            os.chmod(beside.name, 0o644)
            os.replace(beside.name, target)
        except OSError as problem:
            if beside is not None:
                Path(beside.name).unlink(missing_ok=True)
            raise SymguideError(
                f"{target}: {problem.strerror}, so the certificate was not written; choose another path"
            ) from None
        return target


def certify(claim: Claim, budget: Budget | None = None) -> Certificate:
    """Decide an inequality on its whole range, or say how far it got.

    References
    ----------
    Tucker, *Validated Numerics*, Princeton University Press (2011), for subdivision with interval enclosures.

    >>> from symguide.chains.chain import guided_chain
    >>> from symguide.instances.datasets import load
    >>> from symguide.certificates.formula import FORMULAS
    >>> from symguide.symbols import w
    >>> from symguide.laws.tilt import guidance
    >>> chain = guided_chain(guidance(load("interval-overlap"))).over(FORMULAS, w)
    >>> found = certify(Claim("Z >= 1 for w >= 0", chain.exit_rate(0) - 1, Fraction(0), None))
    >>> print(found.verdict, found.detail)
    proved partial sums of the exponential sum on [0, infinity), exactly
    """
    spend, lines = budget or Budget(), claim.formula.lines
    with flint.ctx.workprec(WITNESS_BITS):
        sums = expanded(lines) if claim.variable == "w" else None
        strict = claim.relation == ">0"
        pivots = None if sums is None else find_pivots(sums, claim.low, strict)
        if pivots is not None:
            exact = not pivots and claim.low.denominator == 1
            names = f", with pivots {', '.join(map(str, pivots))}" if pivots else ""
            said = f"partial sums of the exponential sum on {_range(claim)}{names}{', exactly' if exact else ''}"
            argument = {"kind": "sums", "pivots": list(map(str, pivots))}
            return _certificate(claim, Verdict.PROVED if exact else Verdict.ENCLOSED, said, argument, WITNESS_BITS)
        tail = None
        if claim.high is None:
            if sums is None:
                return _certificate(claim, Verdict.UNKNOWN, "its tail is open: it is no quotient of exponential sums")
            first = leading(sums)
            if first is not None and first[1] < 0:
                said = f"{first[1]} ({first[0]})^w leads, so it fails for large w"
                return _certificate(claim, Verdict.REFUTED, said)
            tail = find_tail(sums, claim.low)
            if tail is None:
                return _certificate(claim, Verdict.UNKNOWN, "its tail is open: it begins too far out")
    return _by_boxes(claim, lines, spend, tail)


def _by_boxes(claim: Claim, lines: Sequence[Line], budget: Budget, tail: Any) -> Certificate:
    low, high = claim.low, claim.high if tail is None else tail.start
    assert high is not None
    orders = {end: _order_at(claim, lines, end) for end in (low, claim.high) if end is not None}
    strict = claim.relation == ">0"
    touching = next((end for end, order in orders.items() if strict and order), None)
    if touching is not None:
        return _certificate(claim, Verdict.REFUTED, f"it is 0 at {claim.variable} = {touching}")
    for k in range(WITNESSES + 1):
        point = low + (high - low) * k / WITNESSES
        value = _enclosed(claim, lines, point, point, WITNESS_BITS)[0]
        if value < 0:
            said = f"at {claim.variable} = {point} it is {value.str(5, radius=False)}"
            return _certificate(claim, Verdict.REFUTED, said)
    waiting: list[tuple[Fraction, Fraction, int]] = [(low, high, 0)] if high > low else []
    boxes: list[Box] = []
    bits, spent = FIRST_BITS, 0
    while waiting:
        left, right, depth = waiting.pop()
        precision = min(FIRST_BITS + 8 * depth, budget.bits)
        box = _settled(claim, lines, left, right, orders, precision)
        spent += 1
        if box is not None:
            boxes.append(box)
            bits = max(bits, precision)
            continue
        if spent >= budget.boxes or depth >= DEEPEST or FIRST_BITS + 8 * depth > budget.bits:
            reached = (
                f"certified on [{low}, {_short(left)}] with {len(boxes)} boxes" if boxes else "no box was certified"
            )
            said = f"the budget was spent: {reached}, open from {_short(left)} on"
            return _certificate(claim, Verdict.UNKNOWN, said)
        middle = (left + right) / 2
        waiting += [(middle, right, depth + 1), (left, middle, depth + 1)]
    spelled = [[str(box[0]), str(box[1]), *box[2:]] for box in boxes]
    argument: dict[str, Any] = {"kind": "boxes", "boxes": spelled, "tail": None}
    said = f"{len(boxes)} boxes on [{low}, {high}]"
    if tail is not None:
        argument["tail"] = {"from": str(tail.start), "base": str(tail.base), "coefficient": str(tail.coefficient)}
        said += f", and from there on the leading term {tail.coefficient} ({tail.base})^w"
    return _certificate(claim, Verdict.ENCLOSED, said, argument, bits)


def _settled(
    claim: Claim,
    lines: Sequence[Line],
    left: Fraction,
    right: Fraction,
    orders: Mapping[Fraction, int | None],
    bits: int,
) -> Box | None:
    """The box with a test that shows the sign on it, or ``None``."""
    value = _enclosed(claim, lines, left, right, bits)[0]
    if value > 0 or (claim.relation == ">=0" and value >= 0):
        return (left, right, 0)
    for order in sorted({order for order in orders.values() if order}):
        rest = _enclosed(claim, lines, left, right, bits, order)[order]
        for end, anchor, sign in ((left, "low", 1), (right, "high", -1)):
            if rest * sign**order > 0:
                zeros = min(orders.get(end) or 0, order)
                known = _enclosed(claim, lines, end, end, WITNESS_BITS, order - 1)
                if all(known[j] * sign**j > 0 for j in range(zeros, order)):
                    return (left, right, order, anchor, zeros)
    return None


def _enclosed(
    claim: Claim, lines: Sequence[Line], left: Fraction, right: Fraction, bits: int, order: int = 0
) -> Sequence[flint.arb]:
    """The Taylor coefficients of the formula on a box, up to an order."""
    with flint.ctx.workprec(bits):
        box = BALLS.number(left) if left == right else BALLS.number(left).union(BALLS.number(right))
        fixed = None if claim.fixed is None else BALLS.number(claim.fixed)
        if order == 0:
            w, u = (box, fixed) if claim.variable == "w" else (fixed, box)
            return [evaluate(lines, BALLS, w, w, u)]
        jets = Jets(BALLS, order)
        moving = Jet((box, flint.arb(1), *[flint.arb(0)] * (order - 1)), BALLS)
        still = None if fixed is None else jets.constant(fixed)
        if claim.variable == "w":
            return evaluate(lines, jets, box, moving, still).coefficients
        # Only what speaks of u moves: powers of a base to the fixed strength are constants.
        return evaluate(lines, _AtStrength(jets, fixed), fixed, still, moving).coefficients


class _AtStrength(Jets):
    """Jets in ``u``: the strength stays where it is."""

    def __init__(self, jets: Jets, strength: flint.arb | None) -> None:
        super().__init__(jets.base, jets.order)
        self.strength = strength

    def term(self, coefficient: Number, base: Number, w: Any) -> Jet:
        return self.constant(self.base.term(coefficient, base, self.strength))


def _order_at(claim: Claim, lines: Sequence[Line], end: Fraction) -> int | None:
    """How many Taylor coefficients vanish at an end of the range, exactly; ``None`` where that is not decided.

    In ``w`` the value itself is looked at, at integers; in ``u`` any coefficient, at ``u = 1``.
    """
    value = _enclosed(claim, lines, end, end, WITNESS_BITS)[0]
    if not value.contains(0):
        return 0
    strength = end if claim.variable == "w" else claim.fixed
    if (strength is not None and strength.denominator != 1) or (claim.variable == "u" and end != 1):
        return None
    whole = None if strength is None else Integer(int(strength))
    given = mask_fraction if claim.variable == "u" or claim.fixed is None else to_sympy(claim.fixed)
    form = in_powers(evaluate(lines, SYMBOLIC, whole, whole, given))[0]
    if claim.variable == "w":
        return 1 if _is_zero(form) else None
    for order in range(MAX_ORDER + 1):
        if not _is_zero(form.subs(mask_fraction, 1)):
            return order
        form = form.diff(mask_fraction)
    return None


def _is_zero(form: Expr) -> bool:
    return expand(expand_log(form, factor=True)) == 0


def _short(edge: Fraction) -> str:
    return str(edge) if edge.denominator < 10**6 else f"{float(edge):.8g}"


def _range(claim: Claim) -> str:
    return f"[{claim.low}, {'infinity)' if claim.high is None else f'{claim.high}]'}"


def _certificate(
    claim: Claim, verdict: Verdict, detail: str, argument: Mapping[str, Any] | None = None, bits: int = 0
) -> Certificate:
    data = {
        "schema": SCHEMA,
        "kind": "inequality",
        "text": claim.text,
        "formula": [list(line) for line in claim.formula.lines],
        "relation": claim.relation,
        "variable": claim.variable,
        "from": str(claim.low),
        "to": "infinity" if claim.high is None else str(claim.high),
        "fixed": None if claim.fixed is None else str(claim.fixed),
        "bits": bits,
        "argument": argument,
    }
    return Certificate(claim.text, verdict, detail, _sealed(data))


def certify_value(
    text: str,
    formula: Formula,
    width: object,
    w: object = None,
    u: object = None,
    budget: Budget | None = None,
) -> Certificate:
    """Enclose the value of a formula in an interval of at most a given width, doubling the precision until it is.

    Raises
    ------
    SymguideError
        For a width that is not positive, and for ``w``, ``u``, or a width that is no rational number.

    >>> from symguide.certificates.formula import FORMULAS
    >>> found = certify_value("2^(1/2)", FORMULAS.term(Fraction(1), Fraction(2), None), "1e-30", w="1/2")
    >>> print(found.verdict, found.detail)
    enclosed in [1.41421356237309, 1.41421356237309], width at most 1e-30, at 128 bits
    """
    wanted, strength, fraction = (
        None if value is None else _rational(value, name) for value, name in ((width, "width"), (w, "w"), (u, "u"))
    )
    if wanted is None or wanted <= 0:
        raise SymguideError(f"{text}: its width is {width}: an interval of that width encloses nothing; ask for more")
    lines, bits, spend = formula.lines, FIRST_BITS, budget or Budget()
    ends: tuple[Fraction, Fraction] | None = None
    value = flint.arb("nan")
    while ends is None and bits <= spend.bits:
        with flint.ctx.workprec(bits):
            point, mask = (None if given is None else BALLS.number(given) for given in (strength, fraction))
            value = evaluate(lines, BALLS, point, point, mask)
            ends = _ends(value, wanted)
        bits *= 2
    bits //= 2
    if ends is None:
        said = f"the budget was spent: width {(2 * value.rad()).str(3, radius=False)} was reached at {bits} bits"
    else:
        shown = ", ".join(BALLS.number(end).str(15, radius=False) for end in ends)
        said = f"in [{shown}], width at most {width}, at {bits} bits"
    data = {
        "schema": SCHEMA,
        "kind": "enclosure",
        "text": text,
        "formula": [list(line) for line in lines],
        "w": None if strength is None else str(strength),
        "u": None if fraction is None else str(fraction),
        "lower": None if ends is None else str(ends[0]),
        "upper": None if ends is None else str(ends[1]),
        "bits": bits,
    }
    return Certificate(text, Verdict.UNKNOWN if ends is None else Verdict.ENCLOSED, said, _sealed(data))


def _sealed(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """With a digest, by which any later change is seen."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return {**data, "digest": hashlib.sha256(text.encode()).hexdigest()}


def _ends(value: flint.arb, width: Fraction) -> tuple[Fraction, Fraction] | None:
    """An interval around a ball of at most half the width, with a quarter of it to spare on either side."""
    if not value.is_finite():
        return None
    low, high = (Fraction(int(end.p), int(end.q)) for end in (value.lower().fmpq(), value.upper().fmpq()))
    return (low - width / 4, high + width / 4) if high - low <= width / 2 else None


def _rational(value: object, what: str) -> Fraction:
    exact = read_number(value, what)
    if not isinstance(exact, Fraction):
        raise SymguideError(f"{what} is {value}: certificates speak of rational numbers; give a fraction or a decimal")
    return exact
