"""The page as its reader uses it, in headless Chromium: click, drag, look."""

import json

import pytest

pytest.importorskip("selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WIDTH, HEIGHT = 1100, 900


def wait_for_the_page(browser):
    ready = "return document.body.dataset.ready === 'true'"
    WebDriverWait(browser, 30).until(lambda _: browser.execute_script(ready))


@pytest.fixture
def page(browser, address):
    class Page:
        """The explorer's page, freshly opened."""

        wait = WebDriverWait(browser, 30)

        def all(self, selector):
            return browser.find_elements(By.CSS_SELECTOR, selector)

        def one(self, selector):
            return self.all(selector)[0]

        def decoded(self):
            """The decoded picture's pixels, once it is loaded."""
            return browser.execute_async_script(
                """const done = arguments[0], image = document.getElementById("decoded");
                const canvas = document.createElement("canvas");
                image.decode().then(() => {
                  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
                  const context = canvas.getContext("2d");
                  context.drawImage(image, 0, 0);
                  done(Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data));
                }, () => done(null));"""
            )

        def changes(self, before):
            """Waits until another picture is shown and gives its pixels."""
            return self.wait.until(lambda _: (now := self.decoded()) and now != before and now)

    browser.set_window_size(WIDTH, HEIGHT)
    browser.get_log("browser")
    browser.get_log("performance")
    browser.get(address)
    wait_for_the_page(browser)
    yield Page()
    assert browser.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [
        event["params"]["request"]["url"] for event in sent if event["method"] == "Network.requestWillBeSent"
    ]
    assert all(url.startswith((address, "data:", "blob:")) for url in urls)


def test_it_opens_with_a_test_image_its_code_and_its_picture(page, explorer):
    active = [int(row.get_attribute("data-latent")) for row in page.all("#on li")]
    expected = [j for j in range(6) if explorer.view.code[0][j]]
    assert sorted(active) == expected
    sizes = [abs(explorer.view.code[0][j]) for j in active]
    assert sizes == sorted(sizes, reverse=True)
    assert page.one("#count").text == f"{len(expected)} of 6 latents on"
    assert "class zero" in page.one("#caption").text
    assert len(page.decoded()) == 8 * 8 * 4


def test_switching_a_latent_off_and_on_again_changes_the_picture_and_brings_it_back(page):
    before = page.decoded()
    row = page.one("#on li")
    switch = row.find_element("css selector", "input[type=checkbox]")
    switch.click()
    without = page.changes(before)
    assert row.find_element("css selector", "output").text == "off"
    switch.click()
    assert page.changes(without) == before


def test_dragging_a_bar_changes_its_value_and_the_picture_at_once(page, browser):
    before = page.decoded()
    row = page.one("#on li")
    slider = row.find_element("css selector", "input[type=range]")
    value = float(slider.get_attribute("value"))
    width = slider.size["width"]
    ActionChains(browser).move_to_element_with_offset(slider, 0, 0).click_and_hold().move_by_offset(
        int(-0.4 * width if value > 0 else 0.4 * width), 0
    ).perform()
    page.changes(before)  # while the button is still held
    ActionChains(browser).release().perform()
    now = float(slider.get_attribute("value"))
    assert now * value < 0
    assert row.find_element("css selector", "output").text == f"{now:.2f}".replace("-", "−")  # noqa: RUF001


def test_dragging_a_latent_that_is_off_switches_it_on(page, browser):
    before = page.decoded()
    browser.execute_script("document.getElementById('unused-part').open = true")
    row = page.one("#off li, #unused li")
    slider = row.find_element("css selector", "input[type=range]")
    ActionChains(browser).move_to_element_with_offset(slider, slider.size["width"] // 3, 0).click().perform()
    page.changes(before)
    assert row.find_element("css selector", "input[type=checkbox]").is_selected()


def test_picking_another_image_shows_its_code_and_the_reset_button_brings_it_back(page, explorer):
    before = page.decoded()
    page.one("#thumbnails button[data-index='4']").click()
    other = page.changes(before)
    assert "class one" in page.one("#caption").text
    assert len(page.all("#on li")) == (explorer.view.code[4] != 0).sum()
    page.one("#on li input[type=checkbox]").click()
    changed = page.changes(other)
    page.one("#reset").click()
    assert page.changes(changed) == other


def test_samples_keep_what_is_on_and_a_click_shows_their_bars(page):
    before, count = page.decoded(), page.one("#count").text
    page.one("#sample").click()
    samples = page.wait.until(lambda _: page.all("#samples button"))
    assert len(samples) == 8
    samples[2].click()
    page.changes(before)
    assert page.one("#count").text == count


def test_more_images_are_a_click_away(page):
    assert len(page.all("#thumbnails button")) == 24
    assert not page.one("#previous").is_enabled()
    page.one("#next").click()
    assert len(page.all("#thumbnails button")) == 16
    assert not page.one("#next").is_enabled()


@pytest.mark.parametrize("width", [390, 1100])
def test_nothing_is_wider_than_the_screen(page, browser, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_model_without_gates_says_so_and_can_still_be_switched(browser, make_explorer, serve):
    with serve(make_explorer("ae")) as address:
        browser.get(address)
        wait_for_the_page(browser)
        assert "no gates" in browser.find_element("id", "notes").text
        assert not browser.find_element("id", "sample").is_enabled()
        browser.find_element("css selector", "#on input[type=checkbox]").click()
        assert browser.find_element("id", "count").text == "5 of 6 latents on"
        browser.get("about:blank")
