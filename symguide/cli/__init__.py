"""The command line: what may be asked, how it is read, and where the answers go.

Commands are described as data, so that ``--help`` and mistakes in the arguments are answered before anything heavy is
imported; this is the one room that imports late.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symguide.cli.arguments import gather
from symguide.cli.choose import choose_command
from symguide.cli.diagnose import diagnose_command
from symguide.cli.export import export_command
from symguide.cli.listing import list_command
from symguide.cli.outputs import say
from symguide.cli.parameters import DONE, Command
from symguide.cli.prove import prove_command
from symguide.cli.regime import regime_command
from symguide.cli.sample_law import sample_law_command
from symguide.cli.solve import solve_command
from symguide.cli.sweep import sweep_command
from symguide.cli.verify import verify_command
from symguide.errors import SymguideError
from symguide.numbers.numeral import long_integers

if TYPE_CHECKING:
    import click

__all__ = ["COMMANDS", "gather", "main"]

COMMANDS = {
    command.name: command
    for command in (
        list_command,
        solve_command,
        verify_command,
        prove_command,
        export_command,
        regime_command,
        sample_law_command,
        sweep_command,
        choose_command,
        diagnose_command,
    )
}
"""Every command by name, in the order of the overview."""

BAD_INPUT, INTERRUPTED = 2, 130
"""Exit statuses: bad input; Ctrl-C."""


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
  symguide sample-law squares-overlap --sampler tau-leaping --steps 50 --noise log-linear --w 3
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
        with long_integers():
            status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        say("symguide: interrupted; nothing is left half-written")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read has left, as `head` does: nobody is there to be told, and Python's own last flush must not fail.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return BAD_INPUT
    except SymguideError as error:
        say(f"symguide: error: {error}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"symguide: error: {where}{error.strerror or error}, so it was not written; check path, rights and space")
    except MemoryError:
        say("symguide: error: the memory does not suffice for this problem; use fewer tokens, or --float")
    return BAD_INPUT
