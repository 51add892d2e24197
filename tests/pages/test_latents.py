"""The page of every latent, and the same in Python: complete, self-contained, one line for each mistake."""

import base64
import hashlib
import inspect
import re

import jax
import numpy as np
import pandas
import pytest

import vsc_jax
from vsc_jax import data
from vsc_jax.config import DataConfig, ModelConfig
from vsc_jax.config.errors import UserError
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.encoding import Codes
from vsc_jax.models import build
from vsc_jax.pages import write_report
from vsc_jax.pages.latents import latents_page, layout, with_meaning
from vsc_jax.pages.page import render_latents


@pytest.fixture(scope="module")
def run(make_run, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def written(run):
    return write_report([run], every_figure=False, latents=True)


@pytest.fixture(scope="module")
def model(run):
    return vsc_jax.load(run)


@pytest.fixture(scope="module")
def dataset(digits):
    return data.load(DataConfig(path=digits))


def test_the_page_is_one_file_with_a_card_and_a_line_for_every_latent(run, written, model, dataset):
    [page] = written.latents
    assert page == run / "latents.html"
    text = page.read_text()
    rows = vsc_jax.describe_latents(model, dataset).table
    cards = re.findall(r'<section class="card" id="latent-(\d+)"', text)
    assert sorted(map(int, cards)) == [row["latent"] for row in rows]
    assert len(re.findall("<tr data-card=", text)) == len(re.findall("<circle", text)) == len(rows)
    for row in rows:
        assert text.count(row["meaning"]) >= 3  # in the map, the index and the card
    links, places = (set(re.findall(pattern, text)) for pattern in ('href="#([^"]*)"', ' id="([^"]*)"'))
    assert links <= places
    assert text.count("href=") == text.count('href="#')
    assert all(src.startswith("data:image/png;base64,") for src in re.findall(r'<img src="([^"]*)"', text))
    assert f"python -m vsc_jax.explore RUN --latent {cards[0]}</code>" in text
    script = re.search("<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_the_report_links_to_it_also_when_written_later(run, written):
    assert '<a href="latents.html">Every latent</a>' in written.html.read_text()
    again = write_report([run], every_figure=False)
    assert again.latents == []
    assert '<a href="latents.html">' in again.html.read_text()


def test_several_runs_have_a_page_each(make_run, tmp_path):
    runs = [make_run(tmp_path / name, kind=kind) for name, kind in (("a", "vsc"), ("b", "ae"))]
    both = write_report(runs, tmp_path / "out", every_figure=False, latents=True)
    assert [path.name for path in both.latents] == ["a-latents.html", "b-latents.html"]
    assert 'href="b-latents.html">Every latent of b</a>' in both.html.read_text()
    assert "This model has no gates" in both.latents[1].read_text()


def test_texts_stand_for_vectors_and_there_must_be_one_a_row(make_run, tmp_path):
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(rng.normal(size=(60, 4)), columns=["a", "b<i>", "c", "d"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    table = DataConfig(path=tmp_path / "t.csv", header="true")
    run = make_run(tmp_path / "run", data_config=table, likelihood="gaussian")
    assert "b&lt;i&gt; " in write_report([run], every_figure=False, latents=True).latents[0].read_text()
    texts = [f"text <{n}>" for n in range(6)]
    page = write_report([run], every_figure=False, latents=True, texts=texts).latents[0].read_text()
    assert "text &lt;3&gt;" in page
    for wrong in (texts[:-1], [*texts, "more"]):
        with pytest.raises(
            UserError, match=f"--texts: expected 6 lines, one per test example, got {len(wrong)}"
        ):
            write_report([run], every_figure=False, latents=True, texts=wrong)


def test_a_collapsed_code_has_a_page_that_says_so(model, dataset):
    off = np.zeros((40, 6), np.float32)
    view = CodeView(model, dataset, codes=Codes(off, off, off))
    page = latents_page(with_meaning(view), "collapsed")
    assert (page["cards"], page["idle"], page["effective"]) == ([], [], 0)
    shown = render_latents(page)
    assert "0 of 6 latents are on in at least one of the 40 test examples, 6 never." in shown


def test_signals_are_shown_as_curves(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 16, 3)).astype(np.float32)
    config = ModelConfig(kind="vsc", network="conv1d", likelihood="gaussian", latents=4, pseudo_inputs=4)
    model = build(config, x.shape[1:], jax.random.key(0), examples=x)
    found = vsc_jax.describe_latents(model, x)
    assert found.names == ("channel 0", "channel 1", "channel 2")
    card = latents_page(found, "signals")["cards"][0]
    assert [name for name, _ in card["sweep"]] == [each["name"] for each in card["changes"]]
    assert all(src.startswith("data:image/svg+xml") for _, src in card["sweep"])


def test_examples_of_another_shape_and_labels_that_do_not_fit_are_named(model, dataset):
    x, labels = dataset.test.x, dataset.test.labels
    describe = vsc_jax.describe_latents
    with pytest.raises(ValueError, match=r"^expected a batch of examples \[n, 8, 8\], got .* \[40, 8, 7\]$"):
        describe(model, x[:, :, 1:])
    with pytest.raises(UserError, match=r"^labels: expected 40 labels, one an example, got shape \(39,\)$"):
        describe(model, x, labels[1:])
    with pytest.raises(UserError, match=r"^hat: expected 40 labels, one an example, got shape \(3,\)$"):
        describe(model, x, {"hat": [True, False, True]})
    wrong = "^label_names: expected a name for each class from 0 on, got 2 for the classes 0, 1, 2$"
    with pytest.raises(UserError, match=wrong):
        describe(model, x, labels, label_names=["one", "two"])
    with pytest.raises(UserError, match="^label_names: given without labels$"):
        describe(model, x, label_names=["one", "two"])
    with pytest.raises(UserError, match="^x: expected at least one example"):
        describe(model, x[:0])
    with pytest.raises(UserError, match="^model: expected a model, as vsc_jax.load gives it, got str$"):
        inspect.unwrap(describe)("smiley_vsc", x)  # outside the tests nothing looks at types


def test_classes_are_called_as_asked_and_attributes_by_their_names(model, dataset):
    x, labels = dataset.test.x, dataset.test.labels
    describe = vsc_jax.describe_latents
    assert [*describe(model, x, labels, label_names=["u", "v", "w"]).present] == ["u", "v", "w"]
    assert [*describe(model, dataset, label_names=["u", "v", "w"]).present] == ["u", "v", "w"]
    assert [*describe(model, dataset).present] == ["0", "1", "2"]
    found = describe(model, x, {"hat": labels == 1, "tie": labels == 2})
    assert found.table[0]["by_class"].keys() == {"hat", "tie"}
    assert len(pandas.DataFrame(found.table)) == len(found.table)


def test_circles_are_near_those_they_are_alike_and_none_is_upon_another():
    group = np.arange(12) // 4
    likeness = (group[:, None] == group).astype(float)
    radius = np.full(12, 8.0)
    places = layout(likeness, radius)
    apart = np.linalg.norm(places[:, None] - places, axis=-1) + 100 * np.eye(12)
    assert apart.min() > 14
    assert (group[apart.argmin(axis=1)] == group).all()
    assert layout(np.ones((1, 1)), np.ones(1)).shape == (1, 2)


@pytest.mark.parametrize("width", [390, 1400])
def test_in_a_browser_it_is_as_wide_as_the_screen_sorted_and_searched(browser, written, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get_log("browser")
    browser.get(written.latents[0].as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    order = "return [...document.querySelectorAll('tbody tr')].map((row) => row.dataset.card)"
    cards = [f"latent-{n}" for n in sorted(int(card[7:]) for card in browser.execute_script(order))]
    for expected in (cards[::-1], cards):
        browser.execute_script("document.querySelector('thead button').click()")
        assert browser.execute_script(order) == expected
    search = "const f = document.querySelector('#search'); f.value = arguments[0]; f.oninput();"
    visible = "return [...document.querySelectorAll('.card')].filter((c) => !c.hidden).length"
    for words, count in (("nothing has this", 0), ("on IN", len(cards)), ("", len(cards))):
        browser.execute_script(search, words)
        assert browser.execute_script(visible) == count, words
    assert browser.get_log("browser") == []
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
