"""The run folder: claimed once, never overwritten, readable after any accident."""

import json
import math
from pathlib import Path

import pytest

from tests.refused import assert_refused
from tests.tiny import contents
from vsc_jax.config import to_dict
from vsc_jax.config.errors import UserError
from vsc_jax.config.fields import read_json
from vsc_jax.training.run_folder import MetricsLog, claim, hold, read_results, read_rows, write_json

DATA = {"name": "tiny", "example_shape": [4, 4], "train_examples": 50}


def refusal(workdir, config, data=DATA):
    """What is said about a folder that cannot be claimed, and that is left as it was."""
    before = contents(workdir)
    with pytest.raises(UserError, match="^--workdir: ") as caught, hold(workdir):
        claim(workdir, config, data)
    assert contents(workdir) == before
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix("--workdir: ")


def test_claiming_writes_the_configuration_and_the_data_once_and_leaves_other_files(tmp_path, tiny):
    workdir = tmp_path / "runs" / "one"
    workdir.mkdir(parents=True)
    (workdir / "notes.txt").write_text("mine")
    claim(workdir, tiny(), DATA)
    assert read_json(workdir / "config.json") == to_dict(tiny())
    assert read_json(workdir / "data.json") == DATA
    assert contents(workdir).keys() == {"config.json", "data.json", "notes.txt"}
    before = contents(workdir)
    claim(workdir, tiny(name="other", train={"progress": False}, checkpoint={"every": 7, "keep": 1}), DATA)
    assert contents(workdir) == before
    for name in ("config.json", "data.json"):  # a byte order mark is no damage
        (workdir / name).write_text((workdir / name).read_text(), encoding="utf-8-sig")
    claim(workdir, tiny(), DATA)


@pytest.mark.parametrize(("change", "data", "reason"), [
    ({"seed": 3}, {}, "with another configuration (seed: 0 there, 3 asked)"),
    ({"model": {"latents": 5}}, {}, "with another configuration (model.latents: 3 there, 5 asked)"),
    ({"train": {"steps": 99}}, {}, "with another configuration (train.steps: 23 there, 99 asked)"),
    ({}, {"train_examples": 60}, "on other data (train_examples: 50 there, 60 asked)"),
])  # fmt: skip
def test_a_folder_of_another_configuration_or_of_other_data_is_refused(tmp_path, tiny, change, data, reason):
    claim(tmp_path, tiny(), DATA)
    expected = f"{tmp_path} holds a run {reason}; choose another folder"
    assert refusal(tmp_path, tiny(**change), DATA | data) == expected


def test_a_run_that_was_started_with_both_rates_goes_on_with_one(tmp_path, tiny):
    claim(tmp_path, tiny("vsc", model={"alpha": 0.15, "prior_rate": 0.15}), DATA)
    claim(tmp_path, tiny("vsc", model={"alpha": 0.15}), DATA)
    other = tiny("vsc", model={"alpha": 0.15, "prior_rate": 0.3})
    assert "(model.prior_rate: 0.15 there, 0.3 asked)" in refusal(tmp_path, other)


@pytest.mark.parametrize("name", ["checkpoints", "metrics.jsonl", "results.json"])
def test_a_folder_with_parts_of_a_run_is_refused(tmp_path, tiny, name):
    (tmp_path / name).write_text("precious")
    assert "holds a run without config.json" in refusal(tmp_path, tiny())


def full_disk(*args):
    raise OSError(28, "No space left on device")


def test_what_is_no_folder_or_cannot_be_written_is_refused(tmp_path, tiny, monkeypatch):
    file = tmp_path / "file"
    file.write_text("precious")
    assert refusal(file, tiny()) == f"{file} is a file, not a folder"
    assert refusal(file / "below", tiny()) == f"cannot make {file / 'below'}: Not a directory"
    assert file.read_text() == "precious"
    # Not even root can write there.
    assert "/proc/sys/vsc" in refusal(Path("/proc/sys/vsc"), tiny())
    monkeypatch.setattr("os.replace", full_disk)
    message = rf"^{tmp_path}: cannot be written \(No space left on device\)$"
    with pytest.raises(UserError, match=message), hold(tmp_path):
        claim(tmp_path, tiny(), DATA)


@pytest.mark.parametrize(("name", "content", "message"), [
    ("config.json", "{", "not a readable JSON file"),
    ("config.json", '{"sede": 1}', "sede: unknown key"),
    ("data.json", "[1", "not a readable JSON file"),
    ("data.json", "[1]", "expected a JSON object"),
])  # fmt: skip
def test_a_damaged_file_is_named(tmp_path, tiny, name, content, message):
    claim(tmp_path, tiny(), DATA)
    (tmp_path / name).write_text(content)
    assert_refused(f"^{tmp_path / name}: {message}", claim, tmp_path, tiny(), DATA)


def test_json_is_replaced_whole_and_what_is_not_finite_is_null_and_read_as_nan(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, {"elbo": -math.inf, "kl": 1e30, "some": [math.nan, 2]})
    with pytest.raises(TypeError):
        write_json(path, {"elbo": object()})
    assert json.loads(path.read_text()) == {"elbo": None, "kl": 1e30, "some": [None, 2]}
    assert math.isnan(read_results(path)["elbo"])
    assert_refused(r"none.json: cannot be read \(No such file or dir", read_json, tmp_path / "none.json")


def rows(*steps):
    return [{"step": step, "loss": step / 2} for step in steps]


def written(*steps):
    return "".join(json.dumps(row) + "\n" for row in rows(*steps))


def test_rows_are_on_disk_when_appended_or_without_a_file_in_memory(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log, memory = MetricsLog(path, 0), MetricsLog(None, 0)
    for count, row in enumerate(rows(5, 10), 1):
        log.append(row)
        memory.append(row)
        assert path.read_text() == written(*(5, 10)[:count])
    assert log.rows == memory.rows == rows(5, 10)


@pytest.mark.parametrize(
    "tail", ["", '{"step": 15, "lo', "\x00\x00\n", '{"step": 15}\n{"step"', "[]\n", "\n\n"]
)
def test_resuming_cuts_back_to_the_checkpoint_and_drops_a_torn_end(tmp_path, tail):
    path = tmp_path / "metrics.jsonl"
    for step, left in ((10, (5, 10)), (5, (5,))):
        path.write_text(written(5, 10) + tail)
        assert MetricsLog(path, step).rows == rows(*left)
        assert path.read_text() == written(*left)


def test_nothing_is_read_beyond_a_line_that_is_no_row(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_rows(path) == []
    path.write_text(written(5) + '{"step": 10, "lo\n' + written(15))
    assert read_rows(path) == rows(5)
