"""What the explorer knows of a model's examples; its server answers its own page, and nobody else."""

import base64
import hashlib
import http.client
import io
import json
import re
from functools import partial
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from vsc_jax.config.errors import UserError
from vsc_jax.data import Split, smiley
from vsc_jax.evaluation.code_view import CodeView
from vsc_jax.evaluation.encoding import Codes
from vsc_jax.pages.explorer.server import CHANGES, SAMPLES, Explorer, listen, picture, url
from vsc_jax.pages.latents import with_meaning


def send(address, path, body=None, *, headers=None):
    """One request's status, headers and content."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    method, given = ("GET", {}) if content is None else ("POST", {"Content-Type": "application/json"})
    connection.request(method, path, content, {**given, **(headers or {})})
    response = connection.getresponse()
    answer = (response.status, response.headers, response.read())
    connection.close()
    return answer


@pytest.fixture
def ask(address):
    return partial(send, address)


@pytest.mark.parametrize(("path", "kind", "start"), [
    ("/", "text/html", b"<!DOCTYPE html>"), ("/page.css", "text/css", b":root"),
    ("/page.js", "text/javascript", b"//"),
])  # fmt: skip
def test_the_page_and_its_parts_come_from_the_package(ask, path, kind, start):
    status, headers, content = ask(path)
    assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    assert content.startswith(start)
    assert b"http://" not in content  # nothing is loaded from elsewhere
    assert b"https://" not in content
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Cache-Control"] == "no-store"


def test_the_model_and_an_example_are_described_and_shown(ask, explorer):
    described = json.loads(ask("/api/model")[2])
    assert (described["name"], described["latents"], described["examples"]) == ("tiny vsc", 6, 40)
    code = json.loads(ask("/api/example/3")[2])
    np.testing.assert_allclose(code["z"], explorer.view.code[3], atol=1e-5)
    assert code["caption"] == "class zero"
    _, headers, content = ask("/api/picture/3")
    assert headers["Content-Type"] == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), explorer.view.test.x[3])


def pixels(uri):
    """Those of a PNG file in an address."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


def test_a_code_is_decoded_and_compared_with_the_example_s_own(ask, explorer, address):
    z = [0.5, 0, -1, 0, 2, 0]
    status, _, content = ask("/api/decode", {"z": z, "example": 3}, headers={"Origin": address.rstrip("/")})
    assert status == 200
    shown = json.loads(content)
    decoded, own = explorer.view.decode(np.array([z, explorer.view.code[3]]))
    np.testing.assert_allclose(pixels(shown["decoded"]), 255 * decoded, atol=0.51)
    red, _, blue, clear = np.moveaxis(pixels(shown["difference"]).astype(int), -1, 0)
    change = (decoded.astype(float) - own) / (0.5 * (explorer._high - explorer._low))
    np.testing.assert_allclose(clear, 255 * np.minimum(1, np.abs(change)), atol=0.51)
    np.testing.assert_array_equal(red > blue, change > 0)
    same = ask("/api/decode", {"z": explorer.view.code[3].tolist(), "example": 3})[2]
    assert not pixels(json.loads(same)["difference"])[..., 3].any()


def test_of_a_table_the_columns_that_change_are_named_and_of_signals_curves_drawn(make_explorer):
    table = make_explorer(data="vectors")
    z = np.arange(6) - 2.0
    shown = table.changed(z, 3)
    assert shown["decoded"].startswith("data:image/svg+xml;base64,")
    assert table.changed(table.view.code[3], 3)["changes"] == []
    decoded, own = table.view.decode(np.stack([z, table.view.code[3]]))
    change = decoded.astype(float) - own
    size = np.abs(change) / np.asarray(table.view.test.sample(500, 0).x).std(axis=0)
    assert [each["name"] for each in shown["changes"]] == [f"column {k}" for k in np.argsort(-size)[:CHANGES]]
    first = shown["changes"][0]
    assert first["value"] == pytest.approx(decoded[size.argmax()])
    assert first["change"] == pytest.approx(change[size.argmax()])
    signal = make_explorer(data="signals").changed(z, 0)
    curves = base64.b64decode(signal["difference"].partition(",")[2])
    assert (curves.count(b"<polyline"), "changes" in signal) == (5, False)


def test_what_latents_mean_comes_with_the_ones_that_they_need(ask, explorer):
    found = with_meaning(explorer.view).table
    told = json.loads(ask("/api/latents")[2])
    assert [(int(j), each["meaning"], each["idle"]) for j, each in told.items()] == [
        (row["latent"], row["meaning"], row["idle"]) for row in found
    ]
    codes = np.zeros((40, 6), np.float32)
    codes[:20, :2] = codes[:10, 2] = codes[5:15, 3] = codes[30:, 3] = 1
    view = CodeView(explorer.view.model, explorer.view.dataset, codes=Codes(codes, codes, codes))
    needed = {latent: each["needs"] for latent, each in Explorer(view, "made").latents().items()}
    assert needed == {0: [1], 1: [0], 2: [0, 1], 3: []}


def test_the_page_of_latents_is_made_once_and_leads_back(ask, explorer):
    status, headers, content = ask("/latents")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    text = content.decode()
    cards = re.findall(r'<section class="card" id="latent-(\d+)"', text)
    assert re.findall(r'<a href="/#latent=(\d+)" target="explorer">', text) == cards
    assert sorted(map(int, cards)) == [row["latent"] for row in with_meaning(explorer.view).table]
    assert explorer.page() is explorer.page()
    policy = headers["Content-Security-Policy"]
    script = re.search("<script>(.*?)</script>", text, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy


def test_samples_keep_what_is_on_and_are_drawn_by_their_seed(ask):
    answers = [ask("/api/sample", {"on": [1, 0, 1, 0, 0, 1], "seed": seed}) for seed in (3, 3, 4)]
    assert [status for status, _, _ in answers] == [200] * 3
    assert answers[0][2] == answers[1][2] != answers[2][2]
    drawn = json.loads(answers[0][2])
    assert len(drawn["z"]) == SAMPLES
    assert ((np.array(drawn["z"]) != 0) == [1, 0, 1, 0, 0, 1]).all()
    assert all(picture.startswith("data:image/png;base64,") for picture in drawn["pictures"])


Z = {"z": [0] * 6, "example": 0}


@pytest.mark.parametrize(("path", "body", "headers", "status", "words"), [
    ("/api/decode", {"z": [0] * 5}, {}, 400, "expected 6 numbers"),
    ("/api/decode", {"z": [0, 0, 0, 0, 0, "1"]}, {}, 400, "expected 6 numbers"),
    ("/api/decode", {"z": [0, 0, 0, 0, 0, 1e7]}, {}, 400, "from -1e6 to 1e6"),
    ("/api/decode", b'{"z": [0, 0, 0, 0, 0, NaN]}', {}, 400, "expected 6 numbers"),
    ("/api/decode", b"[]", {}, 400, "expected a JSON object"),
    ("/api/decode", b"{", {}, 400, "expected JSON"),
    ("/api/decode", b" " * 5000, {}, 413, "expected at most 4,288 bytes"),
    ("/api/decode", b"z=0", {"Content-Type": "text/plain"}, 415, "expected application/json"),
    ("/api/decode", Z, {"Origin": "http://evil.example"}, 403, "other sites are refused"),
    ("/api/decode", {"z": [0] * 6}, {}, 400, "example: expected one from 0 to 39"),
    ("/api/decode", {**Z, "example": 40}, {}, 400, "example: expected one from 0 to 39"),
    ("/api/sample", {"on": [1] * 6, "seed": -1}, {}, 400, "seed: expected a whole number"),
    ("/api/example/40", None, {}, 404, "expected an example from 0 to 39, got 40"),
    ("/api/picture/-1", None, {}, 404, "Not Found"),
    ("/latents", None, {"Origin": "http://evil.example"}, 403, "other sites are refused"),
    ("/etc/passwd", None, {}, 404, "Not Found"),
    ("/api/model", None, {"Host": "evil.example"}, 400, "Invalid host"),
    ("/api/model", None, {"Host": "localhost"}, 200, "tiny vsc"),
])  # fmt: skip
def test_what_is_wrong_or_of_others_is_refused_with_a_reason(ask, path, body, headers, status, words):
    answer = ask(path, body, headers=headers)
    assert answer[0] == status
    assert words in answer[2].decode()


def test_an_autoencoder_refuses_to_sample(make_explorer, serve):
    with serve(make_explorer("ae")) as address:
        status, _, content = send(address, "/api/sample", {"on": [1] * 6})
        assert (status, "no prior" in json.loads(content)["error"]) == (409, True)


def test_only_the_loopback_address_is_listened_on_and_a_taken_port_is_named():
    with listen(0) as listening:
        host, port = listening.getsockname()
        assert host == "127.0.0.1"
        assert url(listening) == f"http://127.0.0.1:{port}/"
        taken = (
            rf"--port: cannot listen on {port} \(Address already in use\); --port 0 takes one that is free"
        )
        with pytest.raises(UserError, match=taken):
            listen(port)


def test_codes_are_zero_where_the_gate_is_off_and_keep_a_value_to_start_from(explorer):
    code, view = explorer.example(0), explorer.view
    z, start, off = np.array(code["z"]), np.array(code["start"]), np.array(code["gamma"]) <= 0.5
    assert off.any()
    np.testing.assert_array_equal(z == 0, off)
    np.testing.assert_array_equal(start[~off], z[~off])
    latent = int(np.flatnonzero(off)[0])
    values = np.sort(view.code[view.code[:, latent] != 0, latent])
    assert start[latent] == pytest.approx(values[len(values) // 2] if len(values) else 1.0, abs=1e-5)


def test_each_latent_has_the_range_of_its_own_values_and_an_example_in_the_middle(explorer, make_explorer):
    described, code = explorer.describe(), explorer.view.code
    for latent, (ends, example) in enumerate(zip(described["ranges"], described["median"], strict=True)):
        values = code[code[:, latent] != 0, latent]
        assert ends == pytest.approx(np.percentile(values, (5, 95)) if len(values) else (-1, 1), abs=1e-5)
        assert example is None or code[example, latent] == np.sort(values)[len(values) // 2]
    collapsed = make_explorer(initial_gate_logit=-50.0).describe()
    assert (collapsed["ranges"], collapsed["median"]) == ([[-1, 1]] * 6, [None] * 6)


def test_what_a_model_lacks_is_said(explorer, make_explorer):
    assert (explorer.describe()["notes"], explorer.describe()["gated"]) == ([], True)
    no_gates, no_prior = make_explorer("ae").describe()["notes"]
    assert "no gates" in no_gates
    assert "no prior" in no_prior
    collapsed = make_explorer(initial_gate_logit=-50.0)
    assert "collapsed" in collapsed.describe()["notes"][0]
    assert collapsed.latents() == {}
    assert "0 of 6 latents are on" in collapsed.page()[0]


def test_captions_name_the_class_or_the_attributes_or_nothing(explorer, make_explorer):
    assert [explorer.caption(n) for n in range(3)] == ["class zero", "class one", "class two"]
    named = make_explorer(data="faces")
    for n in range(5):
        groups = zip(smiley.ATTRIBUTES, smiley.GROUPS, strict=True)
        present = [name for name, group in groups if named.view.test.presence[n][group.start]]
        assert named.caption(n) == (f"with {', '.join(present)}" if present else "no attributes")
    named.view.test = Split(named.view.test.x)
    assert named.caption(0) == ""


@pytest.mark.parametrize(("shape", "mode"), [((6, 8), "L"), ((6, 8, 1), "L"), ((6, 8, 3), "RGB")])
def test_images_keep_every_pixel(shape, mode):
    example = np.linspace(0, 1, np.prod(shape)).reshape(shape)
    content, kind = picture(example, "image", 0.0, 1.0)
    image = Image.open(io.BytesIO(content))
    assert (kind, image.mode, image.size) == ("image/png", mode, (8, 6))
    np.testing.assert_array_equal(np.asarray(image), np.round(255 * example).reshape(np.asarray(image).shape))
    clipped, _ = picture(np.array([[-1.0, 2.0] * 2] * 4), "image", 0.0, 1.0)
    assert np.asarray(Image.open(io.BytesIO(clipped)))[0].tolist() == [0, 255, 0, 255]


def test_vectors_and_signals_are_curves_with_large_values_on_top():
    rising, falling = 'points="0.0,200.0 160.0,100.0 320.0,0.0"', 'points="0.0,0.0 160.0,0.0 320.0,200.0"'
    content, kind = picture(np.array([0.0, 5.0, 10.0]), "vector", 0.0, 10.0)
    assert (kind, rising in content.decode()) == ("image/svg+xml", True)
    assert b"nan" not in picture(np.ones(3), "vector", 1.0, 1.0)[0]
    signal = picture(np.array([[0.0, 10.0], [5.0, 10.0], [10.0, 0.0]]), "signal", 0.0, 10.0)[0].decode()
    assert signal.count("<polyline") == signal.count(rising) + signal.count(falling) == 2
