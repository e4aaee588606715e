"""Sweeps: one row for every problem, target, rule, strength and mask fraction, computed anywhere, written once.

Every row has a key made of what it is computed from, the content of the data included, so that a sweep that is run
again continues, and rows do not depend on how the work was divided. All numbers come from
:func:`symguide.answers.answer`.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from hashlib import sha256
from os import PathLike
from threading import Lock
from types import MappingProxyType
from typing import Any, NamedTuple

from symguide.answers.answer import PATHS, Quantity, Result, answer, read_fraction
from symguide.answers.results import FUNCTIONALS, nearest
from symguide.errors import DataError, SymguideError
from symguide.laws.composition import Composition
from symguide.laws.mixture import Problem
from symguide.laws.rules import RULES
from symguide.laws.strength import read_strength
from symguide.numbers.number import Number, canonical_string, shown
from symguide.numbers.numeral import long_integers
from symguide.schedules.guidance_schedule import GuidanceSchedule
from symguide.sweeps.case import Case, spelled
from symguide.sweeps.local_processes import InThisProcess, LocalProcesses
from symguide.sweeps.row_file import check_place, row_file

__all__ = ["COLUMNS", "FORMS", "Case", "Failure", "Moment", "Summary", "sweep"]

COLUMNS: Mapping[str, type] = MappingProxyType(
    dict.fromkeys(("key", "problem", "target", "rule", "path"), str)
    | {"w": float, "guidance_schedule": str}
    | dict.fromkeys(("u", "t", "tv", "log_tv", "log_minus_log_tv", "dead", *FUNCTIONALS), float)
    | {"notes": str}
)
"""Read-only: the columns of a table. Doubles in full; what does not exist is left empty."""

FORMS: Mapping[str, type] = MappingProxyType(
    dict.fromkeys((f"{name}_exact" for name in ("w", "u", "t", "tv", "dead", *FUNCTIONALS)), str)
)
"""Further columns with exact forms: rationals, or expressions that SymPy reads."""

_ORDER = ("problem", "target", "rule", "w", "guidance_schedule", "u", "t")
_MOST_STRENGTHS = 8
_SUBMITTED = 1_000
"""Tasks that an executor of somebody else's holds at once."""


class Moment(NamedTuple):
    """Where on the way a row stands: its mask fraction, and the time that comes from, if from one.

    >>> Moment(Fraction(1, 2)).t is None
    True
    """

    u: Number | None = None
    t: Number | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be computed at one strength, and why.

    >>> print(Failure("problem", "target", "rate", "3", "it is too large"))
    problem, target, rate, w = 3: it is too large
    """

    problem: str
    target: str | None
    rule: str
    w: str
    error: str

    def __str__(self) -> str:
        return f"{self.problem}, {self.target}, {self.rule}, w = {self.w}: {self.error}"


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a sweep.

    Attributes
    ----------
    rows
        How many rows it asks for.
    kept, written
        How many of them were there before, and how many are new.
    failures
        What is missing, and why.
    paths
        How many of the new rows each path computed.

    >>> Summary(rows=3, kept=1, written=2, failures=(), paths={"exact": 2}).failures
    ()
    """

    rows: int
    kept: int
    written: int
    failures: tuple[Failure, ...]
    paths: Mapping[str, int]


def sweep(
    problems: Iterable[Problem | str | Case],
    strengths: Iterable[object],
    moments: Iterable[Moment | object] = (),
    *,
    out: str | PathLike[str],
    rules: Iterable[str] = ("rate",),
    path: str | None = None,
    forms: bool = False,
    executor: Executor | None = None,
    tell: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> Summary:
    """Compute the rows of a grid that a table lacks, and add them to it.

    Parameters
    ----------
    problems
        Problems with their targets, or names of built-in instances with their usual ones.
    strengths
        Guidance strengths ``w``, or guidance schedules, which have a column of their own.
    moments
        Mask fractions ``u``, with their times if they come from times; with none, rows are of terminal laws alone.
    out
        The table, ``.csv`` or ``.parquet``; one that exists is continued.
    rules
        Guidance rules.
    path
        Force a path of :data:`symguide.answers.answer.PATHS`; ``"exact"`` is ``"symbolic"`` unless ``w`` is an integer.
    forms
        Whether to add the columns :data:`FORMS`.
    executor
        Any executor of :mod:`concurrent.futures`, a Dask client's among them; this process if ``None``. It is not shut
        down. Threads compute one after another, since precision is global.
    tell
        Is told how many rows are done, of how many, and of which problem.

    Raises
    ------
    SymguideError
        For bad input, before anything is computed. What fails at one strength is reported in the summary instead.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     found = sweep(["xor"], [0, 1], [Fraction(1, 2)], out=f"{folder}/xor.csv")
    >>> found.written, found.paths
    (2, {'exact': 2})
    """
    place = check_place(out)
    asked = tuple(dict.fromkeys(rules))
    for rule in asked:
        if rule not in RULES:
            raise SymguideError(f"guidance rule {rule!r} is unknown; choose one of {', '.join(RULES)}")
    if path not in (None, *PATHS):
        raise DataError(f"path {path!r} is unknown; choose one of {', '.join(PATHS)}")
    listed = list(dict.fromkeys(w if isinstance(w, GuidanceSchedule) else read_strength(w) for w in strengths))
    when = [_read_moment(moment) for moment in moments] or [Moment()]
    cases = [Case.of(problem) for problem in problems]
    if not (cases and listed and asked):
        raise DataError("the sweep is empty: there are no problems, strengths or rules; give at least one of each")
    grid = _Grid(tuple(dict.fromkeys(cases)), asked, tuple(listed), tuple(dict.fromkeys(when)), path, forms)
    columns = {**COLUMNS, **FORMS} if forms else COLUMNS
    engine = InThisProcess() if executor is None else executor
    with row_file(place, columns, _ORDER) as table, long_integers():
        tasks, kept = _missing(grid, table.keys, engine)
        if len(tasks) == 1 and isinstance(engine, LocalProcesses):
            engine = InThisProcess()  # a process would only have to start
        total, written, failures, paths = grid.size, 0, [], Counter()
        tell(kept, total, "")
        try:
            with closing(_run(engine, tasks)) as outcomes:
                for task, outcome in outcomes:
                    written += table.append(outcome.rows)
                    paths.update(row["path"] for row in outcome.rows)
                    failures += outcome.failures
                    lost = len(failures) * len(grid.moments)
                    tell(min(kept + written + lost, total), total, f"{task.case.name}, {task.rule}")
        finally:
            _workspace.cache_clear()
    return Summary(total, kept, written, tuple(failures), dict(sorted(paths.items())))


def _read_moment(given: Moment | object) -> Moment:
    u, t = given if isinstance(given, Moment) else (given, None)
    return Moment(read_fraction(u), t)


# --- what is asked ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Task:
    """A problem under one rule at some strengths, all at the same mask fractions."""

    case: Case
    rule: str
    strengths: tuple[Number | GuidanceSchedule, ...]
    moments: tuple[Moment, ...]
    path: str | None
    forms: bool

    def key(self, w: Number | GuidanceSchedule, moment: Moment) -> str:
        """Of one row: readable, with a digest of everything that determines the row."""
        at = [str(value) for value in (w, *moment) if value is not None]
        strength = ",".join(map(str, w.windows)) if isinstance(w, GuidanceSchedule) else spelled(w)
        exact = [strength, *(spelled(value) for value in moment)]
        digest = sha256("\0".join([self.case.fingerprint, self.rule, str(self.path), *exact]).encode()).hexdigest()[:16]
        parts = [self.case.name, self.case.target, self.rule, f"w={shown(at[0], 24)}"]
        parts += [f"u={shown(at[1], 24)}"] if moment.u is not None else []
        return "|".join([*(str(part) for part in parts if part is not None), digest])


@dataclass(frozen=True, slots=True)
class _Grid:
    """Everything that is asked."""

    cases: tuple[Case, ...]
    rules: tuple[str, ...]
    strengths: tuple[Number | GuidanceSchedule, ...]
    moments: tuple[Moment, ...]
    path: str | None
    forms: bool

    @property
    def size(self) -> int:
        """How many rows that makes."""
        return len(self.cases) * len(self.rules) * len(self.strengths) * len(self.moments)


def _missing(grid: _Grid, keys: set[str], engine: Executor) -> tuple[list[_Task], int]:
    """Tasks for the rows whose keys are not there, and how many rows are.

    Where each worker has many strengths to do, several go into one task.
    """
    count = len(grid.cases) * len(grid.rules) * len(grid.strengths)
    most = max(1, min(_MOST_STRENGTHS, count // (4 * _room(engine))))
    tasks: list[_Task] = []
    kept = 0
    for case in grid.cases:
        for rule in grid.rules:
            open_at: dict[tuple[Moment, ...], list[Number | GuidanceSchedule]] = defaultdict(list)
            for w in grid.strengths:
                row = _Task(case, rule, (w,), grid.moments, grid.path, grid.forms)
                lacking = tuple(moment for moment in grid.moments if row.key(w, moment) not in keys)
                kept += len(grid.moments) - len(lacking)
                if lacking:
                    open_at[lacking].append(w)
            for moments, strengths in open_at.items():
                for first in range(0, len(strengths), most):
                    part = tuple(strengths[first : first + most])
                    tasks.append(_Task(case, rule, part, moments, grid.path, grid.forms))
    return tasks, kept


# --- what a worker does -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Outcome:
    rows: tuple[Mapping[str, str | float | None], ...]
    failures: tuple[Failure, ...]


_ONE_AT_A_TIME = Lock()
"""Working precision is global, so the threads of a process take turns."""


@lru_cache(maxsize=1)
def _workspace(case: Case, rule: str) -> tuple[Problem, dict[str, Any]]:
    """The problem, and the graphs of its contexts, which serve all strengths, from one task to the next."""
    return case.load(), {}


def _compute(task: _Task) -> _Outcome:
    """The rows of a task; what fails at one strength does not touch the others."""
    rows, failures = [], []
    with _ONE_AT_A_TIME, long_integers():
        for w in task.strengths:
            try:
                rows += _rows(task, w)
            except SymguideError as error:
                failures.append(_failure(task, w, str(error)))
            except Exception as error:
                failures.append(_failure(task, w, f"{type(error).__name__}: {error}"))
    return _Outcome(tuple(rows), tuple(failures))


def _rows(task: _Task, w: Number | GuidanceSchedule) -> list[dict[str, str | float | None]]:
    problem, graphs = _workspace(task.case, task.rule)
    path = task.path
    if path == "exact" and not (isinstance(w, GuidanceSchedule) or (isinstance(w, Fraction) and w.denominator == 1)):
        path = "symbolic"
    # One strength at a time: which path answers must not depend on the company it was asked in.
    fractions = [moment.u for moment in task.moments if moment.u is not None]
    found = answer(problem, [w], fractions, task.rule, path=path, top=0, kept=graphs)
    return [
        _row(task, found.path, problem.notes, result, moment)
        for result, moment in zip(found.results, task.moments, strict=True)
    ]


def _row(task: _Task, path: str, notes: Sequence[str], result: Result, moment: Moment) -> dict[str, str | float | None]:
    assert not isinstance(result.w, Composition), "sweeps have one condition"
    quantities: dict[str, Quantity | None] = {"tv": result.tv, "dead": result.dead, **result.functionals}
    row: dict[str, str | float | None] = {
        "key": task.key(result.w, moment),
        "problem": task.case.name,
        "target": task.case.target,
        "rule": task.rule,
        "path": path,
        "w": None if isinstance(result.w, GuidanceSchedule) else nearest(result.w),
        "guidance_schedule": str(result.w) if isinstance(result.w, GuidanceSchedule) else None,
        "u": None if moment.u is None else nearest(moment.u),
        "t": None if moment.t is None else nearest(moment.t),
        **{name: None if value is None else value.value for name, value in quantities.items()},
        "log_tv": result.log_tv,
        "log_minus_log_tv": result.log_minus_log_tv,
        "notes": "; ".join((*notes, *result.notes)),
    }
    if result.dead is None:
        row["dead"] = 0.0
    if task.forms:
        for name, value in (("w", result.w), ("u", moment.u), ("t", moment.t)):
            row[f"{name}_exact"] = None if value is None else str(value)
        for name, value in quantities.items():
            row[f"{name}_exact"] = None if value is None or value.exact is None else canonical_string(value.exact)
    return row


def _failure(task: _Task, w: Number | GuidanceSchedule, error: str) -> Failure:
    return Failure(task.case.name, task.case.target, task.rule, shown(str(w)), " ".join(error.split()))


# --- who does it ------------------------------------------------------------------------------------------------------


def _room(engine: Executor) -> int:
    """How many tasks an executor is given at a time: our own get few, for all of them are lost where a process dies."""
    return engine.room if isinstance(engine, InThisProcess | LocalProcesses) else _SUBMITTED


def _run(engine: Executor, tasks: Iterable[_Task]) -> Generator[tuple[_Task, _Outcome], None, None]:
    """Tasks with their outcomes, each once, in the order in which they are done.

    Where a worker process dies, every task of its pool comes back unfinished. Each is tried again with no other beside
    it: the one that kills its worker even so has failed.
    """
    waiting, suspects = deque(tasks), deque[_Task]()
    running: dict[Future[_Outcome], _Task] = {}
    alone = False
    try:
        while waiting or suspects or running:
            while not alone and len(running) < _room(engine) and (suspects or waiting):
                if suspects and running:
                    break
                alone = bool(suspects)
                task = suspects.popleft() if suspects else waiting.popleft()
                try:
                    running[engine.submit(_compute, task)] = task
                except BrokenExecutor as error:
                    alone = False
                    yield task, _failed(task, f"the executor is broken ({error}); run the sweep again to continue")
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                task, was_alone, alone = running.pop(future), alone, False
                try:
                    outcome = future.result()
                except BrokenExecutor:
                    if not was_alone:
                        suspects.append(task)
                        continue
                    outcome = _failed(task, "the worker process died, for lack of memory perhaps")
                except CancelledError:
                    outcome = _failed(task, "it was cancelled; run the sweep again to continue")
                except Exception as error:
                    outcome = _failed(task, f"{type(error).__name__}: {error}")
                yield task, outcome
    finally:
        for future in running:
            future.cancel()


def _failed(task: _Task, error: str) -> _Outcome:
    return _Outcome((), tuple(_failure(task, w, error) for w in task.strengths))
