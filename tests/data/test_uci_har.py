"""UCI HAR: read whole, from an archive or a folder, and refused with file and line where it is damaged."""

import hashlib
import http.client
import io
import urllib.request
import zipfile
from unittest.mock import Mock

import numpy as np
import pytest

from tests.data import har
from tests.refused import error_of
from vsc_jax.config import DataConfig
from vsc_jax.data import load
from vsc_jax.data.identity import digest
from vsc_jax.data.uci_har import load_uci_har, opened

FILES = har.files()


@pytest.fixture
def small(tmp_path):
    return har.archive(tmp_path / "har.zip", FILES)


def test_official_layout_is_read_whole(test_data):
    path = test_data / "uci_har" / "uci_har.zip"
    dataset, signals = load_uci_har(path), load_uci_har(path, "signals")
    assert (dataset.train.x.shape, dataset.test.x.shape) == ((5066, 561), (2286, 561))
    assert signals.train.x.shape == (5066, 128, 9)
    assert digest(dataset) == "ed465ac0dc4d96c8b45089db86fa9002"
    assert digest(signals) == "b4f54a35871e2da177b97a929b942d7c"
    assert np.unique(dataset.test.subjects).tolist() == [25, 26, 27, 28, 29, 30]
    assert "15 people to train on and 6 others to test on (not the official split)" in dataset.description


def test_values_labels_and_subjects_are_those_in_the_files(small):
    dataset = load_uci_har(small)
    expected = np.loadtxt(io.StringIO(FILES[har.ROOT + "test/X_test.txt"]), np.float32)
    np.testing.assert_array_equal(dataset.test.x, expected)
    assert dataset.label_names == ("walking", "walking upstairs", "sitting")
    assert dataset.test.labels.tolist() == [0, 1, 2, 0, 1]
    assert dataset.test.subjects.tolist() == [5, 6, 5, 6, 5]
    assert (dataset.form, dataset.channel_names) == ("vector", ())
    signals = load_uci_har(small, "signals")
    assert (signals.form, signals.channel_names) == ("signal", tuple(har.SIGNALS))
    for channel, name in enumerate(har.SIGNALS):
        file = FILES[f"{har.ROOT}train/Inertial Signals/{name}_train.txt"]
        expected = np.loadtxt(io.StringIO(file), np.float32)
        np.testing.assert_array_equal(signals.train.x[:, :, channel], expected)


def test_a_folder_and_the_download_page_s_archive_in_an_archive_hold_the_same(small, tmp_path):
    folder = tmp_path / "unpacked"
    with zipfile.ZipFile(small) as archive:
        archive.extractall(folder)
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w") as archive:
        archive.write(small, "UCI HAR Dataset.zip")
        archive.writestr("UCI HAR Dataset.names", "text")
    expected = load_uci_har(small)
    for path in (folder, folder / "UCI HAR Dataset", outer):
        np.testing.assert_array_equal(load_uci_har(path).train.x, expected.train.x)


def test_data_section_standardises_signals_and_leaves_features(small):
    signals = load(DataConfig(name="uci_har", path=small, representation="signals"))
    assert signals.scaling.kind == "standardize"
    np.testing.assert_allclose(signals.scaling.shift, np.arange(9), atol=1)
    assert signals.description == (
        "UCI HAR signals, 4 people to train on and 2 others to test on (not the official split): "
        "8 training and 5 test signals of 128 steps in 9 channels, values standardized."
    )
    assert load(DataConfig(name="uci_har", path=small)).scaling is None


X, TEST, Y, PEOPLE = "train/X_train.txt", "test/X_test.txt", "train/y_train.txt", "test/subject_test.txt"
SIGNAL = "train/Inertial Signals/total_acc_z_train.txt"
ROW = ["0"] * 561


@pytest.mark.parametrize(("name", "line", "content", "message"), [
    (X, 2, " 0.5 0.25", "line 3: expected 561 numbers, got 2"),
    (TEST, 0, " ".join([*ROW[1:], "one"]), "line 1: expected numbers (could not convert string to float"),
    (TEST, 4, " ".join([*ROW[:7], "nan", *ROW[8:]]), "line 5, column 8: expected a finite"),
    (TEST, 4, " ".join([*ROW[1:], "1e99"]), "line 5, column 561: expected a finite"),
    *((Y, 6, y, f"line 7: expected a whole number from 1 to 3, got {y}") for y in ("4", "0", "1.5")),
    (Y, 6, None, "expected 8 lines, one a window, got 7"),
    (PEOPLE, 0, "x", "line 1: expected numbers (could not convert string to float: 'x')"),
    ("activity_labels.txt", 1, "3 SITTING", "expected lines of a number 1, 2, ... and a name"),
    (SIGNAL, 0, None, "expected 8 lines, one a window, got 7"),
    (X, slice(None), None, "expected lines of 561 numbers, got none"),
    *((name, None, None, "expected a file") for name in (X, "test/y_test.txt", PEOPLE)),
])  # fmt: skip
def test_faults_name_file_and_line(name, line, content, message, tmp_path):
    files = dict(FILES)
    lines = files.pop(har.ROOT + name).splitlines(keepends=True)
    if line is not None:
        where = slice(line, line + 1) if isinstance(line, int) else line
        lines[where] = [] if content is None else [content + "\n"]
        files[har.ROOT + name] = "".join(lines)
    path = har.archive(tmp_path / "bad.zip", files)
    error = error_of(load_uci_har, path, "signals" if name == SIGNAL else "features")
    if line is None:
        assert error == f"{path}: expected a file {har.ROOT}{name} in it, found none"
    else:
        assert error.startswith(f"{path}: {har.ROOT}{name}: {message}")


def test_what_is_no_uci_har_is_refused(tmp_path):
    shared = {**FILES, har.ROOT + PEOPLE: FILES[har.ROOT + PEOPLE].replace("5", "4")}
    path = har.archive(tmp_path / "shared.zip", shared)
    assert error_of(load_uci_har, path) == f"{path}: expected nobody in both train and test, found subject 4"
    path = har.archive(tmp_path / "other.zip", {"a": "b"})
    nothing = ": expected the UCI HAR files, with one activity_labels.txt, found 0"
    assert error_of(load_uci_har, path) == f"{path}{nothing}"
    (tmp_path / "empty").mkdir()
    assert error_of(load_uci_har, tmp_path / "empty") == f"{tmp_path / 'empty'}{nothing}"
    assert "no such file or folder" in error_of(load_uci_har, tmp_path / "nowhere.zip")


def test_the_second_load_parses_nothing_and_a_changed_archive_is_read_again(small, monkeypatch):
    first = load_uci_har(small)
    with monkeypatch.context() as patch:
        patch.setattr("vsc_jax.data.uci_har._parse", None)
        second = load_uci_har(small)
    assert isinstance(second.train.x, np.memmap)
    np.testing.assert_array_equal(first.train.x, second.train.x)
    har.archive(small, har.files(seed=1))
    assert (load_uci_har(small).train.x != first.train.x).any()


# The download


def test_without_a_path_the_archive_is_downloaded_once_and_must_be_the_official_one(
    small, monkeypatch, cache_folder
):
    content = small.read_bytes()
    asked = Mock(side_effect=lambda url, timeout: io.BytesIO(content))
    monkeypatch.setattr(urllib.request, "urlopen", asked)
    assert "cannot be downloaded (expected a file of MD5 d29710c" in error_of(load_uci_har)
    assert not cache_folder.exists()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setattr("vsc_jax.data.uci_har.MD5", md5)
    for _ in range(2):
        assert "expected the official (7352, 2947) windows, got (8, 5)" in error_of(load_uci_har)
    assert asked.call_count == 2
    monkeypatch.setattr("vsc_jax.data.uci_har.OFFICIAL_WINDOWS", (8, 5))
    assert "(the official split)" in load_uci_har().description
    assert [path.name for path in (cache_folder / "downloads").iterdir()] == ["uci_har.zip"]


@pytest.mark.parametrize(("fault", "reason"), [
    (urllib.error.URLError("no route to host"), "no route to host"),
    (http.client.IncompleteRead(b"half", 4), "IncompleteRead(4 bytes read, 4 more expected)"),
])  # fmt: skip
def test_a_download_that_fails_leaves_nothing_and_says_what_to_do(fault, reason, monkeypatch, cache_folder):
    monkeypatch.setattr(urllib.request, "urlopen", Mock(side_effect=fault))
    error = error_of(load_uci_har)
    assert f"cannot be downloaded ({reason}); get it on another machine, give --data.path" in error
    assert not cache_folder.exists()


# The archive as a file


def flipped(content):
    return content[:40] + bytes([content[40] ^ 0xFF]) + content[41:]


HELLO = {"a.txt": "hello " * 50}
OUTSIDE = ("../a", "in/../../a", "/etc/a", "..\\a", "C:\\a", "C:a")


@pytest.mark.parametrize(
    ("members", "damage", "message"),
    [
        *(
            ({**HELLO, n: ""}, None, f": refused, as {n!r} in it would unpack outside its folder")
            for n in OUTSIDE
        ),
        ({"a.txt": "0" * 20_000}, None, ": refused, as it would unpack to 0.0 GB; expected at most 0.0"),
        ({"b.zip": {"a.txt": "0" * 20_000}}, None, ": b.zip: refused, as it"),
        *((HELLO, lambda all, n=n: all[:n], ": not a zip archive, or an inc") for n in (0, 10, 60, -30)),
        (HELLO, flipped, ": a.txt: damaged or incomplete"),
    ],
)
def test_hostile_and_damaged_archives_are_refused(members, damage, message, tmp_path):
    for name, inner in members.items():
        if isinstance(inner, dict):
            members = {name: har.archive(tmp_path / name, inner).read_bytes()}
    path = har.archive(tmp_path / "a.zip", members)
    if damage:
        path.write_bytes(damage(path.read_bytes()))

    def read():
        with opened(path, largest=10_000) as archive:
            archive.read("a.txt")

    assert f": {error_of(read)}".startswith(message)


def test_a_member_without_a_name_is_passed_over(tmp_path):
    path = har.archive(tmp_path / "a.zip", {"a.txt": "hello", ".": "nothing"})
    with opened(path) as members:
        assert members.read("a.txt") == b"hello"
