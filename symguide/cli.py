"""The command line: what may be asked, how it is read, and where the answers go.

Commands are described as data, so that ``--help`` and mistakes in the arguments are answered before anything heavy is
imported; this is the one module that imports late.
"""

import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from symguide.errors import ClockError, DataError, StrengthError, SymguideError

if TYPE_CHECKING:
    import click

    from symguide.answers import Answer, Quantity, Result
    from symguide.evidence import Evidence
    from symguide.mixture import Problem
    from symguide.number import Number
    from symguide.schedule import NoiseSchedule
    from symguide.tables import Screen

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


_PROBLEM = Parameter(("problem",), {"metavar": "PROBLEM"})
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

_NUMBER = re.compile(r"[+-]?(\d+/\d+|(\d+\.?\d*|\.\d+)(e[+-]?\d{1,4})?)", re.IGNORECASE)
_NUMBER_LIKE = re.compile(r"[+-]?(\.?\d[\d./]*(e[+-]?\d+)?|nan|inf|infinity|oo)", re.IGNORECASE)
_LONGEST = 4000


def gather(arguments: Sequence[str]) -> list[str]:
    """The arguments with the values of ``--w``, ``--u`` and ``--t`` joined: ``--w -1/2 0`` becomes ``--w=-1/2 0``.

    The first value is whatever follows, unless that is a long option; further ones are the tokens that look like numbers,
    with commas or without. ``--`` ends the options.

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
            raise SymguideError(f"{name} has no value, so there is nothing to compute; give one or more numbers after it")
        joined.append(f"{name}={' '.join(values)}")
    return joined


def _parts(text: str) -> list[str]:
    return [part for part in re.split(r"[\s,]+", text) if part]


def _looks_like_numbers(token: str) -> bool:
    return bool(token) and all(map(_NUMBER_LIKE.fullmatch, _parts(token)))


def _numbers(option: str, given: Sequence[str], error: type[SymguideError]) -> list[Fraction]:
    """The values of an option, exactly; read without SymPy, in the spellings of :func:`symguide.number.read_number`."""
    return [_number(option, part, error) for text in given for part in _parts(text)]


def _number(option: str, text: str, error: type[SymguideError]) -> Fraction:
    shown = text if len(text) <= 40 else f"{text[:20]}...{text[-10:]}"
    try:
        if _NUMBER.fullmatch(text) and len(text) <= _LONGEST:
            return Fraction(text)
    except ZeroDivisionError:
        raise error(f"{option} is {shown}: its denominator is zero; write a fraction or a decimal") from None
    raise error(f"{option} is {shown!r}: that is no finite number and text is not evaluated; write 3, -1/2 or 0.25")


def _strengths(given: Sequence[str]) -> list[Fraction]:
    strengths = _numbers("--w", given, StrengthError)
    for strength in strengths:
        if strength < -1:
            raise StrengthError(
                f"--w is {strength}: below -1 the guided chain is not defined; use w >= -1 (-1 is unconditional)"
            )
    return strengths


def _at_least_one(option: str, given: str) -> int:
    if not re.fullmatch(r"\d{1,9}", given) or int(given) < 1:
        raise DataError(f"{option} is {given!r}: nothing can be counted with it; give a whole number of at least 1")
    return int(given)


class Moments(NamedTuple):
    """Where on the way the law is asked for: mask fractions, and the times they come from if times were given."""

    fractions: "list[Number]"
    times: list[Fraction]


def _moments(u: Sequence[str], t: Sequence[str], noise: str | None, horizon: str | None) -> Moments:
    """Mask fractions from ``--u``, or from ``--t`` through a noise schedule."""
    if u and t:
        raise ClockError("--u and --t both say when, so the answer would be ambiguous; give one of them")
    if t and noise is None:
        raise ClockError("--t is given without --noise, so times have no mask fraction; add --noise NAME (or use --u)")
    if noise is not None and not t:
        raise ClockError(f"--noise is {noise!r}, but there are no times for it to convert; add --t (or drop --noise)")
    fractions = _numbers("--u", u, ClockError)
    for fraction in fractions:
        if not 0 <= fraction <= 1:
            raise ClockError(f"--u is {fraction}: mask fractions lie in [0, 1], from the end to the start; correct it")
    times = _numbers("--t", t, ClockError)
    schedule = _schedule(noise, horizon)
    if schedule is None:
        return Moments(list(fractions), [])
    return Moments([_plain(schedule.mask_fraction_at(time)) for time in times], times)


def _schedule(noise: str | None, horizon: str | None) -> "NoiseSchedule | None":
    if horizon is not None and noise is None:
        raise ClockError(f"--horizon is {horizon} without --noise, so it belongs to no schedule; add --noise NAME")
    if noise is None:
        return None
    end = None if horizon is None else horizon if horizon in ("oo", "inf") else _number("--horizon", horizon, ClockError)
    from symguide.schedules import parse_schedule

    return parse_schedule(noise, end)


def _plain(value: Any) -> "Number":
    """A SymPy rational as a ``Fraction``."""
    from symguide.number import read_number

    return read_number(value, "mask fraction u", ClockError)


def _problem(name: str, target: str | None) -> "Problem":
    """A problem file if there is one of that name, or if it can only be meant as one; a built-in instance otherwise."""
    path = Path(name)
    if path.is_file() or path.suffix == ".json" or os.sep in name or "/" in name or path.is_dir():
        from symguide.problem_file import read_problem

        return read_problem(path, target)
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


def _write_json(document: Any) -> None:
    import json

    print(json.dumps(document, allow_nan=False))


# --- list and solve ---------------------------------------------------------------------------------------------------


def _quantity(quantity: "Quantity | None") -> dict[str, Any] | None:
    """``Q``: the double and the exact form. A value beyond the doubles has no double."""
    if quantity is None:
        return None
    value = quantity.value if abs(quantity.value) < float("inf") else None
    return {"value": value, "exact": None if quantity.exact is None else str(quantity.exact)}


def _law(law: "Mapping[Context, Quantity]", top: int | None = None) -> list[dict[str, Any]]:
    """A law in its own order, or the ``top`` most probable entries of it in that order (of equals the first)."""
    kept = set(sorted(law, key=lambda x: -law[x].value)[:top]) if top is not None else law
    return [{"tokens": list(x), "probability": _quantity(q)} for x, q in law.items() if x in kept]


def _result(result: "Result", time: "Number | None", top: int | None) -> dict[str, Any]:
    document = {
        "w": str(result.w),
        "u": None if result.u is None else str(result.u),
        "t": None if time is None else str(time),
        "tv": _quantity(result.tv),
        "log_tv": result.log_tv,
        "log_minus_log_tv": result.log_minus_log_tv,
        "terminal": _law(result.terminal, top),
    }
    if result.states is not None:
        document["states"] = _law(result.states)
    document["functionals"] = {name: _quantity(value) for name, value in result.functionals.items()}
    if result.dead is not None and result.dead.value > 0:
        document["dead"] = _quantity(result.dead)
    return document


def _document(answer: "Answer", times: Sequence["Number"], top: int | None) -> dict[str, Any]:
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
    if not w:
        raise StrengthError("--w is missing, so no guided chain is meant; give one or more strengths, such as --w 0 1 3")
    if exact and floats:
        raise DataError("--exact and --float contradict each other; give one of them, or none")
    strengths = _strengths(w)
    count = None if top is None else _at_least_one("--top", top)
    if states and not (u or t):
        raise ClockError("--states asks for the law on the way, but not where; add --u (or --t with --noise)")
    moments = _moments(u, t, noise, horizon)
    from symguide.answers import answer

    path = "array" if floats else None
    if exact:
        path = "exact" if all(strength.denominator == 1 for strength in strengths) else "symbolic"
    with _busy(f"solving {problem}"), _long_integers():
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


def _clicked(command: Command) -> "click.Command":
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
        status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        _say("symguide: interrupted; nothing is left half-written")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has left, as `head` does: nobody is there to be told, and Python's own last flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BAD_INPUT
    except SymguideError as error:
        _say(f"symguide: error: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _say(f"symguide: error: {where}{error.strerror or error}, so it was not written; check path, rights and space")
    except MemoryError:
        _say("symguide: error: the memory does not suffice for this problem; use fewer tokens, or --float")
    return BAD_INPUT
