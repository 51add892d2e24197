"""A run folder is read as far as it goes, and named so that it cannot be mistaken."""

from pathlib import Path

import pytest

from vsc_jax.config.errors import UserError
from vsc_jax.pages.source import labels, read_source
from vsc_jax.pages.words import count, nats, percent


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
    with pytest.raises(UserError, match="no such folder"):
        read_source(tmp_path / "nothing", "x")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json: not a readable JSON file"):
        read_source(tmp_path, "x")


def test_numbers_are_written_as_they_are_meant():
    assert [percent(x) for x in (-0.354, -0.004)] == ["−35 %", "just below 0 %"]  # noqa: RUF001
    assert [percent(x) for x in (0.0, 1e-5, 0.01, 0.015, 0.12, 0.985, 0.99999, 1.0)] == [
        "0 %",
        "under 0.1 %",
        "1 %",
        "1.5 %",
        "12 %",
        "98.5 %",
        "over 99.9 %",
        "100 %",
    ]
    assert nats(-104.46) == "−104.5 nats"  # noqa: RUF001
    assert [count(1, "latent"), count(6000, "row")] == ["1 latent", "6,000 rows"]
