"""Sweeps: what rows say, that each is written once whatever happens, and how bad input is refused."""

import csv
import importlib.util
import json
import os
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import sympy

from symguide.answers.answer import answer
from symguide.answers.results import FUNCTIONALS
from symguide.cli import main
from symguide.errors import ClockError, DataError, StrengthError, SymguideError
from symguide.instances.datasets import load
from symguide.instances.problem_file import write_problem
from symguide.laws.law import TableLaw
from symguide.laws.markov import MarkovLaw
from symguide.laws.mixture import Problem
from symguide.laws.rules import RULES
from symguide.schedules.published import cosine
from symguide.sweeps.case import Case, fingerprint
from symguide.sweeps.row_file import row_file
from symguide.sweeps.sweep import COLUMNS, FORMS, Moment, sweep

HALF = Fraction(1, 2)
STRENGTHS = [Fraction(0), Fraction(1, 2), Fraction(1)]
FRACTIONS = [HALF, Fraction(1, 10)]


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def singular() -> Problem:
    """A pair whose intensities are infinite for w > 0, and 0 for w < 0."""
    wide, narrow = TableLaw.from_mapping(2, 1, {0: "1/2", 1: "1/2"}), TableLaw.from_mapping(2, 1, {0: 1})
    return Problem(wide, narrow, name="singular")


# --- rows -------------------------------------------------------------------------------------------------------------


def test_rows_say_what_answers_say(tmp_path: Path) -> None:
    problems = [load("squares-overlap"), load("xor")]
    out = tmp_path / "table.csv"
    found = sweep(problems, STRENGTHS, FRACTIONS, out=out, rules=RULES)
    rows = rows_of(out)
    assert (found.rows, found.written, found.kept, found.failures) == (24, 24, 0, ())
    assert list(rows[0]) == list(COLUMNS) and len({row["key"] for row in rows}) == 24
    for problem in problems:
        for rule in RULES:
            for w in STRENGTHS:
                said = answer(problem, [w], FRACTIONS, rule)
                for result in said.results:
                    (row,) = [
                        row
                        for row in rows
                        if (row["problem"], row["rule"], row["w"], row["u"])
                        == (problem.name, rule, repr(float(w)), repr(float(result.u or 0)))
                    ]
                    assert row["path"] == said.path and row["target"] == problem.target and row["t"] == ""
                    assert result.tv is not None and float(row["tv"]) == result.tv.value
                    assert float(row["log_tv"]) == result.log_tv and row["dead"] == "0.0"
                    for name in FUNCTIONALS:
                        quantity = result.functionals[name]
                        assert row[name] == ("" if quantity is None else repr(quantity.value))


def test_rows_are_sorted_and_doubles_are_full(tmp_path: Path) -> None:
    sweep(["xor"], [2, Fraction(1, 3), 10], FRACTIONS, out=tmp_path / "a.csv")
    rows = rows_of(tmp_path / "a.csv")
    assert [(row["w"], row["u"]) for row in rows][:3] == [(repr(1 / 3), "0.1"), (repr(1 / 3), "0.5"), ("2.0", "0.1")]
    assert float(rows[0]["tv"]) != round(float(rows[0]["tv"]), 12)


def test_terminal_rows_need_no_mask_fraction(tmp_path: Path) -> None:
    sweep(["xor"], [1], out=tmp_path / "a.csv")
    (row,) = rows_of(tmp_path / "a.csv")
    assert row["u"] == row["tv"] == row["log_tv"] == "" and float(row["entropy"]) > 0


def test_markov_pairs_have_rows(tmp_path: Path) -> None:
    law = MarkovLaw.of(["1/2", "1/2"], [["1/4", "3/4"], ["2/3", "1/3"]], length=30)
    pair = Problem(law, MarkovLaw.of(["1/2", "1/2"], [["1/2", "1/2"], ["1/2", "1/2"]], length=30), name="chains")
    summary = sweep([pair], [0, 1], [Fraction(1, 10)], out=tmp_path / "table.csv")
    assert (summary.failures, summary.paths) == ((), {"markov": 2})
    plain, guided = rows_of(tmp_path / "table.csv")
    assert float(plain["tv"]) == pytest.approx(1 - 0.9**30, rel=1e-9)
    assert float(guided["tv"]) < float(plain["tv"])
    assert plain["entropy"] == ""


def test_exact_forms_on_demand(tmp_path: Path) -> None:
    times = [Moment(cosine().mask_fraction_at("1/4"), Fraction(1, 4))]
    sweep(["squares-overlap"], [1], [HALF], out=tmp_path / "a.csv", forms=True)
    sweep(["squares-overlap"], [1], times, out=tmp_path / "b.csv", forms=True)
    (exact,), (irrational,) = rows_of(tmp_path / "a.csv"), rows_of(tmp_path / "b.csv")
    assert list(exact) == [*COLUMNS, *FORMS] and exact["u_exact"] == "1/2"
    assert float(sympy.parse_expr(exact["tv_exact"])) == pytest.approx(float(exact["tv"]), rel=1e-15)
    assert irrational["t_exact"] == "1/4" and float(irrational["t"]) == 0.25
    assert float(sympy.parse_expr(irrational["u_exact"])) == pytest.approx(float(irrational["u"]), rel=1e-15)


def test_paths_are_chosen_by_the_row_alone(tmp_path: Path) -> None:
    """A strength beside it that needs SymPy, or arrays, does not change how an integer one is computed."""
    together, alone = tmp_path / "together.csv", tmp_path / "alone.csv"
    sweep(["slower-sampling"], [HALF, 1, 9000], FRACTIONS, out=together)
    sweep(["slower-sampling"], [1], FRACTIONS, out=alone)
    paths = {row["w"]: row["path"] for row in rows_of(together)}
    assert paths == {"0.5": "symbolic", "1.0": "exact", "9000.0": "array"}
    assert [row for row in rows_of(together) if row["w"] == "1.0"] == rows_of(alone)


def test_a_path_may_be_forced(tmp_path: Path) -> None:
    for path, expected in (("array", {"array"}), ("exact", {"exact", "symbolic"}), ("lumped", {"lumped"})):
        found = sweep(["hypercubes:D=2,side=3,overlap=1"], STRENGTHS, out=tmp_path / f"{path}.csv", path=path)
        assert set(found.paths) == expected


def test_infinite_divergences_are_noted(tmp_path: Path) -> None:
    # At w = −1 the unconditional law charges what the class excludes.
    sweep(["interval-overlap"], [-1], [HALF], out=tmp_path / "a.csv")
    (row,) = rows_of(tmp_path / "a.csv")
    assert row["kl_to_class"] == "" and "kl_to_class" in row["notes"] and row["dead"] == "0.0"


def test_dead_mass_is_a_column(tmp_path: Path) -> None:
    equal = TableLaw.from_mapping(2, 2, {(0, 0): "1/2", (1, 1): "1/2"})
    unequal = TableLaw.from_mapping(2, 2, {(0, 1): "3/4", (1, 0): "1/4"})
    sweep([Problem(equal, unequal, name="apart")], [-HALF], [HALF], out=tmp_path / "a.csv")
    (row,) = rows_of(tmp_path / "a.csv")
    assert (
        row["dead"] == "1.0" and row["entropy"] == "" and float(row["mean_unmasking_clock"]) > 0 and row["target"] == ""
    )


def test_every_kind_of_law_has_a_fingerprint() -> None:
    large = load("hypercubes:D=300,side=3,overlap=1")
    markov = MarkovLaw.of([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], 4)
    other = MarkovLaw.of([0.5, 0.5], [[0.25, 0.75], [0.5, 0.5]], 5)
    found = {fingerprint(p) for p in (large, Problem(markov, markov), Problem(other, other), load("xor"))}
    assert len(found) == 4
    assert fingerprint(load("xor")) != fingerprint(load("xor", "any")) == fingerprint(load("xor", "any"))


def test_names_travel_and_are_checked() -> None:
    case = Case.of("hypercubes-5d")
    assert len(pickle.dumps(case)) < 500 and pickle.loads(pickle.dumps(case)).load().name == "hypercubes-5d"
    sent = Case.of(load("squares-overlap"))
    assert pickle.loads(pickle.dumps(sent)).problem is not None
    forged = Case("xor", "even", "0" * 32, "xor")
    with pytest.raises(DataError, match="differ"):
        Case(forged.name, load("xor").target, forged.fingerprint, "xor").load()


# --- once, whatever happens -------------------------------------------------------------------------------------------


def test_a_table_is_continued_and_never_doubled(tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    sweep(["xor"], [0, 1], FRACTIONS, out=out)
    more = sweep(["xor"], [0, 1, 2], [*FRACTIONS, Fraction(1, 4)], out=out)
    assert (more.kept, more.written) == (4, 5)
    before = out.stat()
    again = sweep(["xor"], [0, 1, 2], [*FRACTIONS, Fraction(1, 4)], out=out)
    assert (again.kept, again.written) == (9, 0) and out.stat().st_mtime_ns == before.st_mtime_ns
    whole = tmp_path / "whole.csv"
    sweep(["xor"], [2, 1, 0], [Fraction(1, 4), *FRACTIONS], out=whole)
    assert out.read_bytes() == whole.read_bytes()


def test_repeated_questions_are_one_row(tmp_path: Path) -> None:
    found = sweep(
        ["xor", load("xor")], [1, "1.0", Fraction(1)], [HALF, "0.5"], out=tmp_path / "a.csv", rules=["rate"] * 2
    )
    assert found.rows == found.written == len(rows_of(tmp_path / "a.csv")) == 1


def test_any_cut_is_survived(tmp_path: Path) -> None:
    """Whatever byte the table ends at, the next run makes it whole."""
    whole, out = tmp_path / "whole.csv", tmp_path / "cut.csv"
    problem = Problem(load("xor").conditional, load("xor").unconditional, name='a "quoted",\nname')
    sweep([problem], [0, 1], FRACTIONS, out=whole)
    content = whole.read_bytes()
    for length in range(0, len(content), 29):
        out.write_bytes(content[:length])
        found = sweep([problem], [0, 1], FRACTIONS, out=out)
        assert found.kept + found.written == 4 and out.read_bytes() == content


def test_open_tables_take_a_row_once_and_drop_what_was_cut(tmp_path: Path) -> None:
    out, columns = tmp_path / "a.csv", {"key": str, "x": float}
    with row_file(out, columns, ["x"]) as rows:
        assert rows.append([{"key": "b", "x": 2.0}, {"key": "b", "x": 2.0}]) == 1
        assert rows.append([{"key": "b", "x": 2.0}, {"key": "a", "x": None}]) == 1
        assert out.read_text() == "key,x\nb,2.0\na,\n"
    assert out.read_text() == "key,x\na,\nb,2.0\n"
    out.write_text("key,x\na,\nb,2.0\nc,4.0000000000001")
    with row_file(out, columns, ["x"]) as rows:
        assert rows.keys == {"a", "b"} and out.read_text() == "key,x\na,\nb,2.0\n"


def test_a_changed_problem_file_is_another_problem(tmp_path: Path) -> None:
    file, out = tmp_path / "p.json", tmp_path / "table.csv"
    for weight in ("1/2", "1/3", "1/2"):
        laws = [{0: weight, 1: 1 - Fraction(weight)}, {0: "1/4", 1: "3/4"}]
        file.write_text(write_problem(Problem(*(TableLaw.from_mapping(2, 1, law) for law in laws))))
        assert main(["sweep", str(file), "--w", "1", "--out", str(out)]) == 0
    assert len(rows_of(out)) == 2 and len({row["key"].rpartition("|")[0] for row in rows_of(out)}) == 1


def test_a_forced_path_makes_rows_of_its_own(tmp_path: Path) -> None:
    sweep(["slower-sampling"], [1], out=tmp_path / "a.csv")
    assert sweep(["slower-sampling"], [1], out=tmp_path / "a.csv", path="array").written == 1
    assert {row["path"] for row in rows_of(tmp_path / "a.csv")} == {"exact", "array"}


def test_strengths_of_one_task_fail_one_by_one(tmp_path: Path) -> None:
    strengths = [Fraction(-k, 10) for k in range(8)] + [Fraction(k) for k in range(1, 9)]
    found = sweep([singular()], strengths, out=tmp_path / "a.csv")
    assert found.written == 8 and [failure.w for failure in found.failures] == [str(k) for k in range(1, 9)]
    assert all(failure.error.startswith("context") for failure in found.failures)


def test_what_fails_stops_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, file = tmp_path / "table.csv", tmp_path / "singular.json"
    found = sweep([singular(), "xor"], [Fraction(-1, 2), 0, 1], [HALF], out=out)
    assert [(failure.problem, failure.w) for failure in found.failures] == [("singular", "1")]
    assert "infinite" in found.failures[0].error and found.written == 5 == len(rows_of(out))
    # The failure is tried again, the rest is not.
    again = sweep([singular(), "xor"], [Fraction(-1, 2), 0, 1], [HALF], out=out)
    assert (again.kept, again.written, len(again.failures)) == (5, 0, 1)
    file.write_text(write_problem(singular()))
    capsys.readouterr()
    given = ["sweep", str(file), "--w", "0", "1", "--workers", "1", "--out", str(tmp_path / "b.csv"), "--json"]
    assert main(given) == 1
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["written"] == 1 and document["failed"][0]["w"] == "1"
    assert "symguide: failed: " in captured.err and captured.err.count("\n") == 1


class Interrupting(Executor):
    """Ctrl-C after some tasks."""

    def __init__(self, after: int) -> None:
        self.left = after

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_what_is_done_when_interrupted_is_kept(tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    out = tmp_path / f"table.{suffix}"
    reached: list[int] = []

    def stop(done: int, total: int, what: str) -> None:
        reached.append(done)
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(["xor", "slower-sampling"], [0, 1, 2], FRACTIONS, out=out, tell=stop)
    assert list(tmp_path.iterdir()) == [out]
    found = sweep(["xor", "slower-sampling"], [0, 1, 2], FRACTIONS, out=out)
    assert found.kept >= 4 and found.kept + found.written == 12
    with pytest.raises(KeyboardInterrupt):
        sweep(["squares-overlap"], [0, 1, 2], out=out, executor=Interrupting(1))


def test_threads_take_turns(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        sweep(["squares-overlap", "xor"], STRENGTHS, FRACTIONS, out=tmp_path / "a.csv", executor=threads)
    sweep(["squares-overlap", "xor"], STRENGTHS, FRACTIONS, out=tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


class Broken(Executor):
    """One that cannot be mended."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        raise BrokenExecutor("all workers are gone")


def test_an_executor_that_stays_broken_is_reported(tmp_path: Path) -> None:
    found = sweep(["xor"], [0, 1], FRACTIONS, out=tmp_path / "a.csv", executor=Broken())
    assert found.written == 0 and len(found.failures) == 2 and "run the sweep again" in found.failures[0].error


class Lossy(Executor):
    """A task that kills its worker each time, and takes its neighbours along unless it is alone."""

    def __init__(self, poison: Fraction) -> None:
        self.poison, self.open, self.counts = poison, [], []

    def submit(self, fn: Callable[..., Any], task: Any, /) -> Future[Any]:  # pyright: ignore[reportIncompatibleMethodOverride]
        future: Future[Any] = Future()
        self.open.append((future, fn, task))
        self.counts.append(len(self.open))
        if self.poison in task.strengths:
            for other, _, _ in self.open:
                other.set_exception(BrokenExecutor("a process was terminated abruptly"))
            self.open.clear()
        elif len(self.counts) % 3 == 0 or len(self.counts) > 6:
            for other, run, what in self.open:
                other.set_result(run(what))
            self.open.clear()
        return future


def test_only_the_task_that_kills_its_worker_has_failed(tmp_path: Path) -> None:
    found = sweep(["xor"], range(6), FRACTIONS, out=tmp_path / "a.csv", executor=Lossy(Fraction(4)))
    assert [failure.w for failure in found.failures] == ["4"] and "worker process died" in found.failures[0].error
    assert found.written == 10


# --- Parquet ----------------------------------------------------------------------------------------------------------


def test_parquet_says_the_same(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "table.parquet"
    sweep(["xor"], [0, 1], FRACTIONS, out=out)
    sweep(["xor"], [0, 1, 2], FRACTIONS, out=out)
    sweep(["xor"], [0, 1, 2], FRACTIONS, out=tmp_path / "table.csv")
    table = parquet.read_table(out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["table.csv", "table.parquet"]
    assert [str(kind) for kind in table.schema.types] == [
        {str: "string", float: "double"}[kind] for kind in COLUMNS.values()
    ]
    for row, spelled in zip(table.to_pylist(), rows_of(tmp_path / "table.csv"), strict=True):
        assert {name: "" if value is None else str(value) for name, value in row.items()} == spelled


def test_parquet_continues_after_a_kill(tmp_path: Path) -> None:
    """The rows that were on their way into the Parquet file are found beside it."""
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "table.parquet"
    sweep(["xor"], [0], FRACTIONS, out=out)
    sweep(["xor"], [1, 2], FRACTIONS, out=tmp_path / "other.csv")
    left = (tmp_path / "other.csv").read_bytes()
    (tmp_path / "table.parquet.rows.csv").write_bytes(left[: len(left) - 20])
    found = sweep(["xor"], [0, 1, 2], FRACTIONS, out=out)
    assert (found.kept, found.written) == (5, 1)
    assert parquet.read_table(out).num_rows == 6 and not (tmp_path / "table.parquet.rows.csv").exists()


def test_parquet_without_its_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(DataError, match=r"pip install 'symguide\[parquet\]'"):
        sweep(["xor"], [1], out=tmp_path / "table.parquet")


# --- the command ------------------------------------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert main(["sweep", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("symguide: error: ")
    return err


def test_the_command_sweeps_over_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "table.csv"
    given = ["squares-overlap", "--target", "low", "--target", "high", "--rule", "rate", "--rule", "normalised"]
    given += ["--w", "0", "1", "--t", "1/4,1/2", "--noise", "cosine", "--workers", "1", "--out", str(out), "--json"]
    assert main(["sweep", *given]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document | {"paths": {}} == {
        "out": str(out),
        "rows": 16,
        "kept": 0,
        "written": 16,
        "paths": {},
        "failed": [],
    }
    rows = rows_of(out)
    assert {(row["target"], row["rule"], row["w"], row["t"]) for row in rows} == {
        (target, rule, w, t)
        for target in ("low", "high")
        for rule in RULES
        for w in ("0.0", "1.0")
        for t in ("0.25", "0.5")
    }
    assert main(["sweep", *given[:-1]]) == 0
    assert "16 rows asked for, 0 new, 16 there before" in " ".join(capsys.readouterr().out.split())


def test_bad_input_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "table.csv")
    assert "no PROBLEM is named" in refused(capsys, "--w", "1", "--out", out)
    assert "--out is missing" in refused(capsys, "xor", "--w", "1")
    assert "--w is missing" in refused(capsys, "xor", "--out", out)
    assert ".csv or .parquet" in refused(capsys, "xor", "--w", "1", "--out", str(tmp_path / "table.xlsx"))
    assert "no directory" in refused(capsys, "xor", "--w", "1", "--out", str(tmp_path / "none" / "table.csv"))
    assert "is a directory" in refused(
        capsys, "xor", "--w", "1", "--out", str((tmp_path / "d.csv").mkdir() or tmp_path / "d.csv")
    )
    assert "--workers is '0'" in refused(capsys, "xor", "--w", "1", "--out", out, "--workers", "0")
    assert "give one of them" in refused(
        capsys, "xor", "--w", "1", "--out", out, "--workers", "2", "--dask", "tcp://x:1"
    )
    assert "contradict" in refused(capsys, "xor", "--w", "1", "--out", out, "--exact", "--float")
    assert "'nobody'" in refused(capsys, "xor", "squares-overlap", "--w", "1", "--out", out, "--target", "nobody")
    assert "below -1" in refused(capsys, "xor", "--w", "-2", "--out", out)
    assert "rate" in refused(capsys, "xor", "--w", "1", "--out", out, "--rule", "neither")
    assert not Path(out).exists()
    for content in ("a,b\n1,2\n", "key,problem\n", "no table at all"):
        Path(out).write_text(content)
        assert "columns" in refused(capsys, "xor", "--w", "1", "--out", out)
        assert Path(out).read_text() == content
    sweep(["xor"], [1], out=tmp_path / "forms.csv", forms=True)
    assert "columns" in refused(capsys, "xor", "--w", "1", "--out", str(tmp_path / "forms.csv"))


def test_a_place_that_may_not_be_written_to_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert "may not be written" in refused(capsys, "xor", "--w", "1", "--out", str(tmp_path / "a.csv"))


def test_unwritable_outputs_are_refused_for_everyone(capsys: pytest.CaptureFixture[str]) -> None:
    if os.path.isdir("/proc/self"):
        assert "/proc/self" in refused(capsys, "xor", "--w", "1", "--out", "/proc/self/a.csv")


def test_bad_parquet_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / "a.parquet"
    out.write_text("no Parquet")
    assert "something else" in refused(capsys, "xor", "--w", "1", "--out", str(out))
    assert out.read_text() == "no Parquet"


def test_bad_grids_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    with pytest.raises(DataError, match="the sweep is empty"):
        sweep([], [1], out=out)
    with pytest.raises(DataError, match="the sweep is empty"):
        sweep(["xor"], [], out=out)
    with pytest.raises(StrengthError, match="below -1"):
        sweep(["xor"], [-3], out=out)
    with pytest.raises(ClockError, match="outside"):
        sweep(["xor"], [1], [2], out=out)
    with pytest.raises(SymguideError, match="rule 'neither'"):
        sweep(["xor"], [1], out=out, rules=["neither"])
    with pytest.raises(DataError, match="path 'quick'"):
        sweep(["xor"], [1], out=out, path="quick")
    assert not out.exists()


@pytest.mark.skipif(importlib.util.find_spec("fcntl") is None, reason="no locks of this kind here")
def test_two_sweeps_on_one_table_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "a.csv"
    with row_file(out, COLUMNS, ["w"]), pytest.raises(DataError, match="another program"):
        sweep(["xor"], [1], out=out)


def test_a_cluster_without_its_library(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    err = refused(capsys, "xor", "--w", "1", "--out", str(tmp_path / "a.csv"), "--dask", "tcp://127.0.0.1:1")
    assert "pip install 'symguide[distributed]'" in err
