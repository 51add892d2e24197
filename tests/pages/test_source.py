"""A run folder is read as far as it goes, and named so that it cannot be mistaken."""

from pathlib import Path

import pytest

from vsc_jax.config.errors import UserError
from vsc_jax.pages.source import labels, read_source


def test_labels_are_as_short_as_they_can_be():
    assert labels([Path("runs/a"), Path("runs/b")]) == ["a", "b"]
    assert labels([Path("x/run"), Path("y/run")]) == ["x/run", "y/run"]
    assert labels([Path("x/run"), Path("x/../x/run")]) == ["run", "run"]
    assert labels([]) == []


def test_a_damaged_file_is_a_line_and_no_more(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    (run / "results.json").write_text('{"elbo": -1')
    (run / "data.json").unlink()
    source = read_source(run, "run")
    assert source.results == source.data == {}
    assert len(source.history) == 10
    assert [line.split(":")[0].rsplit("/", 1)[1] for line in source.missing] == ["data.json", "results.json"]


def test_what_has_no_configuration_is_no_run(tmp_path):
    with pytest.raises(UserError, match="neither a run folder"):
        read_source(tmp_path / "nothing", "x")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json: not a readable JSON file"):
        read_source(tmp_path, "x")
