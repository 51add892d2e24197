"""The command line ``python -m vsc_jax.report``."""

import contextlib
from pathlib import Path

import pytest
from vsc_jax.report import main

from vsc_jax.cli.command_line import UsageError
from vsc_jax.config import load_preset, smoke, with_overrides
from vsc_jax.config.errors import UserError
from vsc_jax.pages import comparison, page
from vsc_jax.run import fit


@pytest.fixture
def quick(monkeypatch):
    """Reports without figures."""
    monkeypatch.setattr(page, "illustrate", lambda *_, **options: None)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A real run folder of a run that is as short as can be."""
    small = {"data.test_examples": 32, "model.hidden": [16], "model.latents": 6, "train.log_every": 1}
    small |= {"train.steps": 2, "evaluate.figures": False}
    config = with_overrides(smoke(load_preset("smiley_vae")), small)
    return fit(config, tmp_path_factory.mktemp("runs") / "run").workdir


def test_a_real_run_gets_its_report(run, capsys):
    main([str(run)])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line == f"written: {run / 'report.html'} and {run / 'report.md'}"
    text = (run / "report.md").read_text()
    assert text.startswith("# run\n")
    assert "Smiley drawn from seed 0" in text
    assert "| train.steps | **2** | preset: 6000 |" in text
    assert (run / "figures" / "correlations.png").exists()
    assert "no figures of gates and pseudo-inputs: the model has no gates" in text
    assert "no figure of classes: smiley has no labels" in text


def test_what_is_no_run_is_named_and_the_rest_is_written_all_the_same(run, quick, tmp_path, capsys):
    with pytest.raises(UserError, match=f"the report is without {tmp_path / 'none'}"):
        main([str(run), str(tmp_path / "none"), "-o", str(tmp_path / "out")])
    assert "none: neither a run folder" in capsys.readouterr().out
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize("argv", [[], ["run", "--compare", "ae"]])
def test_runs_and_compare_exclude_each_other(argv):
    with pytest.raises(UsageError, match=r"either RUN \[RUN \.\.\.\] or --compare"):
        main(argv)


def test_compare_trains_and_sets_side_by_side(monkeypatch, quick, run, tmp_path, capsys):
    """Training is stood in for by a run that is there."""

    def trained(config, folder, **_):
        folder.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.symlink_to(run)

    monkeypatch.setattr(comparison, "fit", trained)
    options = ["--smoke", "--workdir", str(tmp_path / "runs"), "-o", str(tmp_path / "out")]
    main(["--compare", "vae,vsc", "--config-prefix", "smiley", *options])
    lines = capsys.readouterr().out.splitlines()
    expected = [f"smiley_{kind}_conv_{latents}_smoke" for latents in (2, 32) for kind in ("vae", "vsc")]
    assert [Path(line.split()[1]).name for line in lines if line.startswith("training")] == expected
    text = (tmp_path / "out" / "report.md").read_text()
    assert text.startswith("# vae, vsc on smiley, side by side at 2 and 32 latents\n")
    assert "### 2 latents" in text
    assert "### 32 latents" in text
