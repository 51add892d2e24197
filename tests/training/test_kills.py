"""Killed at any moment, a run ends as if it had never been stopped: a few kills of each kind.

The long form, with every model and placement, is ``python -m benchmarks.kills``.
"""

import random

from benchmarks.kills import Killer, differences, run_configs


def test_a_run_killed_at_any_moment_ends_as_one_that_was_never_stopped(tmp_path):
    config = run_configs(steps=60)["ae-stream"]
    killer = Killer(tmp_path, random.Random(0))
    undisturbed, seconds = killer.undisturbed(config)
    outcome = killer.kill(config, undisturbed, ["checkpoint", "results"], seconds)
    assert outcome.differences == []
    assert outcome.hits.total() == 2
    assert outcome.hits["results"] == 1
    # What the comparison itself is worth.
    killed = tmp_path / f"{config.name}-killed-0"
    rows = (killed / "metrics.jsonl").read_text().splitlines(keepends=True)
    (killed / "metrics.jsonl").write_text("".join([*rows, rows[-1]]))
    assert differences(undisturbed, killed) == ["metrics.jsonl"]
