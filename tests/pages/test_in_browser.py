"""The report opened from disk in headless Chromium: no network, no error, nothing cut off."""

import json

import pytest

from vsc_jax.pages import write_report


@pytest.fixture(scope="module")
def html(make_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    runs = [make_run(folder / f"a_run_with_a_rather_long_name_{n}", weights=n == 0) for n in range(3)]
    return write_report(runs, folder / "report", every_figure=False).html


@pytest.fixture
def show(browser, html):
    def show(width, scheme="light"):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)
        browser.get_log("browser")
        browser.get_log("performance")
        browser.get(html.as_uri())

    yield show
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_it_opens_from_disk_and_asks_nobody(show, browser, html):
    show(1200)
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert {url for url in urls if not url.startswith("data:")} == {html.as_uri()}
    assert browser.get_log("browser") == []


def test_every_figure_is_drawn(show, browser):
    show(1200)
    loaded = browser.execute_async_script(
        """const done = arguments[0];
        Promise.all([...document.images].map((image) => {
          image.loading = "eager";
          return image.decode().then(() => image.naturalWidth);
        })).then(done);"""
    )
    assert loaded == [900] * 8


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_is_as_wide_as_the_screen_and_wide_tables_scroll_inside_it(show, browser, width):
    show(width)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    if width < 500:
        script = "return document.querySelector('.scroll').scrollWidth"
        assert browser.execute_script(script) > width


def test_a_phone_shows_what_each_number_means(show, browser):
    show(390)
    script = "return [...document.querySelectorAll('th small')].map((text) => text.offsetHeight)"
    assert min(browser.execute_script(script)) > 10


def test_it_is_dark_where_the_reader_s_screen_is(show, browser):
    script = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    show(1200, "light")
    assert min(browser.execute_script(script)) > 230
    show(1200, "dark")
    assert max(browser.execute_script(script)) < 60
