"""SIGINT and SIGTERM: training saves and ends at the next log point; other work ends at once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


class Stopped(KeyboardInterrupt):
    """A signal has ended the work; a command line's exit code is 128 more than its number, ``signal``."""

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.signal = number


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], signal.Signals | None]]:
    """Take a first SIGINT or SIGTERM as a request; yield what returns the signal that came, or None.

    A second signal raises :class:`Stopped` at once.
    """
    with _signals(raising=lambda count: count > 1) as received:
        yield lambda: received[0] if received else None


@contextlib.contextmanager
def stopping_command() -> Iterator[None]:
    """Raise :class:`Stopped` at a first signal; once that has ended the work, signals are ignored.

    An exception in the middle of cleaning up, or of a destructor, would be shown as a traceback.
    """
    with _signals(raising=lambda count: count == 1, ignored_after=True):
        yield


@contextlib.contextmanager
def _signals(raising: Callable[[int], bool], ignored_after: bool = False) -> Iterator[list[signal.Signals]]:
    """Yield the list of signals so far; ``raising`` says whether one raises, by how many have come."""
    received: list[signal.Signals] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        if raising(len(received)):
            raise Stopped("interrupted" if number == signal.SIGINT else "terminated", number)

    before = {}
    if threading.current_thread() is threading.main_thread():  # Python delivers signals to no other
        for number in (signal.SIGINT, signal.SIGTERM):
            # One that is ignored, as in a shell's background job, stays so.
            if (old := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                before[number] = old
                signal.signal(number, handle)
    try:
        yield received
    except KeyboardInterrupt:
        if ignored_after:
            before = dict.fromkeys(before, signal.SIG_IGN)
        raise
    finally:
        for number, old in before.items():
            signal.signal(number, old)
