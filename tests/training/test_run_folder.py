"""The run folder: claimed once, never overwritten, readable after any accident."""

import json
import math
from pathlib import Path

import pytest

from vsc_jax.config import Config, to_dict, with_overrides
from vsc_jax.config.errors import UserError
from vsc_jax.training.run_folder import (
    MetricsLog,
    claim,
    first_difference,
    read_json,
    read_results,
    read_rows,
    write_json,
)

DATA = {"name": "tiny", "example_shape": [4, 4], "train_examples": 50}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refusal(workdir, config, data=DATA):
    with pytest.raises(UserError) as caught:
        claim(workdir, config, data)
    message = str(caught.value)
    assert message.startswith("--workdir: ")
    assert len(message.splitlines()) == 1
    return message.removeprefix("--workdir: ")


def test_claiming_writes_what_was_asked_for_and_what_the_data_are(tmp_path, tiny):
    workdir = tmp_path / "runs" / "one"
    claim(workdir, tiny(), DATA)
    assert read_json(workdir / "config.json") == to_dict(tiny())
    assert read_json(workdir / "data.json") == DATA
    assert contents(workdir).keys() == {"config.json", "data.json"}


def test_the_same_run_may_claim_again_with_other_ways_of_showing_it(tmp_path, tiny):
    claim(tmp_path, tiny(), DATA)
    before = contents(tmp_path)
    claim(tmp_path, tiny(name="other", train={"progress": False}, checkpoint={"every": 7, "keep": 1}), DATA)
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"seed": 3}, "seed: 0 there, 3 asked"),
        ({"model": {"latents": 5}}, "model.latents: 3 there, 5 asked"),
        ({"train": {"steps": 99}}, "train.steps: 23 there, 99 asked"),
    ],
)
def test_a_folder_of_another_configuration_is_refused_and_left_alone(tmp_path, tiny, change, difference):
    claim(tmp_path, tiny(), DATA)
    before = contents(tmp_path)
    assert refusal(tmp_path, tiny(**change)) == (
        f"{tmp_path} holds a run with another configuration ({difference}); choose another folder"
    )
    assert contents(tmp_path) == before


def test_a_folder_of_other_data_is_refused(tmp_path, tiny):
    claim(tmp_path, tiny(), DATA)
    assert refusal(tmp_path, tiny(), {**DATA, "train_examples": 60}) == (
        f"{tmp_path} holds a run on other data (train_examples: 50 there, 60 asked); choose another folder"
    )


@pytest.mark.parametrize("name", ["checkpoints", "metrics.jsonl", "results.json"])
def test_a_folder_with_parts_of_a_run_is_refused(tmp_path, tiny, name):
    (tmp_path / name).write_text("precious")
    assert "holds a run without config.json" in refusal(tmp_path, tiny())
    assert contents(tmp_path) == {name: b"precious"}


def test_a_folder_of_other_files_may_be_used(tmp_path, tiny):
    (tmp_path / "notes.txt").write_text("mine")
    claim(tmp_path, tiny(), DATA)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_file_is_no_folder(tmp_path, tiny):
    file = tmp_path / "file"
    file.write_text("precious")
    assert refusal(file, tiny()) == f"{file} is a file, not a folder"
    assert refusal(file / "below", tiny()) == f"cannot make {file / 'below'}: Not a directory"
    assert file.read_text() == "precious"


def test_a_folder_that_cannot_be_written_is_refused(tiny):
    # Not even root can write there.
    assert "/proc/sys/vsc" in refusal(Path("/proc/sys/vsc"), tiny())


def test_a_read_only_folder_is_refused(tmp_path, tiny, monkeypatch):
    # Tests may run as root, to whom every folder is writable: the answer of the system is replaced.
    monkeypatch.setattr("os.access", lambda path, mode: False)
    assert refusal(tmp_path, tiny()) == f"{tmp_path} is not writable"
    assert contents(tmp_path) == {}


def test_a_full_disk_is_told_in_one_line(tmp_path, tiny, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert refusal(tmp_path, tiny()) == f"cannot write to {tmp_path}: No space left on device"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", "{", "not a readable JSON file"),
        ("config.json", '{"sede": 1}', "sede: unknown key"),
        ("data.json", "[1", "not a readable JSON file"),
        ("data.json", "[1]", "expected a JSON object"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, tiny, name, content, message):
    claim(tmp_path, tiny(), DATA)
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError) as caught:
        claim(tmp_path, tiny(), DATA)
    assert str(caught.value).startswith(f"{tmp_path / name}: {message}")


def test_first_difference_names_the_path():
    assert first_difference({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 2]}}) is None
    assert first_difference({"b": {"c": 1}}, {"b": {"c": None}}) == "b.c: 1 there, None asked"
    assert first_difference({"a": 1}, {"a": 1, "d": 2}) == "d: None there, 2 asked"
    assert first_difference({"a": 1, "d": 2}, {"a": 1}) == "d: 2 there, None asked"


def test_json_is_replaced_whole(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    write_json(path, {"elbo": -1.5})
    with pytest.raises(TypeError):
        write_json(path, {"elbo": object()})
    assert json.loads(path.read_text()) == {"elbo": -1.5}


def test_what_is_not_finite_is_null_and_read_as_nan(tmp_path):
    path = tmp_path / "results.json"
    write_json(path, {"elbo": -math.inf, "kl": 1e30, "some": [math.nan, 2]})
    assert json.loads(path.read_text()) == {"elbo": None, "kl": 1e30, "some": [None, 2]}
    assert math.isnan(read_results(path)["elbo"])


def test_a_byte_order_mark_is_no_damage(tmp_path, tiny):
    claim(tmp_path, tiny(), DATA)
    for name in ("config.json", "data.json"):
        (tmp_path / name).write_text((tmp_path / name).read_text(), encoding="utf-8-sig")
    claim(tmp_path, tiny(), DATA)


def test_missing_json_is_named(tmp_path):
    with pytest.raises(UserError, match=r"results.json: cannot be read \(No such file or directory\)$"):
        read_json(tmp_path / "results.json")


# The metrics log


def rows(*steps):
    return [{"step": step, "loss": step / 2} for step in steps]


def written(*steps):
    return "".join(json.dumps(row) + "\n" for row in rows(*steps))


def test_rows_are_on_disk_when_appended(tmp_path):
    path = tmp_path / "metrics.jsonl"
    log = MetricsLog(path, 0)
    for number, row in enumerate(rows(5, 10)):
        log.append(row)
        assert path.read_text() == written(5, 10)[: len(written(5)) if number == 0 else None]
    assert log.rows == rows(5, 10)


@pytest.mark.parametrize(
    "tail", ["", '{"step": 15, "lo', "\x00\x00\n", '{"step": 15}\n{"step"', "[]\n", "\n\n"]
)
def test_resuming_cuts_back_to_the_checkpoint_and_drops_a_torn_end(tmp_path, tail):
    path = tmp_path / "metrics.jsonl"
    path.write_text(written(5, 10) + tail)
    log = MetricsLog(path, 10)
    assert log.rows == rows(5, 10)
    assert path.read_text() == written(5, 10)
    path.write_text(written(5, 10) + tail)
    assert MetricsLog(path, 5).rows == rows(5)
    assert path.read_text() == written(5)


def test_without_a_file_rows_stay_in_memory():
    log = MetricsLog(None, 0)
    log.append({"step": 5})
    assert log.rows == [{"step": 5}]


def test_nothing_is_read_beyond_a_line_that_is_no_row(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(written(5) + '{"step": 10, "lo\n' + written(15))
    assert read_rows(path) == rows(5)


def test_rows_of_a_missing_file_are_none(tmp_path):
    assert read_rows(tmp_path / "metrics.jsonl") == []


def test_a_run_that_was_started_with_both_rates_goes_on_with_one(tmp_path):
    both = with_overrides(Config(), {"model.alpha": 0.15, "model.prior_rate": 0.15})
    claim(tmp_path, both, {"name": "smiley"})
    claim(tmp_path, with_overrides(Config(), {"model.alpha": 0.15}), {"name": "smiley"})
    with pytest.raises(UserError, match=r"model.prior_rate: 0.15 there, 0.3 asked"):
        claim(tmp_path, with_overrides(both, {"model.prior_rate": 0.3}), {"name": "smiley"})
