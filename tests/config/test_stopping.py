"""Signals: training is asked to stop, a command ends with its exit code, and handlers are put back."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vsc_jax.config.stopping import Stopped, stop_requests


def handlers():
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
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
        with stop_requests() as asked, stop_requests(command=True):
            return asked(), handlers()

    with ThreadPoolExecutor() as pool:
        assert pool.submit(work).result() == (None, handlers())


def test_a_termination_of_a_command_is_an_exception_and_then_signals_are_and_stay_ignored():
    before = handlers()
    try:
        with pytest.raises(Stopped, match="terminated"), stop_requests(command=True):
            os.kill(os.getpid(), signal.SIGTERM)
        assert handlers() == [signal.SIG_IGN, signal.SIG_IGN]
        with stop_requests() as asked:
            os.kill(os.getpid(), signal.SIGINT)
            assert asked() is None
    finally:
        for number, handler in zip((signal.SIGINT, signal.SIGTERM), before, strict=True):
            signal.signal(number, handler)


COMMAND = """
import atexit, sys, time
from vsc_jax.cli.command_line import run_command

class Slow:
    def __del__(self):
        time.sleep(0.5)

def main():
    {slow}
    print("ready", flush=True)
    time.sleep(30)

run_command(main)
"""


@pytest.mark.parametrize("slow", ["atexit.register(time.sleep, 0.5)", "kept = Slow()"])
@pytest.mark.parametrize(
    ("numbers", "end"),
    [([signal.SIGTERM], (143, "terminated\n")), ([signal.SIGINT] * 2, (130, "interrupted\n"))],
)
def test_a_command_stops_with_a_line_and_shows_no_traceback_at_a_second_signal(slow, numbers, end):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", COMMAND.format(slow=slow)]
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout.readline() == "ready\n"
        for number in numbers:
            process.send_signal(number)
            time.sleep(0.2)
        messages = process.stderr.read()
        assert (process.wait(), messages) == end
