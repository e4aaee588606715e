"""Executors on this machine: processes of which one may die, and no processes at all."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from types import TracebackType
from typing import Any, TypeVar

__all__ = ["InThisProcess", "LocalProcesses", "available_processors"]

T = TypeVar("T")


def available_processors() -> int:
    """How many processors this process may use.

    >>> available_processors() >= 1
    True
    """
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class InThisProcess(Executor):
    """An executor that computes at once, where it is asked.

    >>> with InThisProcess() as executor:
    ...     executor.submit(divmod, 7, 2).result()
    (3, 1)
    """

    room = 1
    """How many tasks it should be given at a time."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        return _done(fn, *args, **kwargs)


class LocalProcesses(Executor):
    """Worker processes, started afresh rather than forked, and started again where one has died.

    Tasks that were under way then fail with ``BrokenExecutor``, as those of the standard pool do; the next one that is
    submitted finds new processes. Leaving the ``with`` block by an exception ends the processes at once, and they end
    by themselves where this process is killed.

    Parameters
    ----------
    workers
        How many processes.
    patience
        Seconds of work that this process does itself first: what is done by then needs no other to start.

    >>> with LocalProcesses(1) as executor:
    ...     executor.submit(divmod, 7, 2).result()
    (3, 1)
    """

    def __init__(self, workers: int, patience: float = 0.0) -> None:
        self.workers = workers
        self.patience = patience
        self._pool: ProcessPoolExecutor | None = None

    @property
    def room(self) -> int:
        """How many tasks it should be given at a time: enough to keep all processes busy."""
        return 2 * self.workers if self.patience <= 0 else 1

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        if self.patience > 0:
            begun = time.monotonic()
            try:
                return _done(fn, *args, **kwargs)
            finally:
                self.patience -= time.monotonic() - begun
        if self._pool is not None:
            try:
                return self._pool.submit(fn, *args, **kwargs)
            except BrokenExecutor:
                self._pool.shutdown()
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin)
        return self._pool.submit(fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait, cancel_futures=cancel_futures)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and self._pool is not None:
            # Nobody waits for what is under way. (ProcessPoolExecutor.kill_workers, from Python 3.14.)
            processes = list((getattr(self._pool, "_processes", None) or {}).values())
            self._pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()
        self.shutdown()


def _done(fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
    future: Future[T] = Future()
    try:
        future.set_result(fn(*args, **kwargs))
    except Exception as error:
        future.set_exception(error)
    return future


def _begin() -> None:
    """In a new worker: Ctrl-C is for the process that waits, and no worker outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
