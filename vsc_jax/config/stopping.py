"""SIGINT and SIGTERM: training saves and ends at the next log point; other work ends at once."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
    received: list[signal.Signals] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received:
            raise _stopped(number)
        received.append(signal.Signals(number))

    with _handled_by(note):
        yield lambda: received[0] if received else None


@contextlib.contextmanager
def stopping_command() -> Iterator[None]:
    """Raise :class:`Stopped` at a first signal; once that has ended the work, signals are ignored.

    An exception in the middle of cleaning up, or of a destructor, would be shown as a traceback.
    """
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            raise _stopped(number)

    with _handled_by(stop, ignored_after=True):
        yield


@contextlib.contextmanager
def _handled_by(
    handler: Callable[[int, FrameType | None], None], ignored_after: bool = False
) -> Iterator[None]:
    """Signals go to ``handler``; one that is ignored, as in a shell's background job, stays so.

    Outside the main thread, where Python delivers no signals, nothing changes.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if (old := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                before[number] = old
                signal.signal(number, handler)
    try:
        yield
    except KeyboardInterrupt:
        if ignored_after:
            before = dict.fromkeys(before, signal.SIG_IGN)
        raise
    finally:
        for number, old in before.items():
            signal.signal(number, old)


def _stopped(number: int) -> Stopped:
    return Stopped("interrupted" if number == signal.SIGINT else "terminated", number)
