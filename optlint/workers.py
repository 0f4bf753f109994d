"""Files linted side by side, in processes of their own: one that crashes costs its file, and the run goes on.

A worker is a fresh interpreter that is fed over pipes. It is never a fork, which would be unsafe wherever there are
threads (NumPy's, a progress display's, those of a program that uses optlint), and it never runs the caller's script
again, as a spawned process of ``multiprocessing`` does. It ends when its pipe does, whatever became of its parent.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, Generic, TypeVar, cast

Result = TypeVar("Result")

ENOUGH = 4  # tasks that are worth starting workers for: each needs a second to get ready
MAX_JOBS = 64
AHEAD = 4  # tasks for each worker that are read before their turn

# No folder but those that the parent itself imports from is looked into: not the working directory's json.py.
_START = (
    "import sys\n"
    "sys.path[:] = [bytes.fromhex(p).decode('utf-8', 'surrogatepass') for p in sys.argv[1].split(',') if p]\n"
    "from optlint.workers import serve\n"
    "serve()\n"
)


@dataclass(frozen=True, slots=True)
class Task(Generic[Result]):
    """Work for a worker: a function of a module and its arguments, which are sent to it.

    failed: the result where the worker ended instead, given the reason. quick: does small work on the spot, or
    returns None where it is none. done: called here with a result that
    is not one of failing.
    """

    function: Callable[..., Result]
    arguments: tuple[Any, ...]
    failed: Callable[[str], Result]
    quick: Callable[[], Result | None] = lambda: None
    done: Callable[[Result], None] = lambda result: None

    def run(self) -> Result:
        result = self.function(*self.arguments)
        self.done(result)
        return result


def processors() -> int:
    """How many processors this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def in_order(work: Iterable[Result | Task[Result]], jobs: int) -> Iterator[Result]:
    """The results of the work, in its order; done by workers where there are several tasks and more than one job."""
    if jobs < 2 or not sys.executable:
        for item in work:
            yield item.run() if isinstance(item, Task) else item
        return
    remaining = iter(work)
    held: list[Result | Task[Result]] = []
    large = 0
    for item in remaining:
        if isinstance(item, Task) and (result := item.quick()) is not None:
            item.done(result)
            item = result
        held.append(item)
        large += isinstance(item, Task)
        if large == ENOUGH:
            with _Workers(min(jobs, MAX_JOBS)) as workers:
                yield from workers.each(held, remaining)
            return
    for item in held:
        yield item.run() if isinstance(item, Task) else item


@dataclass(frozen=True, slots=True)
class _Answer(Generic[Result]):
    result: Result
    done: Callable[[Result], None] | None = None


class _Workers:
    """Worker processes, each with a thread that waits for it; they start when they are needed."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="optlint-worker")
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False

    def __enter__(self) -> _Workers:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._closed = True
            for worker in self._all:
                worker.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._all:
            worker.close()

    def each(
        self, held: Iterable[Result | Task[Result]], remaining: Iterator[Result | Task[Result]]
    ) -> Iterator[Result]:
        waiting: deque[Result | Future[_Answer[Result]]] = deque()
        running = 0
        for item in chain(held, remaining):
            if isinstance(item, Task):
                running += 1
                waiting.append(self._threads.submit(self._do, item))
            else:
                waiting.append(item)
            while waiting and (running >= self._jobs * AHEAD or _is_ready(waiting[0])):
                first = waiting.popleft()
                running -= isinstance(first, Future)
                yield _taken(first)
        for first in waiting:
            yield _taken(first)

    def _do(self, task: Task[Result]) -> _Answer[Result]:
        """In a thread of its own: one task, by a worker that is free."""
        try:
            worker = self._free()
        except OSError as error:
            return _Answer(task.failed(f"no process could be started to analyse it: {error.strerror or error}"))
        try:
            done, answer = worker.ask((task.function, task.arguments))
        except (EOFError, OSError, pickle.UnpicklingError):
            why = worker.ended()
            with self._lock:
                self._all.discard(worker)
            return _Answer(task.failed(f"the process that analysed it was ended by {why}: the file is passed over"))
        with self._lock:
            self._idle.append(worker)
        if not done:
            return _Answer(task.failed(f"internal error: {answer}"))
        return _Answer(cast(Result, answer), task.done)

    def _free(self) -> _Worker:
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._closed:
                raise OSError("the run is over")
            worker = _Worker()
            self._all.add(worker)
            return worker


def _is_ready(item: object) -> bool:
    return not isinstance(item, Future) or item.done()


def _taken(item: Result | Future[_Answer[Result]]) -> Result:
    if not isinstance(item, Future):
        return item
    answer = item.result()
    if answer.done is not None:
        answer.done(answer.result)
    return answer.result


class _Worker:
    """One process, from outside."""

    def __init__(self) -> None:
        folders = ",".join(path.encode("utf-8", "surrogatepass").hex() for path in sys.path)
        one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-I", f"-Xutf8={sys.flags.utf8_mode}", "-c", _START, folders],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **one},
        )

    def ask(self, question: object) -> tuple[bool, object]:
        """(True, the function's result), or (False, what it raised). Raises OSError or EOFError where there is none."""
        assert self._process.stdin is not None and self._process.stdout is not None
        _send(self._process.stdin, pickle.dumps(question))
        answer: tuple[bool, object] = pickle.loads(_received(self._process.stdout))
        return answer

    def ended(self) -> str:
        """What the process ended by."""
        self.close()
        code = self._process.returncode
        if code >= 0:
            return f"exit code {code}"
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):  # what it has not read is lost with it
                stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _send(stream: IO[bytes], data: bytes) -> None:
    stream.write(len(data).to_bytes(8, "little"))
    stream.write(data)
    stream.flush()


def _received(stream: IO[bytes]) -> bytes:
    """The next message. Raises EOFError at the end."""
    head = stream.read(8)
    size = int.from_bytes(head, "little")
    data = stream.read(size) if len(head) == 8 else b""
    if len(head) < 8 or len(data) < size:
        raise EOFError
    return data


def serve() -> None:
    """A worker's whole life: tasks from standard input, results to standard output, until the input ends."""
    import queue

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process of the terminal; the parent decides
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever is printed goes nowhere
    asked: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def listen() -> None:
        try:
            while True:
                asked.put(_received(sys.stdin.buffer))
        except (EOFError, OSError):
            os._exit(0)  # the parent is gone, or wants no more: in the middle of a task, too

    threading.Thread(target=listen, daemon=True).start()
    while True:
        function, arguments = pickle.loads(asked.get())
        try:
            answer = (True, function(*arguments))
        except Exception as error:
            answer = (False, " ".join(f"{type(error).__name__}: {error}".split()))
        _send(answers, pickle.dumps(answer))
