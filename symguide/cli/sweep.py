"""``symguide sweep``: grids over problems, targets, rules, strengths and mask fractions, to a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from symguide.cli.arguments import at_least_one, guidance_of, moments_of, problem_of
from symguide.cli.outputs import busy, say, write_json
from symguide.cli.parameters import DONE, FAILED, GUIDANCE, HORIZON, JSON, NOISE, T, U, W, argument, command, option
from symguide.errors import DataError, SymguideError
from symguide.laws.rules import RULES
from symguide.numbers.numeral import shortened

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from symguide.sweeps.case import Case
    from symguide.sweeps.sweep import Summary

__all__ = ["sweep_command"]

_MOST_WORKERS = 1_000
_SECONDS_TO_CONNECT = 10
_PATIENCE = 4.0
"""Seconds that a sweep may take before processes are started for it, unless their number is given."""

_SHOWN_FAILURES = 20


@command(
    "sweep",
    argument("problems", metavar="PROBLEM...", nargs=-1, required=False),
    option("--out", metavar="FILE.csv|.parquet", help="The table; one that exists is continued."),
    W,
    GUIDANCE,
    U,
    T,
    NOISE,
    HORIZON,
    option("--target", "targets", metavar="CLASS", multiple=True, help="A class to guide towards; may be repeated."),
    option(
        "--rule",
        "rules",
        metavar="|".join(RULES),
        choices=tuple(RULES),
        multiple=True,
        help="Guidance rule; may be repeated  [rate].",
    ),
    option("--exact", is_flag=True, help="Rational or symbolic arithmetic, whatever the size."),
    option("--float", "floats", is_flag=True, help="Double precision, whatever the size."),
    option("--forms", is_flag=True, help="Columns with the exact forms too."),
    option("--workers", metavar="N", help="Local processes; 1 is this one  [one per processor, if it takes long]."),
    option("--dask", metavar="ADDRESS", help="Compute on the Dask cluster with this scheduler instead."),
    JSON,
)
def sweep_command(
    problems: Sequence[str],
    out: str | None,
    w: Sequence[str],
    guidance_schedule: str | None,
    u: Sequence[str],
    t: Sequence[str],
    noise: str | None,
    horizon: str | None,
    targets: Sequence[str],
    rules: Sequence[str],
    exact: bool,
    floats: bool,
    forms: bool,
    workers: str | None,
    dask: str | None,
    as_json: bool,
) -> int:
    """Grids over problems, targets, rules, strengths and mask fractions, to a table.

    One row for each, with TV, its logarithms, functionals of the terminal law, and the path that computed them. Rows
    are written once, by key: run the same command again to continue, or a larger one to add to the table. Exits with 1
    if some rows could not be computed.
    """
    if not problems:
        raise DataError("no PROBLEM is named, so there is nothing to sweep over; name one or more")
    if out is None:
        raise DataError("--out is missing, so rows have no place; give a file, such as --out table.csv")
    strengths = guidance_of(w, guidance_schedule, noise, horizon)
    if exact and floats:
        raise DataError("--exact and --float contradict each other; give one of them, or none")
    if dask is not None and workers is not None:
        raise DataError("--dask and --workers both say where to compute; give one of them")
    count = None if workers is None else at_least_one("--workers", workers, _MOST_WORKERS)
    moments = moments_of(u, t, noise, horizon, guidance_schedule)
    from symguide.sweeps.row_file import check_place

    check_place(out)
    from symguide.sweeps.sweep import Moment, sweep

    with busy("reading problems"):
        cases = [case for name in problems for case in _cases(name, targets)]
    times = moments.times or [None] * len(moments.fractions)
    when = [Moment(fraction, time) for fraction, time in zip(moments.fractions, times, strict=True)]
    path = "exact" if exact else "array" if floats else None
    try:
        with _cluster(dask) if dask is not None else _here(count) as executor, _progress() as tell:
            found = sweep(
                cases,
                strengths,
                when,
                out=out,
                rules=rules or ("rate",),
                path=path,
                forms=forms,
                executor=executor,
                tell=tell,
            )
    except KeyboardInterrupt:
        say(f"symguide: {out} keeps the rows that are done; run the same command again to continue")
        raise
    for failure in found.failures[:_SHOWN_FAILURES]:
        say(f"symguide: failed: {failure}")
    if len(found.failures) > _SHOWN_FAILURES:
        say(f"symguide: failed: {len(found.failures) - _SHOWN_FAILURES} more")
    if as_json:
        write_json(_document(found, out))
    else:
        from symguide.display.tables import screen

        screen().print(_sentence(found, out), soft_wrap=True)
    return FAILED if found.failures else DONE


def _cases(name: str, targets: Sequence[str]) -> list[Case]:
    """A problem with each of its targets; built-in instances go by their names, which workers know."""
    from symguide.instances.datasets import DATASETS
    from symguide.sweeps.case import Case

    built_in = name.partition(":")[0].strip() in DATASETS and not os.path.isfile(name)
    spec = name.strip() if built_in else None
    return [Case.of(problem_of(name, target), spec=spec) for target in targets or (None,)]


@contextmanager
def _here(count: int | None) -> Iterator[Executor | None]:
    """Local processes; none where one is asked for, or before the work proves long."""
    from symguide.sweeps.local_processes import LocalProcesses, available_processors

    workers = count or available_processors()
    with nullcontext() if workers == 1 else LocalProcesses(workers, 0.0 if count else _PATIENCE) as executor:
        yield executor


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    """The executor of a Dask cluster."""
    try:
        from distributed import Client
    except ImportError:
        raise SymguideError(
            "--dask: the package distributed is not installed, so no cluster can be reached; "
            "pip install 'symguide[distributed]'"
        ) from None
    try:
        client = Client(address, timeout=_SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = shortened(" ".join(str(error).split()), 120)
        raise SymguideError(
            f"--dask is {address}: no scheduler answers there ({reason}), so nothing was computed; "
            "correct the address, such as tcp://host:8786, or start the cluster"
        ) from None
    with client:
        yield client.get_executor()


@contextmanager
def _progress() -> Iterator[Callable[[int, int, str], None]]:
    """A bar on stderr, for people only."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from symguide.display.tables import screen

    console = screen(to_stderr=True)
    columns = (BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    what = TextColumn("{task.description}")
    with Progress(*columns, what, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, text: bar.update(task, completed=done, total=total, description=text)


def _document(found: Summary, out: str) -> dict[str, Any]:
    """The summary for machines."""
    failed = [
        {"problem": item.problem, "target": item.target, "rule": item.rule, "w": item.w, "error": item.error}
        for item in found.failures
    ]
    return {
        "out": out,
        "rows": found.rows,
        "kept": found.kept,
        "written": found.written,
        "paths": dict(found.paths),
        "failed": failed,
    }


def _sentence(found: Summary, out: str) -> str:
    """The summary for people."""
    paths = ", ".join(f"{path} {count}" for path, count in found.paths.items())
    parts = [f"{found.written} new" + (f" ({paths})" if paths else "")]
    parts += [f"{found.kept} there before"] if found.kept else []
    missing = found.rows - found.kept - found.written
    parts += [f"{missing} missing"] if missing else []
    return f"{out}: {found.rows} rows asked for, {', '.join(parts)}"
