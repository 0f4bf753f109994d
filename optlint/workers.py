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
from typing import IO, TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from optlint.tasks import Task

Result = TypeVar("Result")

_READY = b"optlint"
AHEAD = 4  # tasks for each worker that are read before their turn

# No folder but those that the parent itself imports from is looked into: not the working directory's json.py.
START = (
    "import sys\n"
    "sys.path[:] = [bytes.fromhex(p).decode('utf-8', 'surrogatepass') for p in sys.argv[1].split(',') if p]\n"
    "from optlint.workers import serve\n"
    "serve()\n"
)


@dataclass(frozen=True, slots=True)
class _Answer(Generic[Result]):
    """take: gives the result, in the caller's own thread."""

    take: Callable[[], Result]


class Workers:
    """Worker processes, each with a thread that waits for it; they start when they are needed."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="optlint-worker")
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._all: set[_Worker] = set()
        self._closed = False

    def __enter__(self) -> Workers:
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
        """The results, in the order of the work."""
        from optlint.tasks import Task

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
        """In a thread of its own: one task, by a worker that is free; by the caller where no worker can be had."""
        try:
            worker = self._free()
        except (EOFError, OSError):
            return _Answer(task.run)
        try:
            worked, answer = worker.ask((task.function, task.arguments))
        except (EOFError, OSError, pickle.UnpicklingError):
            why = f"the process that analysed it was ended by {worker.ended()}: the file is passed over"
            with self._lock:
                self._all.discard(worker)
            return _Answer(lambda: task.failed(why))
        with self._lock:
            self._idle.append(worker)
        if not worked:
            return _Answer(lambda: task.failed(f"internal error: {answer}"))
        return _Answer(lambda: task.finished(cast(Result, answer)))

    def _free(self) -> _Worker:
        """A worker that waits for work. Raises OSError or EOFError where none can be started."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._closed:
                raise OSError("the run is over")
            worker = _Worker()
            self._all.add(worker)
        worker.ready()
        return worker


def _is_ready(item: object) -> bool:
    return not isinstance(item, Future) or item.done()


def _taken(item: Result | Future[_Answer[Result]]) -> Result:
    return item.result().take() if isinstance(item, Future) else item


class _Worker:
    """One process, from outside."""

    def __init__(self) -> None:
        folders = ",".join(path.encode("utf-8", "surrogatepass").hex() for path in sys.path)
        one = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        self._process = subprocess.Popen(
            [sys.executable, "-I", f"-Xutf8={sys.flags.utf8_mode}", "-c", START, folders],
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

    def ready(self) -> None:
        """Wait until it waits. Raises EOFError where it has ended instead."""
        assert self._process.stdout is not None
        if _received(self._process.stdout) != _READY:
            raise EOFError

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
    _send(answers, _READY)
    while True:
        function, arguments = pickle.loads(asked.get())
        try:
            answer = (True, function(*arguments))
        except Exception as error:
            answer = (False, " ".join(f"{type(error).__name__}: {error}".split()))
        _send(answers, pickle.dumps(answer))
