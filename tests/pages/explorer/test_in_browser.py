"""The page as its reader uses it, in headless Chromium: click, drag, look."""

import json

import numpy as np
import pytest

from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.encoding import Codes
from vsc_jax.pages.explorer.server import Explorer

pytest.importorskip("selenium")
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait


class Page:
    """The explorer's page, freshly opened."""

    def __init__(self, browser, address):
        self.browser, self.wait = browser, WebDriverWait(browser, 30)
        browser.get(address)
        ready = "return document.body.dataset.ready === 'true'"
        self.wait.until(lambda _: browser.execute_script(ready))

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        return self.all(selector)[0]

    def decoded(self, name="decoded"):
        """The decoded picture's pixels, once it is loaded, or another picture's."""
        return self.browser.execute_async_script(
            """const done = arguments[1], image = document.getElementById(arguments[0]);
            const canvas = document.createElement("canvas");
            image.decode().then(() => {
              canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
              const context = canvas.getContext("2d");
              context.drawImage(image, 0, 0);
              done(Array.from(context.getImageData(0, 0, canvas.width, canvas.height).data));
            }, () => done(null));""",
            name,
        )

    def changes(self, before):
        """Waits until another picture is shown and gives its pixels."""
        return self.wait.until(lambda _: (now := self.decoded()) and now != before and now)


@pytest.fixture
def page(browser, address):
    browser.set_window_size(1100, 900)
    browser.get_log("browser")
    browser.get_log("performance")
    yield Page(browser, address)
    assert browser.get_log("browser") == []
    sent = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in sent if e["method"] == "Network.requestWillBeSent"]
    assert all(url.startswith((address, "data:", "blob:")) for url in urls)


def test_it_opens_with_a_test_image_its_code_and_its_picture(page, explorer):
    active = [int(row.get_attribute("data-latent")) for row in page.all("#on li")]
    code = explorer.view.code[0]
    assert active == sorted((j for j in range(6) if code[j]), key=lambda j: -abs(code[j]))
    assert page.one("#count").text == f"{len(active)} of 6 latents on"
    assert "class zero" in page.one("#caption").text
    assert len(page.decoded()) == 8 * 8 * 4
    titles = {"off": "Off in this image", "unused": "Used by hardly any image"}
    there = {name: len(page.all(f"#{name} li")) for name in titles}
    assert sum(there.values()) == 6 - len(active)
    for name, title in titles.items():
        assert page.one(f"#{name}-part").is_displayed() == bool(there[name])
        assert page.one(f"#{name}-title").get_attribute("textContent") == f"{title} ({there[name]})"


def test_switching_a_latent_off_and_on_again_changes_the_picture_and_brings_it_back(page):
    before = page.decoded()
    row = page.one("#on li")
    switch = row.find_element("css selector", "input[type=checkbox]")
    switch.click()
    without = page.changes(before)
    assert row.find_element("css selector", "output").text == "off"
    switch.click()
    assert page.changes(without) == before


def test_dragging_a_bar_changes_its_value_and_the_picture_at_once_and_switches_it_on(page, browser):
    before = page.decoded()
    row = page.one("#on li")
    slider = row.find_element("css selector", "input[type=range]")
    value = float(slider.get_attribute("value"))
    way = int(0.4 * slider.size["width"]) * (-1 if value > 0 else 1)
    drag = ActionChains(browser).move_to_element_with_offset(slider, 0, 0).click_and_hold()
    drag.move_by_offset(way, 0).perform()
    moved = page.changes(before)  # while the button is still held
    ActionChains(browser).release().perform()
    now, low, high = (float(slider.get_attribute(name)) for name in ("value", "min", "max"))
    assert (now - low) / (high - low) == pytest.approx(0.1 if value > 0 else 0.9, abs=0.03)
    assert row.find_element("css selector", "output").text == f"{now:.2f}".replace("-", "−")  # noqa: RUF001
    browser.execute_script("document.getElementById('unused-part').open = true")
    row = page.one("#off li, #unused li")
    slider = row.find_element("css selector", "input[type=range]")
    ActionChains(browser).move_to_element_with_offset(slider, -slider.size["width"] // 5, 0).click().perform()
    page.changes(moved)
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


def test_samples_keep_what_is_on_and_a_click_shows_their_bars_and_more_images(page):
    before, count = page.decoded(), page.one("#count").text
    page.one("#sample").click()
    samples = page.wait.until(lambda _: page.all("#samples button"))
    assert len(samples) == 8
    samples[2].click()
    page.changes(before)
    assert page.one("#count").text == count
    assert len(page.all("#thumbnails button")) == 24
    assert not page.one("#previous").is_enabled()
    page.one("#next").click()
    assert len(page.all("#thumbnails button")) == 16
    assert not page.one("#next").is_enabled()
    page.one("#any").click()
    page.wait.until(lambda _: page.all("#thumbnails button[aria-pressed='true']"))


def test_a_bar_has_the_range_of_its_latent_with_the_usual_part_tinted(page, explorer, browser):
    for row in page.all("#on li"):
        low, high = explorer.ranges[int(row.get_attribute("data-latent"))]
        slider = row.find_element("css selector", "input[type=range]")
        ends = [float(slider.get_attribute(name)) for name in ("min", "max")]
        assert ends == pytest.approx([low - (high - low) / 4, high + (high - low) / 4])
        style = (
            "return ['--low', '--high'].map((name) => parseFloat(arguments[0].style.getPropertyValue(name)))"
        )
        assert browser.execute_script(style, slider) == pytest.approx([100 / 6, 500 / 6])


def test_the_difference_is_clear_until_something_is_switched_and_after_the_reset(page):
    def opaque():
        return sum(page.decoded("difference")[3::4])

    assert opaque() == 0
    page.one("#on li input[type=checkbox]").click()
    page.wait.until(lambda _: opaque() > 0)
    page.one("#reset").click()
    page.wait.until(lambda _: opaque() == 0)


def test_beside_a_latent_is_its_meaning_and_idle_ones_are_marked(page, explorer):
    told = explorer.latents()
    page.wait.until(lambda _: "…" not in {each.text for each in page.all("#on .meaning")})
    for row in page.all("#on li"):
        latent = int(row.get_attribute("data-latent"))
        meaning = row.find_element("css selector", ".meaning")
        assert meaning.get_attribute("title") == told[latent]["meaning"]
        assert ("idle" in meaning.text.split()) == told[latent]["idle"]
        link = row.find_element("css selector", "a")
        assert link.get_attribute("href").endswith(f"/latents#latent-{latent}")


def test_a_latent_s_card_and_its_row_lead_to_each_other(page, browser, explorer):
    there = browser.current_window_handle
    link = page.one("#on li a")
    latent = int(link.text)
    link.click()
    page.wait.until(lambda _: len(browser.window_handles) == 2)
    [card] = set(browser.window_handles) - {there}
    try:
        browser.switch_to.window(card)
        page.wait.until(lambda _: page.all(f"#latent-{latent} a[target=explorer]"))
        assert browser.current_url.endswith(f"/latents#latent-{latent}")
        page.one(f"#latent-{latent} a[target=explorer]").click()
        browser.switch_to.window(there)
        page.wait.until(lambda _: page.all(f"#on .asked[data-latent='{latent}']"))
        assert page.one("#caption").text.startswith(f"({explorer.median[latent]},")
        focus = "return document.activeElement.getAttribute('aria-label')"
        page.wait.until(lambda _: browser.execute_script(focus) == f"value of latent {latent}")
    finally:
        browser.switch_to.window(card)
        browser.close()
        browser.switch_to.window(there)


def test_switching_a_latent_offers_to_switch_those_that_go_with_it(browser, explorer, serve):
    codes = np.zeros((40, 6), np.float32)
    codes[:20, :2] = codes[:10, 2] = codes[5:15, 3] = codes[30:, 3] = 1
    view = CodeView(explorer.view.model, explorer.view.dataset, codes=Codes(codes, codes, codes))
    with serve(Explorer(view, "made")) as address:
        page = Page(browser, address)
        page.wait.until(lambda _: "…" not in {each.text for each in page.all("#on .meaning")})
        check, offer = ("[data-latent='1'] " + each for each in ("input[type=checkbox]", ".offer"))
        page.one(check).click()
        assert page.one(offer).text.startswith("Hardly ever on without 1: 0, 2.")
        page.one(offer + " button").send_keys(Keys.ENTER)
        assert (page.one("#count").text, page.one(offer).text) == ("0 of 6 latents on", "")
        assert browser.switch_to.active_element == page.one(check)
        page.one("[data-latent='2'] input[type=checkbox]").click()
        offer = "[data-latent='2'] .offer"
        assert page.one(offer).text.startswith("2 is hardly ever on without 0, 1.")
        page.one(offer + " button").click()
        assert page.one("#count").text == "3 of 6 latents on"
        page.one("[data-latent='3'] input[type=checkbox]").click()
        assert [each.text for each in page.all(".offer") if each.text] == []
        browser.get("about:blank")


@pytest.mark.parametrize(("given", "shown"), [("#example=7", 7), ("#example=99", 0), ("#latent=x", 0)])
def test_the_address_says_what_to_show(browser, address, given, shown):
    browser.get("about:blank")
    page = Page(browser, address + given)
    assert page.one("#caption").text.startswith(f"({shown},")
    assert browser.current_url == f"{address}#example={shown}"


@pytest.mark.parametrize("width", [390, 1100])
def test_nothing_is_wider_than_the_screen(page, browser, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_model_without_gates_says_so_and_can_still_be_switched(browser, make_explorer, serve):
    with serve(make_explorer("ae")) as address:
        page = Page(browser, address)
        assert "no gates" in page.one("#notes").text
        assert not page.one("#sample").is_enabled()
        page.one("#on input[type=checkbox]").click()
        assert page.one("#count").text == "5 of 6 latents on"
        browser.get("about:blank")
