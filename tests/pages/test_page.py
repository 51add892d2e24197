"""The report as files: complete, self-contained, and made whatever is missing."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vsc_jax import data
from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.evaluation.results import binarized
from vsc_jax.figures import FIGURES, OVERVIEW
from vsc_jax.pages import page as module
from vsc_jax.pages import write_report
from vsc_jax.pages.page import HEADINGS
from vsc_jax.pages.source import labels, read_source
from vsc_jax.run import Run, open_run
from vsc_jax.training.run_folder import read_rows

MODEL_FIGURES = set(FIGURES) - {"correlations", "atoms"}


def images(report):
    """What the images of a page are loaded from."""
    return re.findall(r'<img src="([^"]*)"', report.html.read_text())


@pytest.fixture(scope="module")
def run(make_run, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def report(run):
    return write_report([run])


@pytest.fixture
def bare(make_run, tmp_path):
    """Makes run folders without weights."""
    return lambda name, **options: make_run(tmp_path / name, weights=False, **options)


def test_the_page_loads_nothing_and_every_link_leads_into_it(run, report):
    assert (report.html, report.markdown, report.refused) == (run / "report.html", run / "report.md", [])
    text = report.html.read_text()
    assert all(source.startswith("data:image/png;base64,") for source in images(report))
    assert len(images(report)) == len(MODEL_FIGURES) + 1  # and the history
    links, places = (set(re.findall(pattern, text)) for pattern in ('href="#([^"]*)"', ' id="([^"]*)"'))
    assert links <= places
    assert text.count("href=") == text.count('href="#')
    assert not re.search("<(script|link|iframe|object)|@import|srcset|action=", text)
    assert "default-src 'none'" in text


def test_what_is_wrong_is_at_the_top_of_both_pages_and_only_where_it_is(report, bare):
    says = "too short: 100 iterations are too few to learn much, or to see whether the bound has settled"
    for page, pictures in ((report.html, "<figure>"), (report.markdown, "![")):
        assert f"{says}; try --train.steps 200" in page.read_text().split(pictures)[0]
    results = {"elbo": -1.0, "kl": 1.0, "used_latents": 6.0, "active_per_image": 2.0, "steps": 4000}
    good = write_report([bare("good", results=results)])
    assert "; try --" not in good.html.read_text() + good.markdown.read_text()
    sick = write_report([bare("sick", results=results | {"always_on_latents": 1.0})])
    assert "1 of the 6 latents in use is on in over 95 % of the examples; try" in sick.html.read_text()


def test_every_figure_has_one_sentence_that_holds_a_number_of_this_run(report):
    captions = re.findall("<figcaption>(.*?)</figcaption>", report.html.read_text())
    assert len(captions) == len(MODEL_FIGURES) + 1
    for caption in captions:
        assert re.fullmatch(r"Look for .*\d.*\.", caption)
        assert len(re.findall(r"\.(\s|$)", caption)) == 1


def test_pictures_come_first_then_numbers_then_settings_which_are_folded(report):
    for text in (report.html.read_text(), report.markdown.read_text()):
        image = max(map(text.rfind, ("<img", "![")))
        places = [
            text.index("Conditional sampling"),
            image,
            text.index("active_per_image"),
            text.index("model.latents"),
        ]
        assert places == sorted(places)
    assert "<details open" not in report.html.read_text()
    assert [name for name, _ in zip(HEADINGS, range(2), strict=False)] == [
        "conditional_samples",
        "activation",
    ]


def test_the_markdown_has_results_settings_and_files_that_lie_beside_it(report):
    text = report.markdown.read_text()
    shown = re.findall(r"!\[[^]]*\]\(([^)]+)\)", text)
    assert set(shown) == {f"figures/{name}.png" for name in MODEL_FIGURES | {"history"}}
    for file in shown:
        content = (report.markdown.parent / file).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) < 300_000
    assert "\n|  | one |  |\n| --- | ---: | --- |\n| elbo | −20.00 | true bound" in text  # noqa: RUF001
    assert "| model.latents | 6 |\n" in text
    assert "| data | tiny, 40 test examples, grey values |" in text
    assert "\n\n\n" not in text


def test_a_second_quick_report_is_the_same_and_leaves_nothing_behind(run, tmp_path):
    first, second = (write_report([run], tmp_path, every_figure=False).html.read_bytes() for _ in range(2))
    assert first == second
    names = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")}
    figures = {f"figures/{name}.png" for name in ("history", *OVERVIEW)}
    assert names == {"report.html", "report.md"} | figures


def test_a_run_in_memory_is_not_read_again_nor_are_its_figures_drawn_again(make_run, tmp_path, monkeypatch):
    folder = make_run(tmp_path / "run")
    stored = open_run(folder)
    write_report([folder], every_figure=False)
    before = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    facts = {
        "history": {"quantity": "bound", "last": -1.0, "step": 7, "gain": None, "active": None},
        "reconstructions": {"form": "image", "clean": 0.25, "noisy": 0.0, "noise": "sd 0.25"},
    }
    rows, description = read_rows(folder / "metrics.jsonl"), {"description": "Tiny."}
    run = Run(stored.model(), {"elbo": -3.0}, rows, folder, stored.config, description, facts)
    dataset = stored.dataset()
    drawn, activation = [], FIGURES["activation"]
    counting = activation._replace(draw=lambda view: drawn.append(1) or activation.draw(view))
    monkeypatch.setattr(module, "open_run", None)
    monkeypatch.setattr(module, "draw_history", None)
    monkeypatch.setitem(FIGURES, "activation", counting)
    report = write_report([run], dataset=dataset, every_figure=False)
    assert drawn == [1]  # the run had not drawn it
    assert {path.name: path.read_bytes() for path in (folder / "figures").iterdir()} == before
    text = report.markdown.read_text()
    assert "explains 25 % of the variance" in text
    assert "| elbo | −3.00 |" in text  # noqa: RUF001
    with Image.open(folder / "figures" / "activation.png") as figure:
        assert figure.mode == "RGBA"  # in all its colors
    with pytest.raises(UserError, match="expected a run with a run folder"):
        write_report([Run(run.model, {}, [], None, stored.config)])


def test_figures_show_the_binary_images_that_the_results_are_about(digits, make_run, tmp_path, monkeypatch):
    run = make_run(tmp_path / "run", data_config=DataConfig(path=digits, binarize="dynamic"))
    seen, view = [], module.CodeView
    monkeypatch.setattr(module, "CodeView", lambda *given, **seed: seen.extend(given) or view(*given, **seed))
    write_report([run], tmp_path / "quick", every_figure=False)
    grey = data.load(DataConfig(path=digits)).test.x
    np.testing.assert_array_equal(seen[1].test.x, binarized(grey, "dynamic", np.random.default_rng(0)))


def test_runs_stand_side_by_side_with_the_best_and_the_differences_marked(bare, tmp_path):
    better = {"data": "tiny, 40 test examples, grey values", "elbo": -19.0, "mse": 0.5}
    report = write_report([bare("a"), bare("b", kind="vae", results=better)], tmp_path / "both")
    text = report.markdown.read_text()
    assert "| elbo | −20.00 | **−19.00** |" in text  # noqa: RUF001
    assert "| mse | **0.25000** | 0.50000 |" in text
    assert "| model.kind | **vsc** | **vae** |" in text
    assert "| model.latents | 6 | 6 |" in text
    assert "The best true bound is that of b, −19.0 nats per example, 1.0 above a." in text  # noqa: RUF001
    assert {"a-history.png", "b-history.png"} <= {p.name for p in (tmp_path / "both" / "figures").iterdir()}


def test_runs_that_differ_in_one_setting_are_joined_by_curves(bare, tmp_path):
    report = write_report([bare(f"{alpha}", alpha=alpha) for alpha in (0.1, 0.2)], tmp_path / "out")
    text = report.markdown.read_text()
    assert "## Over all runs\n\n**The bound against alpha**: Look for" in text
    assert "![The bound against alpha](figures/bound_against_alpha.png)" in text
    assert (tmp_path / "out" / "figures" / "bound_against_active.png").exists()
    assert report.html.read_text().count("The bound against alpha. Look for how little sparsity costs") == 1


def test_models_side_by_side_are_shown_under_noise(make_run, tmp_path):
    runs = [make_run(tmp_path / kind, kind=kind) for kind in ("vsc", "ae")]
    written = write_report(runs, tmp_path / "report", every_figure=False)
    assert "What is left under noise" in written.html.read_text()
    assert (tmp_path / "report" / "figures" / "explained_against_noise.png").is_file()
    text = written.markdown.read_text()
    assert " points at noise of 0.5." in text
    assert "Of the latents on in vsc with or without that noise," in text
    assert "latents on in ae with" not in text


def test_groups_have_tables_of_their_own_and_names_cannot_smuggle_markup_into_a_page(bare, tmp_path):
    groups = {"First": [bare("<b>x|y")], "Second": [bare("z")]}
    report = write_report(groups, tmp_path / "out", title="Both")
    text = report.markdown.read_text()
    assert text.startswith("# Both\n")
    text = text.split("## Results")[1]
    places = [text.index(part) for part in ("### First", r"|  | \<b\>x\|y |", "### Second", "|  | z |")]
    assert places == sorted(places)
    assert "<b>x" not in report.html.read_text()
    assert "&lt;b&gt;x|y" in report.html.read_text()


def test_a_half_written_run_has_its_history_and_says_what_is_missing(bare):
    run = bare("half")
    (run / "results.json").unlink()
    source = read_source(run, "run")  # which is finished
    assert any("python -m vsc_jax.evaluate" in line for line in source.missing)
    (run / "metrics.jsonl").write_text('{"step": 10, "elbo": -9.0, "reconstruction": -8.0}\n{"step": 20, "el')
    report = write_report([run])
    text = report.html.read_text()
    assert "no results yet: training is at iteration 10 of 100" in text
    assert "None of these runs has results yet." in text
    assert any("no figures of the model" in line for line in report.problems)
    assert [path.stem for path in (run / "figures").iterdir()] == ["history"]
    (run / "results.json").write_text('{"elbo": -1')  # a damaged file is a line and no more
    source = read_source(run, "run")
    assert source.results == source.data == {}
    assert [line.split(":")[0].rsplit("/", 1)[1] for line in source.missing] == ["data.json", "results.json"]


def test_data_that_are_not_at_hand_cost_only_the_figures_of_the_model(make_run, tmp_path):
    run = make_run(tmp_path / "run")
    config = (run / "config.json").read_text()
    (run / "config.json").write_text(config.replace("tiny.npz", "gone.npz"))
    report = write_report([run])
    assert any("no figures of the model" in line and "gone.npz" in line for line in report.problems)
    assert "| elbo |" in report.markdown.read_text()
    assert len(images(report)) == 1


def test_what_cannot_be_read_is_left_out_and_the_others_are_shown(bare, tmp_path):
    good, newer = bare("good"), bare("newer")
    config = (newer / "config.json").read_text()
    (newer / "config.json").write_text(config.replace('"latents"', '"wings": 2, "latents"'))
    report = write_report([newer, good, tmp_path / "nothing"], tmp_path / "out")
    assert report.refused == [newer, tmp_path / "nothing"]
    assert any("model.wings: unknown key; was the run made by a newer version" in p for p in report.problems)
    assert any("nothing: neither a run folder" in p for p in report.problems)
    assert "Left out:" in report.html.read_text()
    assert "| elbo | −20.00 |" in report.markdown.read_text()  # noqa: RUF001


def test_mistakes_are_one_line(bare, tmp_path):
    with pytest.raises(UserError, match="neither a run folder nor a saved model"):
        write_report([tmp_path])
    with pytest.raises(UserError, match="expected at least one run folder"):
        write_report([])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: the report cannot be written there"):
        write_report([bare("run")], tmp_path / "file", every_figure=False)


@pytest.mark.parametrize(("folders", "names"), [
    (["runs/a", "runs/b"], ["a", "b"]), (["x/run", "y/run"], ["x/run", "y/run"]),
    (["x/run", "x/../x/run"], ["run", "run"]), ([], []),
])  # fmt: skip
def test_labels_are_as_short_as_they_can_be(folders, names):
    assert labels(list(map(Path, folders))) == names
