"""Sweeps in other processes, some of them killed: nothing is lost, nothing is there twice, nothing stays behind."""

import csv
import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from symguide.cli import main
from symguide.sweeps.local_processes import LocalProcesses
from symguide.sweeps.sweep import sweep

HALF = Fraction(1, 2)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_workers_leave_ctrl_c_to_whoever_waits() -> None:
    with LocalProcesses(1) as processes:
        worker = processes.submit(os.getpid).result()
        os.kill(worker, signal.SIGINT)
        time.sleep(0.2)
        assert processes.submit(os.getpid).result() == worker


def test_processes_start_when_patience_ends() -> None:
    with LocalProcesses(1, patience=0.2) as processes:
        assert processes.room == 1 and processes.submit(os.getpid).result() == os.getpid()
        processes.submit(time.sleep, 0.3)
        assert processes.room == 2 and processes.submit(os.getpid).result() != os.getpid()


def test_nobody_waits_for_abandoned_work() -> None:
    with suppress(KeyboardInterrupt), LocalProcesses(1) as processes:
        processes.submit(os.getpid).result()
        processes.submit(time.sleep, 1000)
        raise KeyboardInterrupt


def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    grid: dict[str, Any] = {"problems": ["squares-overlap"], "strengths": [Fraction(k, 4) for k in range(1, 9)]}
    killed: list[int] = []

    def kill(done: int, total: int, what: str) -> None:
        if done >= 2 and not killed:
            victim = multiprocessing.active_children()[0]
            assert victim.pid is not None
            killed.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)

    with LocalProcesses(2) as processes:
        found = sweep(**grid, moments=[HALF], out=tmp_path / "a.csv", executor=processes, tell=kill)
    sweep(**grid, moments=[HALF], out=tmp_path / "b.csv")
    assert killed and found.written == 8 and not found.failures
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="distributed is not installed")
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_dask_cluster_of_which_a_worker_is_killed(tmp_path: Path) -> None:
    import distributed

    grid: dict[str, Any] = {"problems": ["squares-overlap"], "strengths": [Fraction(k, 4) for k in range(1, 25)]}
    killed: list[int] = []
    settings: dict[str, Any] = {"processes": True, "threads_per_worker": 1, "dashboard_address": None}
    with (
        distributed.LocalCluster(n_workers=3, silence_logs=50, **settings) as cluster,  # pyright: ignore[reportPrivateImportUsage]
        distributed.Client(cluster) as client,  # pyright: ignore[reportPrivateImportUsage]
    ):
        pids: dict[str, int] = client.run(os.getpid)
        assert len(set(pids.values())) == 3 and os.getpid() not in pids.values()

        def kill(done: int, total: int, what: str) -> None:
            if done >= 2 and not killed:
                busy = [address for address, tasks in client.processing().items() if tasks]
                killed.append(pids[busy[0]])
                os.kill(pids[busy[0]], signal.SIGKILL)

        found = sweep(**grid, moments=[HALF], out=tmp_path / "a.csv", executor=client.get_executor(), tell=kill)
        # From the command line, the same table once more: nothing is left to do.
        given = ["--u", "1/2", "--out", str(tmp_path / "a.csv"), "--dask", cluster.scheduler_address]
        strengths = [str(w) for w in grid["strengths"]]
        assert main(["sweep", "squares-overlap", "--w", *strengths, "7", *given]) == 0
    assert killed and found.written == 24 and not found.failures
    sweep(**{**grid, "strengths": [*grid["strengths"], 7]}, moments=[HALF], out=tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_processes_of_the_command(tmp_path: Path) -> None:
    given = ["sweep", "xor", "--w", "0", "1", "2", "--u", "1/2", "--workers", "2", "--out", str(tmp_path / "a.csv")]
    done = subprocess.run([sys.executable, "-m", "symguide", *given], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "") and "3 new (exact 3)" in done.stdout


@pytest.mark.skipif(importlib.util.find_spec("distributed") is None, reason="distributed is not installed")
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere", "x://y"])
def test_a_cluster_that_does_not_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr("symguide.cli.sweep._SECONDS_TO_CONNECT", 1)
    assert main(["sweep", "xor", "--w", "1", "--out", str(tmp_path / "a.csv"), "--dask", address]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    assert f"--dask is {address}: no scheduler answers there" in err


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A sweep in processes of its own, some rows of which are there."""
    out = tmp_path / "out" / "a.csv"
    out.parent.mkdir()
    strengths = [f"{k}/7" for k in range(1, 200)]
    given = ["sweep", "squares-overlap", "--w", *strengths, "--u", "1/2", "--workers", "2", "--out", str(out)]
    # A file: a pipe would stay open as long as any process that should have ended.
    with open(tmp_path / "err.txt", "w") as err:
        command = [sys.executable, "-m", "symguide", *given]
        process = subprocess.Popen(command, text=True, stdout=err, stderr=err, start_new_session=True)
    end = time.monotonic() + 60
    while time.monotonic() < end and not (out.exists() and out.read_bytes().count(b"\n") > 3):
        assert process.poll() is None
        time.sleep(0.05)
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_ctrl_c_keeps_what_is_done(started: subprocess.Popen[str], tmp_path: Path) -> None:
    os.killpg(started.pid, signal.SIGINT)
    assert started.wait(timeout=30) == 130
    err = (tmp_path / "err.txt").read_text()
    assert "Traceback" not in err and "run the same command again to continue" in err
    rows = rows_of(tmp_path / "out" / "a.csv")
    assert len(rows) >= 3 and [float(row["w"]) for row in rows] == sorted(float(row["w"]) for row in rows)
    assert list((tmp_path / "out").iterdir()) == [tmp_path / "out" / "a.csv"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="processes are looked up in /proc")
def test_a_killed_command_leaves_no_process_behind(started: subprocess.Popen[str], tmp_path: Path) -> None:
    listed = Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split()
    assert len(listed) >= 2
    started.kill()
    started.wait(timeout=30)
    end = time.monotonic() + 20
    while time.monotonic() < end and any(_runs(int(pid)) for pid in listed):
        time.sleep(0.1)
    assert not [pid for pid in listed if _runs(int(pid))]
    out = tmp_path / "out" / "a.csv"
    there = {row["w"] for row in rows_of(out) if row["notes"] is not None}
    strengths = [w for w in (Fraction(k, 7) for k in range(1, 200)) if repr(float(w)) in there]
    assert sweep(["squares-overlap"], strengths, [HALF], out=out).kept == len(strengths) >= 2


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
