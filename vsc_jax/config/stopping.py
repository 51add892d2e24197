"""SIGINT and SIGTERM: work ends where it can be taken up again, and the process is gone in time.

Training hears a first signal between two stretches of iterations, saves and raises :class:`Stopped`
(:func:`stop_requests`). A command line waits for that no longer than ``GRACE_SECONDS``
(:func:`leaving_in_time`): compiled code cannot be interrupted, and what is on disk is whole at every
moment, so leaving at once costs no more than the iterations since the last checkpoint.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

GRACE_SECONDS = 10.0
_HURRY_SECONDS = 1.0
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_leaving: list[bool] = []  # not empty on a command line


class Stopped(KeyboardInterrupt):
    """A signal has ended the work.

    Attributes:
      signal: number of the signal; a command line's exit code is 128 more.
    """

    def __init__(self, message: str, number: int):
        super().__init__(message)
        self.signal = number


@contextlib.contextmanager
def stop_requests() -> Iterator[Callable[[], signal.Signals | None]]:
    """Take SIGINT and SIGTERM as requests; what is yielded tells the signal that came, or None.

    A second signal raises :class:`Stopped` at once, but on a command line, which :func:`leaving_in_time` ends
    soon. Outside the main thread, where Python delivers no signals, nothing changes.
    """
    received: list[signal.Signals] = []

    def note(number: int, frame: FrameType | None) -> None:
        if received and not _leaving:
            _stop(number, frame)
        received.append(signal.Signals(number))

    with _handled_by(note):
        yield lambda: received[0] if received else None


@contextlib.contextmanager
def leaving_in_time(*, final: bool = False) -> Iterator[None]:
    """A first signal raises :class:`Stopped`, and the process ends ``GRACE_SECONDS`` after it.

    After a second signal it is a second, and a third one ends it at once. The exit code is 128 and the
    number of the signal. Later signals raise nothing, as an exception in the middle of cleaning up, or of a
    destructor, would be shown as a traceback.

    Args:
      final: whether the process ends when it was stopped: signals are ignored from then on.
    """
    received = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        if len(received) == 1:
            _stop(number, frame)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # Python's handlers wait for compiled code to return; this byte, written by C, does not.
    watched, written = socket.socketpair()
    written.setblocking(False)
    before = signal.set_wakeup_fd(written.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_leave_in_time, args=(watched,), daemon=True).start()
    _leaving.append(True)
    try:
        with _handled_by(stop, ignored_after=final):
            yield
    finally:
        _leaving.pop()
        signal.set_wakeup_fd(before)
        written.close()


@contextlib.contextmanager
def _handled_by(
    handler: Callable[[int, FrameType | None], None], *, ignored_after: bool = False
) -> Iterator[None]:
    """Signals go to ``handler``; one that is ignored, as in a shell's background job, stays so.

    With ``ignored_after`` they all are when a signal has ended the context.
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


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped("interrupted" if number == signal.SIGINT else "terminated", number)


def _leave_in_time(watched: socket.socket) -> None:
    with watched:
        if (number := _next_signal(watched)) is None:
            return
        with contextlib.suppress(TimeoutError):
            # The second one may be the first, raised again by a server that has closed its connections.
            for seconds in (GRACE_SECONDS, _HURRY_SECONDS):
                watched.settimeout(seconds)
                if _next_signal(watched) is None:
                    return
    sys.stderr.write(f"stopped by {number.name} at once; what was saved before stays\n")
    sys.stderr.flush()
    os._exit(128 + number)


def _next_signal(watched: socket.socket) -> signal.Signals | None:
    """The next of our signals; None when there will be no more."""
    while byte := watched.recv(1):
        if byte[0] in _SIGNALS:
            return signal.Signals(byte[0])
    return None
