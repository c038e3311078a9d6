"""How the command line shows progress: a bar for what takes longer than two seconds, lines for the rest."""

import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from regraft.cli.text import seconds
from regraft.core.progress import Description, described

if TYPE_CHECKING:
    from rich.progress import Progress

T = TypeVar("T")

PATIENCE = 2.0


class Terminal:
    """A `core.progress.Reporter` on standard error; bars only where somebody is looking.

    Args:
        stream: where to write.
        patience: seconds before a bar appears.
    """

    def __init__(self, stream: TextIO, patience: float = PATIENCE) -> None:
        self._stream = stream
        self._patience = patience
        self._lock = threading.RLock()
        self._bars: Progress | None = None
        self._open = 0

    def track(self, items: Iterable[T], description: Description, total: int | None) -> Iterator[T]:
        """Yield the items; a bar appears when they take long."""
        if not self._stream.isatty():
            yield from items
            return
        task = _Task(self, description, total)
        # By a clock of its own: the first item may be the one that takes long.
        alarm = threading.Timer(self._patience, task.appear)
        alarm.daemon = True
        alarm.start()
        try:
            for item in items:
                yield item
                task.advance()
        finally:
            alarm.cancel()
            task.close()

    def say(self, message: str) -> None:
        """One line of information."""
        self._line(message)

    def warn(self, message: str) -> None:
        """One line that asks for attention."""
        self._line(f"warning: {message}")

    def _line(self, text: str) -> None:
        line = " ".join(text.split())
        with self._lock:
            if self._bars is not None:
                self._bars.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                print(line, file=self._stream, flush=True)

    def begin(self, description: str, total: int | None, completed: int, started: float) -> tuple["Progress", Any]:
        """Put a bar on the screen.

        Args:
            description: what is done.
            total: how many items there are, if that is known.
            completed: how many of them are done.
            started: when that began, by the monotonic clock.
        """
        with self._lock:
            if self._bars is None:
                self._bars = _bars(self._stream)
                self._bars.start()
            self._open += 1
            return self._bars, self._bars.add_task(description, total=total, completed=completed, started=started)

    def end(self, task: Any) -> None:
        """Take a bar off the screen; the display ends with the last one."""
        with self._lock:
            if self._bars is None:
                return
            self._bars.remove_task(task)
            self._open -= 1
            if not self._open:
                self._bars.stop()
                self._bars = None


class _Task:
    """Something tracked, which has a bar once it has taken long enough."""

    def __init__(self, terminal: Terminal, description: Description, total: int | None) -> None:
        self._terminal, self._description, self._total = terminal, description, total
        self._lock = threading.Lock()
        self._shown: tuple[Progress, Any] | None = None
        self._done = 0
        self._started = time.monotonic()
        self._closed = False

    def appear(self) -> None:
        with self._lock:
            if not self._closed:
                self._shown = self._terminal.begin(described(self._description), self._total, self._done, self._started)

    def advance(self) -> None:
        with self._lock:
            self._done += 1
            if self._shown is not None:
                bars, task = self._shown
                bars.update(task, completed=self._done, description=described(self._description))

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._shown is not None:
                self._terminal.end(self._shown[1])


def pace(completed: float, total: float | None, elapsed: float) -> str:
    """Rate and remaining time, in words.

    >>> pace(10, 40, 5.0), pace(1, 3, 30.0), pace(0, 3, 5.0)
    ('2.0/s, 15 s left', '30.0 s each, 1 min 0 s left', '')
    """
    if not completed or elapsed <= 0:
        return ""
    rate = completed / elapsed
    said = f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate >= 1 else f"{1 / rate:.1f} s each"
    if total is None:
        return said
    left = round((total - completed) / rate)
    return f"{said}, {left} s left" if left < 60 else f"{said}, {seconds(left)} left"


def _bars(stream: TextIO) -> "Progress":
    # Here, because most commands end before anything needs to be drawn.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
    from rich.table import Column
    from rich.text import Text

    class Pace(ProgressColumn):
        """Measured from the start of the work, which is before the bar appears."""

        def render(self, task: Task) -> Text:
            return Text(pace(task.completed, task.total, time.monotonic() - task.fields["started"]))

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        # Where the line is short, the bar is what gives way.
        MofNCompleteColumn(table_column=Column(no_wrap=True)),
        Pace(table_column=Column(no_wrap=True)),
        console=Console(file=stream),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
