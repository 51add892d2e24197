"""The server answers its own page, and nobody else."""

import http.client
import io
import json
from functools import partial
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from vsc_jax.config.errors import UserError
from vsc_jax.pages.explorer.server import SAMPLES, listen, url

JSON = {"Content-Type": "application/json"}


def send(address, path, body=None, *, headers=None):
    """One request's status, headers and content."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=30)
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    method, given = ("GET", {}) if content is None else ("POST", JSON)
    connection.request(method, path, content, {**given, **(headers or {})})
    response = connection.getresponse()
    answer = (response.status, response.headers, response.read())
    connection.close()
    return answer


@pytest.fixture
def ask(address):
    return partial(send, address)


@pytest.mark.parametrize(
    ("path", "start"), [("/", b"<!DOCTYPE html>"), ("/page.css", b":root"), ("/page.js", b"//")]
)
def test_the_page_and_its_parts_come_from_the_package(ask, path, start):
    status, headers, content = ask(path)
    assert status == 200
    assert content.startswith(start)
    assert b"http://" not in content  # nothing is loaded from elsewhere
    assert b"https://" not in content
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_model_is_described(ask):
    described = json.loads(ask("/api/model")[2])
    assert (described["name"], described["latents"], described["examples"]) == ("tiny vsc", 6, 40)


def test_an_example_has_its_code_and_its_picture(ask, explorer):
    code = json.loads(ask("/api/example/3")[2])
    np.testing.assert_allclose(code["z"], explorer.view.code[3], atol=1e-5)
    assert code["caption"] == "class zero"
    _, headers, content = ask("/api/picture/3")
    assert headers["Content-Type"] == "image/png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), explorer.view.test.x[3])


def test_a_code_is_decoded(ask, explorer):
    z = [0.5, 0, -1, 0, 2, 0]
    status, _, content = ask("/api/decode", {"z": z})
    assert status == 200
    expected = 255 * explorer.view.decode(np.array([z]))[0]
    np.testing.assert_allclose(np.asarray(Image.open(io.BytesIO(content))), expected, atol=0.51)


def test_samples_keep_what_is_on_and_are_drawn_by_their_seed(ask):
    seeds = (3, 3, 4)
    answers = [ask("/api/sample", {"on": [1, 0, 1, 0, 0, 1], "seed": seed}) for seed in seeds]
    assert [status for status, _, _ in answers] == [200] * 3
    assert answers[0][2] == answers[1][2] != answers[2][2]
    drawn = json.loads(answers[0][2])
    assert len(drawn["z"]) == SAMPLES
    assert ((np.array(drawn["z"]) != 0) == [1, 0, 1, 0, 0, 1]).all()
    assert all(picture.startswith("data:image/png;base64,") for picture in drawn["pictures"])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"z": [0] * 5}, 400, "expected 6 numbers"),
        ({"z": [0, 0, 0, 0, 0, "1"]}, 400, "expected 6 numbers"),
        ({"z": [0, 0, 0, 0, 0, 1e7]}, 400, "from -1e6 to 1e6"),
        (b'{"z": [0, 0, 0, 0, 0, NaN]}', 400, "expected 6 numbers"),
        (b"[]", 400, "expected a JSON object"),
        (b"{", 400, "expected JSON"),
        (b" " * 5000, 413, "expected at most 4,288 bytes"),
    ],
)
def test_what_cannot_be_decoded_is_refused_with_a_reason(ask, body, status, words):
    answer = ask("/api/decode", body)
    assert answer[0] == status
    assert words in json.loads(answer[2])["error"]


def test_examples_that_are_not_there_and_seeds_that_are_none_are_refused(ask):
    assert ask("/api/example/40")[0] == 404
    assert ask("/api/picture/-1")[0] == 404
    assert ask("/api/sample", {"on": [1] * 6, "seed": -1})[0] == 400
    assert ask("/etc/passwd")[0] == 404


def test_other_hosts_other_origins_and_plain_forms_are_refused(ask):
    assert ask("/api/model", headers={"Host": "evil.example"})[0] == 400
    assert ask("/api/model", headers={"Host": "localhost"})[0] == 200
    assert ask("/api/decode", {"z": [0] * 6}, headers={"Origin": "http://evil.example"})[0] == 403
    assert ask("/api/decode", b"z=0", headers={"Content-Type": "text/plain"})[0] == 415


def test_the_page_s_own_origin_is_welcome(ask, address):
    assert ask("/api/decode", {"z": [0] * 6}, headers={"Origin": address.rstrip("/")})[0] == 200


def test_an_autoencoder_refuses_to_sample(make_explorer, serve):
    with serve(make_explorer("ae")) as address:
        status, _, content = send(address, "/api/sample", {"on": [1] * 6})
        assert status == 409
        assert "no prior" in json.loads(content)["error"]


def test_only_the_loopback_address_is_listened_on_and_a_taken_port_is_named():
    with listen(0) as listening:
        host, port = listening.getsockname()
        assert host == "127.0.0.1"
        assert url(listening) == f"http://127.0.0.1:{port}/"
        with pytest.raises(
            UserError, match=f"--port: cannot listen on {port} .*--port 0 takes one that is free"
        ):
            listen(port)
