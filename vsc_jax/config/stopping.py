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
def stop_requests(*, command: bool = False) -> Iterator[Callable[[], signal.Signals | None]]:
    """Take a first SIGINT or SIGTERM as a request, which what is yielded returns; a second raises Stopped.

    In a ``command`` the first raises, and once that has ended the work, signals are ignored: an exception in
    the middle of cleaning up, or of a destructor, would be shown as a traceback.
    """
    received: list[signal.Signals] = []

    def handle(number: int, frame: FrameType | None) -> None:
        received.append(signal.Signals(number))
        if (len(received) == 1) == command:
            raise Stopped("interrupted" if number == signal.SIGINT else "terminated", number)

    before = {}
    if threading.current_thread() is threading.main_thread():  # Python delivers signals to no other
        for number in (signal.SIGINT, signal.SIGTERM):
            # One that is ignored, as in a shell's background job, stays so.
            if (old := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                before[number] = old
                signal.signal(number, handle)
    try:
        yield lambda: received[0] if received else None
    except KeyboardInterrupt:
        if command:
            before = dict.fromkeys(before, signal.SIG_IGN)
        raise
    finally:
        for number, old in before.items():
            signal.signal(number, old)
