"""The commands: list, solve, verify, prove, export."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from symguide.cli.arguments import at_least_one, moments_of, problem_of, required_strengths, schedule_of, strengths_of
from symguide.cli.code import python_module
from symguide.cli.machine import answer_document, evidence_document
from symguide.cli.machine import proof_document as proof_for_machines
from symguide.cli.outputs import busy, check_folder, check_pdflatex, publish, say, write, write_json
from symguide.cli.parameters import (
    HORIZON,
    JSON,
    NOISE,
    PROBLEM,
    RULE,
    TARGET,
    T,
    U,
    W,
    argument,
    command,
    option,
    several,
)
from symguide.errors import ClockError, DataError, StrengthError

if TYPE_CHECKING:
    from fractions import Fraction

    from symguide.mixture import Problem
    from symguide.number import Number
    from symguide.solution import Solution
    from symguide.tilt import Tilt
    from symguide.verification import Report

__all__ = ["DONE", "FAILED"]

DONE, FAILED = 0, 1
"""Exit statuses: all well; a check failed."""


# --- list -------------------------------------------------------------------------------------------------------------


@command("list", JSON)
def _list(as_json: bool) -> int:
    """Built-in instances, noise schedules, rules and derivations, with their sources."""
    from symguide.datasets import DATASETS
    from symguide.derivation import REFERENCES, catalogue
    from symguide.schedules import SCHEDULES
    from symguide.strength import CONVENTIONS
    from symguide.tilt import RULES as KNOWN

    def item(name: str, description: str, source: str, **more: Any) -> dict[str, Any]:
        return {"name": name, "description": description, "source": source, **more}

    listed = {
        "instances": [
            item(name, known.description, known.source, target=known.target, parameters=_defaults(known.parameters))
            for name, known in DATASETS.items()
        ],
        "schedules": [
            item(name, kind.description, kind.source, parameters=_defaults(dict(kind.build().parameters)))
            for name, kind in SCHEDULES.items()
        ],
        "rules": [
            item(name, description, source.rstrip(")"))
            for name, (description, _, source) in ((name, text.rpartition(" (")) for name, text in KNOWN.items())
        ],
        "strengths": [item(name, f"{c.formula}: {c.description}", c.source) for name, c in CONVENTIONS.items()],
        "derivations": [
            item(name, known.title, "; ".join(str(REFERENCES[key]) for key in known.citations))
            for name, known in catalogue().items()
        ],
    }
    if as_json:
        write_json(listed)
        return DONE
    from symguide.tables import listing, screen

    screen().print(listing(listed))
    return DONE


def _defaults(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of an instance as they are written after its name."""
    joined = {tuple: lambda value: ("x" if isinstance(value[0], int) else "+").join(map(str, value))}
    return {key: joined.get(type(value), str)(value) for key, value in parameters.items()}


# --- solve ------------------------------------------------------------------------------------------------------------


@command(
    "solve",
    PROBLEM,
    W,
    U,
    T,
    NOISE,
    HORIZON,
    TARGET,
    RULE,
    option("--states", is_flag=True, help="The law on all contexts too, at every mask fraction."),
    option("--top", metavar="N", help="Only the N most probable token tuples of every law."),
    option("--exact", is_flag=True, help="Rational or symbolic arithmetic, whatever the size."),
    option("--float", "floats", is_flag=True, help="Double precision, whatever the size."),
    JSON,
)
def _solve(
    problem: str,
    w: Sequence[str],
    u: Sequence[str],
    t: Sequence[str],
    noise: str | None,
    horizon: str | None,
    target: str | None,
    rule: str,
    states: bool,
    top: str | None,
    exact: bool,
    floats: bool,
    as_json: bool,
) -> int:
    """Laws, total variation and functionals of a problem.

    The terminal law, how far the chain is from it at the mask fractions --u (or times --t), and functionals of it.
    Arithmetic is exact where the size allows.
    """
    strengths = required_strengths(w)
    if exact and floats:
        raise DataError("--exact and --float contradict each other; give one of them, or none")
    count = None if top is None else at_least_one("--top", top)
    if states and not (u or t):
        raise ClockError("--states asks for the law on the way, but not where; add --u (or --t with --noise)")
    moments = moments_of(u, t, noise, horizon)
    from symguide.answers import answer

    path = "array" if floats else None
    if exact:
        path = "exact" if all(strength.denominator == 1 for strength in strengths) else "symbolic"
    with busy(f"solving {problem}"):
        found = answer(problem_of(problem, target), strengths, moments.fractions, rule, states, path)
    if as_json:
        write_json(answer_document(found, moments.times, count))
        for note in found.notes:
            say(f"note: {note}")
        return DONE
    from symguide.tables import answer_tables, screen

    console = screen()
    console.print(answer_tables(found, moments.times, count, console.width))
    return DONE


# --- verify -----------------------------------------------------------------------------------------------------------


@command(
    "verify",
    PROBLEM,
    W,
    U,
    T,
    NOISE,
    HORIZON,
    TARGET,
    RULE,
    option("--digits", metavar="N", default="50", help="Decimal digits of numerical agreement  [50]."),
    JSON,
)
def _verify(
    problem: str,
    w: Sequence[str],
    u: Sequence[str],
    t: Sequence[str],
    noise: str | None,
    horizon: str | None,
    target: str | None,
    rule: str,
    digits: str,
    as_json: bool,
) -> int:
    """Check the closed form of a problem by independent routes.

    Residual, initial value, mass, positivity and limit as identities; the Kolmogorov equations integrated at many
    digits; enclosures by ball arithmetic. At the mask fractions --u (or times --t), 1/2 unless given. Exits with 1 if
    anything is refuted or unknown.
    """
    strengths = required_strengths(w)
    precision = at_least_one("--digits", digits)
    moments = moments_of(u, t, noise, horizon)
    from fractions import Fraction

    from symguide.evidence import weakest
    from symguide.tilt import guidance

    with busy(f"checking {problem}"):
        loaded = problem_of(problem, target)
        points = [_rational(fraction) for fraction in moments.fractions] or [Fraction(1, 2)]
        found = _check(guidance(loaded, rule), strengths, points, precision)
    verdict = weakest(item for checked in found for item in checked.report.evidence)
    if as_json:
        write_json(
            {
                "problem": loaded.name,
                "target": loaded.target,
                "rule": rule,
                "digits": precision,
                "verdict": str(verdict),
                "notes": list(loaded.notes),
                "results": [checked.document() for checked in found],
            }
        )
        return DONE if verdict.passes else FAILED
    from symguide.tables import evidence_tables, screen

    screen().print(evidence_tables(loaded, rule, [(checked.title, checked.report) for checked in found], verdict))
    return DONE if verdict.passes else FAILED


def _rational(fraction: Number) -> Fraction:
    """The mask fraction of a time may be irrational; what is checked there is checked at a fraction 30 digits close."""
    from fractions import Fraction

    from sympy import N

    return fraction if isinstance(fraction, Fraction) else Fraction(str(N(fraction, 30)))


class Checked(NamedTuple):
    """What was checked at one strength, and what was found."""

    w: Fraction
    fractions: list[Fraction]
    checked: int
    contexts: int
    report: Report

    @property
    def title(self) -> str:
        """For people."""
        part = f", {self.checked} of {self.contexts} contexts" if self.checked < self.contexts else ""
        return f"w = {self.w}{part}"

    def document(self) -> dict[str, Any]:
        """For machines."""
        return {
            "w": str(self.w),
            "u": [str(fraction) for fraction in self.fractions],
            "contexts": self.contexts,
            "contexts_checked": self.checked,
            "verdict": str(self.report.verdict),
            "evidence": evidence_document(self.report.evidence),
            "notes": list(self.report.notes),
        }


def _check(tilt: Tilt, strengths: list[Fraction], fractions: list[Fraction], digits: int) -> list[Checked]:
    """Check the closed form at some strengths: with ``w`` open where one form covers them."""
    from symguide.chain import guided_chain
    from symguide.errors import InfiniteRatioError
    from symguide.naming import named
    from symguide.number import to_sympy
    from symguide.solution import solve
    from symguide.symbols import w
    from symguide.verification import sample, verify

    try:
        general = None if set(strengths) == {-1} else guided_chain(tilt)
    except InfiniteRatioError:
        general = None  # of a pair that excludes tokens, which ones depends on the sign of w
    found = []
    for strength in strengths:
        if general is None or strength == -1:
            chain, symbol = guided_chain(tilt.at(strength)), to_sympy(strength)
        else:
            chain, symbol = general, w
        part = sample(chain)
        whole = None if part is chain else named(chain, symbol)
        report = verify(solve(part, symbol), strength, fractions, digits=digits, whole=whole)
        found.append(Checked(strength, fractions, len(part.states), len(chain.states), report))
    return found


# --- prove ------------------------------------------------------------------------------------------------------------


@command(
    "prove",
    argument("names", metavar="[NAME...]", nargs=-1, required=False),
    option("--out", metavar="DIR", default="out", help="Where the LaTeX goes, a file per derivation  [out]."),
    option("--pdf", is_flag=True, help="PDF too, by pdflatex."),
    option("--digits", metavar="N", default="50", help="Decimal digits at which instances are verified  [50]."),
    JSON,
)
def _prove(names: Sequence[str], out: str, pdf: bool, digits: str, as_json: bool) -> int:
    """Run derivations: derive, check, write LaTeX.

    Every derivation, or those of some names: each step is checked, the claim is tried on the built-in instances, real
    data included, and a document is written. Exits with 1 if anything is refuted or unknown.
    """
    precision = at_least_one("--digits", digits)
    check_folder(out)
    if pdf:
        check_pdflatex()
    from symguide.derivation import run, select
    from symguide.proofs import proof_document
    from symguide.tables import progress_bar, proof_tables, screen

    derivations = select(names)
    with progress_bar(derivations) as tell:
        proofs = [run(derivation, precision, tell(derivation)) for derivation in derivations]
    documents = {"-".join(proof.derivation.name.split()): proof_document([proof]) for proof in proofs}
    files = publish(out, documents, pdf)
    passed = all(proof.verdict.passes for proof in proofs)
    if as_json:
        write_json(
            {
                "digits": precision,
                "verdict": str(min(proof.verdict for proof in proofs)),
                "derivations": [
                    proof_for_machines(proof) | {"files": written} for proof, written in zip(proofs, files, strict=True)
                ],
            }
        )
    screen(to_stderr=as_json).print(proof_tables(proofs, [name for written in files for name in written]))
    return DONE if passed else FAILED


# --- export -----------------------------------------------------------------------------------------------------------


@command(
    "export",
    PROBLEM,
    option("--latex", metavar="FILE", help="A LaTeX document; `-` is stdout."),
    option("--python", metavar="FILE", help="A Python module of NumPy functions; `-` is stdout."),
    several("--w", "W", "One guidance strength  [left open, as a symbol]."),
    NOISE,
    HORIZON,
    TARGET,
    RULE,
)
def _export(
    problem: str,
    latex: str | None,
    python: str | None,
    w: Sequence[str],
    noise: str | None,
    horizon: str | None,
    target: str | None,
    rule: str,
) -> int:
    """Closed forms as a LaTeX document or as Python code.

    The law of every context, its distance to the terminal law, and what the abbreviations stand for, with the guidance
    strength open unless --w gives it. A noise schedule is spelled out in time.
    """
    places = [place for place in (latex, python) if place is not None]
    if not places:
        raise DataError("no output is named, so nothing would be written; add --latex FILE or --python FILE")
    if len(set(places)) < len(places):
        raise DataError(f"--latex and --python both name {places[0]!r}, so one would be lost; name two places")
    strengths = strengths_of(w)
    if len(strengths) > 1:
        raise StrengthError(
            f"--w has {len(strengths)} values, but one document holds one strength; give one, or none to leave it open"
        )
    strength = strengths[0] if strengths else None
    schedule = schedule_of(noise, horizon)
    texts: dict[str, str] = {}
    with busy(f"solving {problem}"):
        loaded = problem_of(problem, target)
        solution = _solution(loaded, rule, strength)
        if latex is not None:
            from symguide.documents import solution_document

            texts[latex] = solution_document(solution, loaded, rule, schedule)
        if python is not None:
            texts[python] = python_module(solution, loaded, rule, noise, horizon)
    write(texts)
    return DONE


def _solution(problem: Problem, rule: str, strength: Fraction | None) -> Solution:
    from symguide.chain import guided_chain
    from symguide.number import to_sympy
    from symguide.solution import solve
    from symguide.symbols import w
    from symguide.tilt import guidance

    tilt = guidance(problem, rule)
    if strength is None:
        return solve(guided_chain(tilt), w)
    return solve(guided_chain(tilt.at(strength)), to_sympy(strength))
