"""The command line: what may be asked, how it is read, and where the answers go.

Commands are described as data, so that ``--help`` and mistakes in the arguments are answered before anything heavy is
imported; this is the one module that imports late.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from symguide.errors import ClockError, DataError, StrengthError, SymguideError

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    import click

    from symguide.answers import Answer, Quantity, Result
    from symguide.derivation import Outcome, Proof
    from symguide.evidence import Evidence
    from symguide.law import Context
    from symguide.mixture import Problem
    from symguide.number import Number
    from symguide.schedule import NoiseSchedule
    from symguide.solution import Solution
    from symguide.tilt import Tilt
    from symguide.verification import Report

__all__ = ["COMMANDS", "RULES", "gather", "main"]

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: all well, a check failed, bad input, Ctrl-C."""

RULES = ("rate", "normalised")
"""The names in :data:`symguide.tilt.RULES`, known here without SymPy."""

# --- the commands as data ---------------------------------------------------------------------------------------------


class Parameter(NamedTuple):
    """An argument or an option, before click is imported: its declarations and what click is told about it."""

    names: tuple[str, ...]
    settings: dict[str, Any]


class Command(NamedTuple):
    """A command: its name, what runs it, and what it takes. The docstring of ``run`` is its help."""

    name: str
    run: Callable[..., int]
    parameters: tuple[Parameter, ...]

    @property
    def summary(self) -> str:
        """The first sentence of the help."""
        return (self.run.__doc__ or "").partition("\n")[0].rstrip(".")


COMMANDS: dict[str, Command] = {}
"""Every command by name, in the order of the overview."""


def _command(name: str, *parameters: Parameter) -> Callable[[Callable[..., int]], Callable[..., int]]:
    def register(run: Callable[..., int]) -> Callable[..., int]:
        COMMANDS[name] = Command(name, run, parameters)
        return run

    return register


def _option(*names: str, **settings: Any) -> Parameter:
    return Parameter(names, settings)


def _several(name: str, metavar: str, help: str) -> Parameter:
    return Parameter((name,), {"metavar": f"{metavar}...", "multiple": True, "help": help})


def _argument(name: str, **settings: Any) -> Parameter:
    return Parameter((name,), settings)


_PROBLEM = _argument("problem", metavar="PROBLEM")
_TARGET = _option("--target", metavar="CLASS", help="The class to guide towards.")
_RULE = _option("--rule", metavar="|".join(RULES), choices=RULES, default="rate", help="Guidance rule  [rate].")
_W = _several("--w", "W", "Guidance strengths w >= -1: -1 unconditional, 0 conditional.")
_U = _several("--u", "U", "Mask fractions in [0, 1]: 1 all masked, 0 the end.")
_T = _several("--t", "T", "Times, instead of mask fractions; with --noise.")
_NOISE = _option("--noise", metavar="NAME[:key=value,...]", help="Noise schedule, as `symguide list` names them.")
_HORIZON = _option("--horizon", metavar="T", help="Horizon of the noise schedule, instead of its own.")
_JSON = _option("--json", "as_json", is_flag=True, help="Write JSON to stdout, everything for people to stderr.")

SEVERAL = frozenset({"--w", "--u", "--t"})
"""Options that take one or more values."""

# --- reading the arguments --------------------------------------------------------------------------------------------

_NUMBER = r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?)"
_NUMBER_LIKE = r"[+-]?(\.?\d[\d./]*([eE][+-]?\d+)?|nan|inf|infinity|oo)"
_LONGEST = 4000


def gather(arguments: Sequence[str]) -> list[str]:
    """The arguments with the values of ``--w``, ``--u`` and ``--t`` joined: ``--w -1/2 0`` becomes ``--w=-1/2 0``.

    The first value is whatever follows, unless that is a long option; further ones are the tokens that look like
    numbers, with commas or without. ``--`` ends the options.

    Raises
    ------
    SymguideError
        For an option with no value.

    >>> gather(["solve", "--w", "-1/2", "0,", "3", "words", "--u=1/2", "--json"])
    ['solve', '--w=-1/2 0, 3', 'words', '--u=1/2', '--json']
    """
    joined: list[str] = []
    rest = list(reversed(arguments))
    while rest:
        token = rest.pop()
        if token == "--":
            return [*joined, token, *reversed(rest)]
        name, equals, value = token.partition("=")
        if name not in SEVERAL:
            joined.append(token)
            continue
        values = [value] if equals else []
        while rest and (_looks_like_numbers(rest[-1]) or not (values or rest[-1].startswith("--"))):
            values.append(rest.pop())
        if not "".join(values).strip(" ,"):
            raise SymguideError(f"{name} has no value, so nothing can be computed; give one or more numbers after it")
        joined.append(f"{name}={' '.join(values)}")
    return joined


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,]+", text) if part]


def _looks_like_numbers(token: str) -> bool:
    return bool(token) and all(re.fullmatch(_NUMBER_LIKE, part) for part in _parts(token))


def _numbers(
    option: str, given: Sequence[str], error: type[SymguideError], low: int | None, high: int | None, outside: str
) -> list[Fraction]:
    """The values of an option, exactly, between bounds; read without SymPy."""
    values = []
    for part in (part for text in given for part in _parts(text)):
        value = _number(option, part, error)
        if (low is not None and value < low) or (high is not None and value > high):
            raise error(f"{option} is {_short(part)}: {outside}")
        values.append(value)
    return values


def _number(option: str, text: str, error: type[SymguideError]) -> Fraction:
    """One number in the spellings of :func:`symguide.number.read_number`."""
    from fractions import Fraction

    try:
        if re.fullmatch(_NUMBER, text) and len(text) <= _LONGEST:
            return Fraction(text)
    except ZeroDivisionError:
        raise error(f"{option} is {_short(text)}: its denominator is zero; write a fraction or a decimal") from None
    raise error(
        f"{option} is {_short(text)!r}: that is no finite number, and text is not evaluated; write 3, -1/2 or 0.25"
    )


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:19]}..{text[-19:]}"


def _strengths(given: Sequence[str]) -> list[Fraction]:
    outside = "below -1 the guided chain is not defined; use w >= -1 (-1 is unconditional)"
    return _numbers("--w", given, StrengthError, -1, None, outside)


def _required_strengths(given: Sequence[str]) -> list[Fraction]:
    if not given:
        raise StrengthError("--w is missing, so no chain is meant; give one or more strengths, such as --w 0 1 3")
    return _strengths(given)


def _at_least_one(option: str, given: str) -> int:
    if not re.fullmatch(r"\d{1,9}", given) or int(given) < 1:
        raise DataError(f"{option} is {_short(given)!r}: that counts nothing; give a whole number of at least 1")
    return int(given)


class Moments(NamedTuple):
    """Where on the way the law is asked for: mask fractions, and the times they come from if times were given."""

    fractions: list[Number]
    times: list[Fraction]


def _moments(u: Sequence[str], t: Sequence[str], noise: str | None, horizon: str | None) -> Moments:
    """Mask fractions from ``--u``, or from ``--t`` through a noise schedule."""
    if u and t:
        raise ClockError("--u and --t both say when, so the answer would be ambiguous; give one of them")
    if t and noise is None:
        raise ClockError("--t is given without --noise, so times have no mask fraction; add --noise NAME (or use --u)")
    if noise is not None and not t:
        raise ClockError(f"--noise is {_short(noise)!r}, but there are no times for it to convert; add --t or drop it")
    outside = "mask fractions lie in [0, 1], from the end to the start; correct it"
    fractions = _numbers("--u", u, ClockError, 0, 1, outside)
    times = _numbers("--t", t, ClockError, 0, None, "times run from the horizon down to 0; correct it")
    schedule = _schedule(noise, horizon)
    if schedule is None:
        return Moments(list(fractions), [])
    return Moments([_plain(schedule.mask_fraction_at(time)) for time in times], times)


def _schedule(noise: str | None, horizon: str | None) -> NoiseSchedule | None:
    if horizon is not None and noise is None:
        raise ClockError(f"--horizon is {_short(horizon)} without --noise, so it ends no schedule; add --noise NAME")
    if noise is None:
        return None
    end = horizon if horizon in (None, "oo", "inf") else _number("--horizon", horizon, ClockError)
    from symguide.schedules import parse_schedule

    return parse_schedule(noise, end)


def _plain(value: Any) -> Number:
    """A SymPy rational as a ``Fraction``."""
    from symguide.number import read_number

    return read_number(value, "mask fraction u", ClockError)


def _problem(name: str, target: str | None) -> Problem:
    """A problem file if there is one of that name, or if it can only be meant as one; a built-in instance otherwise."""
    if os.path.isfile(name) or name.endswith(".json") or "/" in name or os.sep in name:
        from symguide.problem_file import read_problem

        return read_problem(name, target)
    from symguide.datasets import load

    return load(name, target)


# --- where the answers go ---------------------------------------------------------------------------------------------


def _say(line: str) -> None:
    """One line for people who wait or whose request failed."""
    if sys.stderr is not None:
        print(" ".join(line.split()), file=sys.stderr)


@contextmanager
def _busy(what: str) -> Iterator[None]:
    """A spinner on stderr while something runs, for people only."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from symguide.tables import screen

    with screen(to_stderr=True).status(what):
        yield


@contextmanager
def _long_integers() -> Iterator[None]:
    """Exact numbers may have more digits than Python writes by default."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


def _write(texts: Mapping[str, str]) -> None:
    """Write texts to files, all or none: each goes to a file beside its place, and only then do all move.

    ``-`` is stdout, and what is no regular file, such as a pipe, is written to as it is.
    """
    from pathlib import Path

    waiting: list[tuple[str, Path]] = []
    at_once: list[tuple[str, str]] = []
    try:
        for name, text in texts.items():
            path = Path(os.path.realpath(name))
            if path.is_dir():
                raise DataError(f"{name}: this is a directory, so nothing can be written to it; name a file")
            if name == "-" or (path.exists() and not path.is_file()):
                at_once.append((name, text))
            else:
                waiting.append((_beside(path, text), path))
        for name, text in at_once:
            if name == "-":
                sys.stdout.write(text)
                sys.stdout.flush()
            else:
                Path(name).write_text(text, encoding="utf-8")
        while waiting:
            os.replace(*waiting[0])
            del waiting[0]
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise DataError(f"{name}: {error.strerror}, so nothing was written; choose another place") from None
    finally:
        for temporary, _ in waiting:
            os.unlink(temporary)


def _beside(path: Path, text: str) -> str:
    """A temporary file in the folder of ``path`` with its text and the rights it has or would get."""
    import tempfile

    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(13, "Permission denied")
    number, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~umask)
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def _write_json(document: Any) -> None:
    import json

    print(json.dumps(document, allow_nan=False))


# --- list -------------------------------------------------------------------------------------------------------------


@_command("list", _JSON)
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
        _write_json(listed)
        return DONE
    from symguide.tables import listing, screen

    screen().print(listing(listed))
    return DONE


def _defaults(parameters: Mapping[str, Any]) -> dict[str, str]:
    """Parameters of an instance as they are written after its name."""
    joined = {tuple: lambda value: ("x" if isinstance(value[0], int) else "+").join(map(str, value))}
    return {key: joined.get(type(value), str)(value) for key, value in parameters.items()}


# --- solve ------------------------------------------------------------------------------------------------------------


def _quantity(quantity: Quantity | None) -> dict[str, Any] | None:
    """``Q``: the double and the exact form. A value beyond the doubles has no double."""
    if quantity is None:
        return None
    return {"value": _finite(quantity.value), "exact": None if quantity.exact is None else str(quantity.exact)}


def _finite(value: float | None) -> float | None:
    """JSON has no infinities."""
    return value if value is not None and abs(value) < float("inf") else None


def _law(law: Mapping[Context, Quantity], top: int | None = None) -> list[dict[str, Any]]:
    """A law in its own order, or the ``top`` most probable entries of it in that order (of equals the first)."""
    kept: Collection[Context] = law
    if top is not None:
        from symguide.tables import most_probable

        kept = set(most_probable(law, top))
    return [{"tokens": list(x), "probability": _quantity(q)} for x, q in law.items() if x in kept]


def _result(result: Result, time: Number | None, top: int | None) -> dict[str, Any]:
    document = {
        "w": str(result.w),
        "u": None if result.u is None else str(result.u),
        "t": None if time is None else str(time),
        "tv": _quantity(result.tv),
        "log_tv": _finite(result.log_tv),
        "log_minus_log_tv": _finite(result.log_minus_log_tv),
        "terminal": _law(result.terminal, top),
    }
    if result.states is not None:
        document["states"] = _law(result.states)
    document["functionals"] = {name: _quantity(value) for name, value in result.functionals.items()}
    if result.dead is not None and result.dead.value > 0:
        document["dead"] = _quantity(result.dead)
    return document


def _document(answer: Answer, times: Sequence[Number], top: int | None) -> dict[str, Any]:
    """``solve --json``."""
    moments = list(times) or [None]
    return {
        "target": answer.problem.target,
        "rule": answer.rule,
        "path": answer.path,
        "notes": list(answer.notes),
        "results": [_result(r, moments[j % len(moments)], top) for j, r in enumerate(answer.results)],
    }


@_command(
    "solve",
    _PROBLEM,
    _W,
    _U,
    _T,
    _NOISE,
    _HORIZON,
    _TARGET,
    _RULE,
    _option("--states", is_flag=True, help="The law on all contexts too, at every mask fraction."),
    _option("--top", metavar="N", help="Only the N most probable token tuples of every law."),
    _option("--exact", is_flag=True, help="Rational or symbolic arithmetic, whatever the size."),
    _option("--float", "floats", is_flag=True, help="Double precision, whatever the size."),
    _JSON,
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
    strengths = _required_strengths(w)
    if exact and floats:
        raise DataError("--exact and --float contradict each other; give one of them, or none")
    count = None if top is None else _at_least_one("--top", top)
    if states and not (u or t):
        raise ClockError("--states asks for the law on the way, but not where; add --u (or --t with --noise)")
    moments = _moments(u, t, noise, horizon)
    from symguide.answers import answer

    path = "array" if floats else None
    if exact:
        path = "exact" if all(strength.denominator == 1 for strength in strengths) else "symbolic"
    with _busy(f"solving {problem}"):
        found = answer(_problem(problem, target), strengths, moments.fractions, rule, states, path)
    if as_json:
        _write_json(_document(found, moments.times, count))
        for note in found.notes:
            _say(f"note: {note}")
        return DONE
    from symguide.tables import answer_tables, screen

    console = screen()
    console.print(answer_tables(found, moments.times, count, console.width))
    return DONE


# --- verify -----------------------------------------------------------------------------------------------------------


@_command(
    "verify",
    _PROBLEM,
    _W,
    _U,
    _T,
    _NOISE,
    _HORIZON,
    _TARGET,
    _RULE,
    _option("--digits", metavar="N", default="50", help="Decimal digits of numerical agreement  [50]."),
    _JSON,
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
    strengths = _required_strengths(w)
    precision = _at_least_one("--digits", digits)
    moments = _moments(u, t, noise, horizon)
    from fractions import Fraction

    from symguide.evidence import weakest
    from symguide.tilt import guidance

    with _busy(f"checking {problem}"):
        loaded = _problem(problem, target)
        points = [_rational(fraction) for fraction in moments.fractions] or [Fraction(1, 2)]
        found = _check(guidance(loaded, rule), strengths, points, precision)
    verdict = weakest(item for checked in found for item in checked.report.evidence)
    if as_json:
        _write_json(
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


def _evidence(evidence: Sequence[Evidence]) -> list[dict[str, str]]:
    return [{"check": item.check, "verdict": str(item.verdict), "detail": item.detail} for item in evidence]


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
            "evidence": _evidence(self.report.evidence),
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


@_command(
    "prove",
    _argument("names", metavar="[NAME...]", nargs=-1, required=False),
    _option("--out", metavar="DIR", default="out", help="Where the LaTeX goes, a file per derivation  [out]."),
    _option("--pdf", is_flag=True, help="PDF too, by pdflatex."),
    _option("--digits", metavar="N", default="50", help="Decimal digits at which instances are verified  [50]."),
    _JSON,
)
def _prove(names: Sequence[str], out: str, pdf: bool, digits: str, as_json: bool) -> int:
    """Run derivations: derive, check, write LaTeX.

    Every derivation, or those of some names: each step is checked, the claim is tried on the built-in instances, real
    data included, and a document is written. Exits with 1 if anything is refuted or unknown.
    """
    precision = _at_least_one("--digits", digits)
    _check_folder(out)
    if pdf:
        _check_pdflatex()
    from symguide.derivation import run, select
    from symguide.proofs import proof_document
    from symguide.tables import progress_bar, proof_tables, screen

    derivations = select(names)
    with progress_bar(derivations) as tell:
        proofs = [run(derivation, precision, tell(derivation)) for derivation in derivations]
    documents = {"-".join(proof.derivation.name.split()): proof_document([proof]) for proof in proofs}
    files = _publish(out, documents, pdf)
    passed = all(proof.verdict.passes for proof in proofs)
    if as_json:
        _write_json(
            {
                "digits": precision,
                "verdict": str(min(proof.verdict for proof in proofs)),
                "derivations": [
                    _proof(proof) | {"files": written} for proof, written in zip(proofs, files, strict=True)
                ],
            }
        )
    screen(to_stderr=as_json).print(proof_tables(proofs, [name for written in files for name in written]))
    return DONE if passed else FAILED


def _proof(proof: Proof) -> dict[str, Any]:
    """A proof for machines."""

    def outcome(given: Outcome) -> dict[str, Any]:
        shown: dict[str, Any] = {"name": given.name, "verdict": None if given.not_run else str(given.verdict)}
        if given.not_run:
            return shown | {"not_run": given.not_run}
        return shown | {"evidence": _evidence(given.evidence)}

    return {
        "name": proof.derivation.name,
        "title": proof.derivation.title,
        "verdict": str(proof.verdict),
        "steps": list(map(outcome, proof.steps)),
        "instances": list(map(outcome, proof.instances)),
    }


def _check_folder(name: str) -> None:
    """Refuse a folder that cannot be made or written to, before anything takes time."""
    place = os.path.abspath(name)
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place):
        raise DataError(f"--out is {name}: {place} is no directory, so nothing can be written there; name another")
    if not os.access(place, os.W_OK | os.X_OK):
        raise DataError(f"--out is {name}: {place} may not be written to, so proofs have no place; name another")


def _check_pdflatex() -> None:
    from shutil import which

    if which("pdflatex") is None:
        raise SymguideError(
            "--pdf: pdflatex is not installed, so there can be no PDF; install texlive-latex-recommended, or drop --pdf"
        )


def _publish(folder: str, documents: Mapping[str, str], pdf: bool) -> list[list[str]]:
    """Documents, and their PDFs, into a folder: all are made in a folder of their own and moved when all are there."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    from symguide.documents import compile_pdf

    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=place, prefix=".unfinished-") as name:
            made = Path(name)
            for stem, source in documents.items():
                (made / f"{stem}.tex").write_text(source, encoding="utf-8")
                if pdf:
                    compile_pdf(source, made / f"{stem}.pdf")
            kinds = (".tex", ".pdf") if pdf else (".tex",)
            files = [[f"{stem}{kind}" for kind in kinds] for stem in documents]
            for file in (file for written in files for file in written):
                os.replace(made / file, place / file)
    except OSError as error:
        raise DataError(f"{folder}: {error.strerror}, so the documents were not written; name another place") from None
    return [[str(place / file) for file in written] for written in files]


# --- export -----------------------------------------------------------------------------------------------------------


@_command(
    "export",
    _PROBLEM,
    _option("--latex", metavar="FILE", help="A LaTeX document; `-` is stdout."),
    _option("--python", metavar="FILE", help="A Python module of NumPy functions; `-` is stdout."),
    _several("--w", "W", "One guidance strength  [left open, as a symbol]."),
    _NOISE,
    _HORIZON,
    _TARGET,
    _RULE,
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
    strengths = _strengths(w)
    if len(strengths) > 1:
        raise StrengthError(
            f"--w has {len(strengths)} values, but one document holds one strength; give one, or none to leave it open"
        )
    strength = strengths[0] if strengths else None
    schedule = _schedule(noise, horizon)
    texts: dict[str, str] = {}
    with _busy(f"solving {problem}"):
        loaded = _problem(problem, target)
        solution = _solution(loaded, rule, strength)
        if latex is not None:
            from symguide.documents import solution_document

            texts[latex] = solution_document(solution, loaded, rule, schedule)
        if python is not None:
            texts[python] = _module(solution, loaded, rule, noise, horizon)
    _write(texts)
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


_MODULE = '''\
"""Guided masked diffusion in closed form, as functions of {arguments}; PROBLEM and SOURCE say of what.

probabilities({arguments}) is the law of STATES at mask fraction u, from 1 (all masked) to 0 (the end), and
tv({arguments}) its distance to the terminal law. Arguments broadcast. {domain}
"""

from fractions import Fraction

import numpy

from symguide.arithmetic import power_float
from symguide.divided_differences import exp_dd_float as exp_dd
{imports}
PROBLEM = {problem!a}
SOURCE = {source!a}
STATES = [  # None is the mask
{states}
]
{rates}

def probabilities({arguments}):
    """P_x(u) of every context, along the first axis."""
    s = clock(u)
{unpack}    return numpy.array(
        numpy.broadcast_arrays(
{values}
        )
    )


def tv({arguments}):
    """TV(P(u), P(0)), the probability that a reveal is still to come."""
    s = clock(u)
{unpack}    return {tv}


def clock(u):
    """s = -ln u."""
    with numpy.errstate(divide="ignore"):
        return -numpy.log(numpy.asarray(u, dtype=float))
{schedule}'''

_RATES = '''

def rates({w}):
    """Exit rates and normalisers that the formulas share."""
{lines}
    return {names}
'''

_SCHEDULE = '''

SCHEDULE = parse_schedule({noise!a}, {horizon!a})


def mask_fraction(t):
    """u(t) under the noise schedule."""
    return SCHEDULE.mask_fraction_at(numpy.asarray(t, dtype=float))
'''


def _module(solution: Solution, problem: Problem, rule: str, noise: str | None, horizon: str | None) -> str:
    """A Python module that spells a solution out; its two kernels, power and divided difference, stay symguide's.

    What a problem file may choose freely goes into it as quoted text only.
    """
    from sympy import Symbol

    from symguide.compiled import TARGETS
    from symguide.law import format_context

    printer = TARGETS["numpy"][0]({"fully_qualified_modules": True, "allow_unknown_functions": True})
    names: dict[Any, Any] = {}
    for key in solution.definitions:
        plain = re.sub(r"[\W_]+", "_", str(key)).strip("_")
        unique = plain if plain not in map(str, names.values()) else f"{plain}_{len(names)}"
        names[key] = Symbol(unique, positive=True)

    def code(expression: Any) -> str:
        return printer.doprint(expression.xreplace(names))

    w = "w" if solution.named.w.free_symbols else ""
    domain = "For every w > -1" + ("; w = -1 included." if solution.named.chain.includes_unconditional else ".")
    listed = ", ".join(map(str, names.values())) + "," * (len(names) == 1)
    lines = "\n".join(f"    {names[key]} = {code(value)}" for key, value in solution.definitions.items())
    strength = "" if w else f", w = {solution.named.w}"
    goal = "a pair of laws" if problem.target is None else f"target {problem.target}"
    return _MODULE.format(
        arguments=f"{w}, u" if w else "u",
        domain=domain if w else "The strength is fixed.",
        imports="from symguide.schedules import parse_schedule\n" if noise else "",
        problem=f"{problem.name}, {goal}, {rule} rule{strength}",
        source=problem.source,
        states="\n".join(f"    {state!r}," for state in solution.states),
        rates=_RATES.format(w=w, lines=lines, names=listed) if names else "",
        unpack=f"    {listed} = rates({w})\n" if names else "",
        values="\n".join(
            f"            {code(value)},  # {format_context(state)}"
            for state, value in zip(solution.states, solution.probabilities, strict=True)
        ),
        tv=code(solution.tv),
        schedule=_SCHEDULE.format(noise=noise, horizon=horizon) if noise else "",
    )


# --- running ----------------------------------------------------------------------------------------------------------


def _overview() -> str:
    width = max(map(len, COMMANDS))
    commands = "\n".join(f"  {command.name:<{width}}  {command.summary}" for command in COMMANDS.values())
    return f"""\
Usage: symguide COMMAND [ARGUMENTS]

Exact laws of guided masked diffusion: closed forms, independently verified.

Commands:
{commands}

PROBLEM is a built-in instance (symguide list) or a JSON file. Numbers are decimals or fractions, read exactly.

Examples:
  symguide solve words --target fr --w 0 1 3 --top 10
  symguide solve squares-overlap --w -1/2 1 --t 0.5 --noise cosine
  symguide verify hypercubes-5d --w 1
  symguide export interval-overlap --latex -
  symguide prove --out out --pdf

Options:
  --help     This page; `symguide COMMAND --help` says more of one command.
  --version  The version."""


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"symguide {version('symguide')}"
    except PackageNotFoundError:
        return "symguide (not installed)"


def _unknown(name: str) -> SymguideError:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, 1)
    remedy = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(COMMANDS)}"
    return SymguideError(f"command {name!r} is unknown, so nothing was done; {remedy}")


def _clicked(command: Command) -> click.Command:
    import click

    parameters: list[click.Parameter] = []
    for names, settings in command.parameters:
        kind = {key: value for key, value in settings.items() if key != "choices"}
        if "choices" in settings:
            kind["type"] = click.Choice(settings["choices"])
        is_option = names[0].startswith("--")
        parameters.append(click.Option(names, **kind) if is_option else click.Argument(names, **kind))
    return click.Command(
        command.name, params=parameters, callback=command.run, help=command.run.__doc__, context_settings=_SETTINGS
    )


_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _run(arguments: Sequence[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in ("--help", "-h", "--version"):
        print(_version() if name == "--version" else _overview())
        return DONE
    if name not in COMMANDS:
        raise _unknown(name)
    given = gather(arguments[1:])
    import click

    try:
        with _clicked(COMMANDS[name]).make_context(f"symguide {name}", given) as context:
            return context.command.invoke(context)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.ClickException as error:
        raise SymguideError(f"{error.format_message().rstrip('.')}; see symguide {name} --help") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status: 0 done, 1 a check failed, 2 bad input, 130 interrupted.

    Parameters
    ----------
    arguments
        Those of the process if ``None``.
    """
    try:
        if sys.stdout is None:
            raise SymguideError("standard output is closed, so answers have nowhere to go; open it")
        for stream in (sys.stdout, sys.stderr):
            # A terminal that cannot show a sign shows a question mark.
            getattr(stream, "reconfigure", lambda **_: None)(errors="replace")
        with _long_integers():
            status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        _say("symguide: interrupted; nothing is left half-written")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has left, as `head` does: nobody is there to be told, and Python's own last flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BAD_INPUT
    except SymguideError as error:
        _say(f"symguide: error: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"symguide: error: {where}{error.strerror or error}, so it was not written; check path, rights and space")
    except MemoryError:
        _say("symguide: error: the memory does not suffice for this problem; use fewer tokens, or --float")
    return BAD_INPUT
