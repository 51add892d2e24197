"""Signals: training is asked to stop, a command ends with its exit code, and handlers are put back."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vsc_jax.config.stopping import Stopped, stop_requests, stopping_command

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


def test_outside_the_main_thread_nothing_changes():
    def work():
        with stop_requests() as asked, stopping_command():
            return asked(), handlers()

    with ThreadPoolExecutor() as pool:
        assert pool.submit(work).result() == (None, handlers())


def test_a_termination_of_a_command_is_an_exception_and_then_signals_are_and_stay_ignored():
    before = handlers()
    try:
        with pytest.raises(Stopped, match="terminated"), stopping_command():
            os.kill(os.getpid(), signal.SIGTERM)
        assert handlers() == [signal.SIG_IGN, signal.SIG_IGN]
        with stop_requests() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert asked() is None
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


COMMAND = """
    import signal, sys, time
    from vsc_jax.cli.command_line import run_command

    def main():
        {before}
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            print("ready", flush=True)
            time.sleep(30)

    run_command(main)
"""


def stopped(*numbers, before=""):
    """Exit code and messages of a command that is sent signals."""
    before = textwrap.indent(textwrap.dedent(before), " " * 8).strip()
    code = textwrap.dedent(COMMAND.format(before=before))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.2)
        messages = process.stderr.read()
        return process.wait(), messages


def test_a_command_stops_with_a_line_and_the_signals_exit_code():
    assert stopped(signal.SIGTERM) == (143, "terminated\n")


@pytest.mark.parametrize("slow", ["atexit.register(time.sleep, 0.5)", "kept = Slow()"])
def test_a_second_signal_while_leaving_shows_no_traceback(slow):
    before = f"""
        import atexit

        class Slow:
            def __del__(self):
                time.sleep(0.5)

        {slow}
    """
    assert stopped(signal.SIGINT, signal.SIGINT, before=before) == (130, "interrupted\n")
