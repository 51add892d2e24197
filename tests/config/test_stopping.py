"""Signals: training is asked to stop, a command line leaves in time, and what was there is put back."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from vsc_jax.config.stopping import Stopped, leaving_in_time, stop_requests

ROOT = Path(__file__).resolve().parents[2]
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def handlers():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


@BOTH
def test_the_first_signal_is_a_request_and_the_second_stops_at_once(number):
    before = handlers()
    with stop_requests() as asked:
        assert asked() is None
        os.kill(os.getpid(), number)
        assert asked() == number
        with pytest.raises(Stopped) as caught:
            os.kill(os.getpid(), number)
        assert caught.value.signal == number
    assert handlers() == before


def test_an_ignored_signal_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_requests() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert asked() is None
    finally:
        signal.signal(signal.SIGINT, before)


def test_outside_the_main_thread_nothing_changes():
    before, seen = handlers(), []

    def work():
        with stop_requests() as asked, leaving_in_time():
            seen.extend([asked(), handlers()])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [None, before]


def test_a_termination_is_an_exception_and_everything_is_put_back():
    before, wakeup = handlers(), signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    with pytest.raises(Stopped, match="terminated"), leaving_in_time():
        os.kill(os.getpid(), signal.SIGTERM)
    assert handlers() == before
    assert signal.set_wakeup_fd(wakeup) == wakeup


# As compiled code does, `deaf` work never lets Python's own handlers run to an end.
COMMAND = """
    import signal, sys, time
    from vsc_jax.config import stopping
    from vsc_jax.cli.command_line import run_command

    stopping.GRACE_SECONDS = {grace}

    def main():
        {before}
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                print("ready", flush=True)
                while time.monotonic() < deadline:
                    time.sleep({nap})
            except KeyboardInterrupt:
                if not {deaf}:
                    raise

    run_command(main)
"""


def stopped(*numbers, grace=10.0, deaf=False, before=""):
    """Exit code, messages and seconds of a command that is sent signals."""
    before = textwrap.indent(textwrap.dedent(before), " " * 8).strip()
    code = textwrap.dedent(COMMAND.format(grace=grace, deaf=deaf, nap=0.05, before=before))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        start = time.monotonic()
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.2)
        messages = process.stderr.read()
        return process.wait(), messages, time.monotonic() - start


def test_a_command_stops_with_a_line_and_the_signals_exit_code():
    assert stopped(signal.SIGTERM)[:2] == (143, "terminated\n")


@pytest.mark.parametrize("slow", ["atexit.register(time.sleep, 0.5)", "kept = Slow()"])
def test_a_second_signal_while_leaving_shows_no_traceback(slow):
    before = f"""
        import atexit

        class Slow:
            def __del__(self):
                time.sleep(0.5)

        {slow}
    """
    done = stopped(signal.SIGINT, signal.SIGINT, before=before)
    assert done[:2] == (130, "interrupted\n")


def test_work_that_does_not_listen_is_left_when_the_time_is_up_or_at_a_second_signal():
    code, messages, seconds = stopped(signal.SIGTERM, grace=0.5, deaf=True)
    assert (code, messages) == (143, "stopped by SIGTERM at once; what was saved before stays\n")
    assert seconds < 5
    code, messages, seconds = stopped(signal.SIGINT, signal.SIGINT, deaf=True)
    assert (code, messages) == (130, "stopped by SIGINT at once; what was saved before stays\n")
    assert seconds < 5
