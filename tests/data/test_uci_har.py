"""UCI HAR: read whole, from an archive or a folder, and refused with file and line where it is damaged."""

import hashlib
import http.client
import io
import urllib.request
import zipfile

import numpy as np
import pytest

from tests.data import har
from vsc_jax.config import DataConfig
from vsc_jax.config.errors import UserError
from vsc_jax.data import load
from vsc_jax.data.uci_har import CHANNELS, load_uci_har, opened

FILES = har.files()


@pytest.fixture
def small(tmp_path):
    return har.archive(tmp_path / "har.zip", FILES)


def changed(name, line, content):
    """The files with one line of one of them replaced, or taken out."""
    lines = FILES[har.ROOT + name].splitlines(keepends=True)
    lines[line : line + 1] = [] if content is None else [content + "\n"]
    return {**FILES, har.ROOT + name: "".join(lines)}


def error_of(path, representation="features"):
    with pytest.raises(UserError) as caught:
        load_uci_har(path, representation)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def test_official_layout_is_read_whole(test_data):
    path = test_data / "uci_har" / "uci_har.zip"
    dataset = load_uci_har(path)
    assert (dataset.train.x.shape, dataset.test.x.shape) == ((5066, 561), (2286, 561))
    assert np.abs(dataset.train.x).max() == 1
    counts = np.bincount(dataset.train.labels) + np.bincount(dataset.test.labels)
    assert counts.tolist() == [1226, 1073, 986, 1286, 1374, 1407]
    assert np.unique(dataset.test.subjects).tolist() == [25, 26, 27, 28, 29, 30]
    assert "not the official split" in dataset.description
    assert "15 people to train on and 6 others" in dataset.description
    signals = load_uci_har(path, "signals")
    assert signals.train.x.shape == (5066, 128, 9)
    # The feature of the same window: the mean of the total acceleration's x axis is nearly 1 g when standing.
    standing = signals.train.x[signals.train.labels == 4]
    assert standing[:, :, CHANNELS.index("total_acc_x")].mean() == pytest.approx(1.0, abs=0.05)


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


@pytest.mark.parametrize(
    ("name", "line", "content", "message"),
    [
        (X, 2, " 0.5 0.25", "line 3: expected 561 numbers, got 2"),
        (TEST, 0, " ".join([*ROW[1:], "one"]), "line 1: expected numbers, got 'one'"),
        (TEST, 4, " ".join([*ROW[:7], "nan", *ROW[8:]]), "line 5, column 8: expected a finite"),
        (TEST, 4, " ".join([*ROW[1:], "1e99"]), "line 5, column 561: expected a finite"),
        (Y, 6, "4", "line 7: expected a whole number from 1 to 3, got 4"),
        (Y, 6, "0", "line 7: expected a whole number from 1 to 3, got 0"),
        (Y, 6, "1.5", "line 7: expected a whole number from 1 to 3, got 1.5"),
        (Y, 6, None, "expected 8 lines, one a window, got 7"),
        (PEOPLE, 0, "x", "line 1: expected numbers, got 'x'"),
        ("activity_labels.txt", 1, "3 SITTING", "expected lines of a number 1, 2, ... and a name"),
        (SIGNAL, 0, None, "expected 8 lines, one a window, got 7"),
    ],
)
def test_faults_name_file_and_line(name, line, content, message, tmp_path):
    path = har.archive(tmp_path / "bad.zip", changed(name, line, content))
    error = error_of(path, "signals" if name == SIGNAL else "features")
    assert error.startswith(f": {har.ROOT}{name}: {message}")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (changed(PEOPLE, 3, "4"), ": expected nobody in both train and test, found subject 4"),
        ({**FILES, har.ROOT + X: ""}, f": {har.ROOT}{X}: expected lines of 561 numbers, got none"),
        ({"a": "b"}, ": expected the UCI HAR files, with one activity_labels.txt, found 0"),
        *(
            (
                {key: content for key, content in FILES.items() if key != har.ROOT + name},
                f": expected a file {har.ROOT}{name} in it, found none",
            )
            for name in (X, "test/y_test.txt", PEOPLE)
        ),
    ],
)
def test_archives_that_lack_something_are_refused(files, message, tmp_path):
    assert error_of(har.archive(tmp_path / "bad.zip", files)) == message


def test_empty_folders_and_nothing_are_refused(tmp_path):
    assert "found 0" in error_of(tmp_path)
    assert "no such file or folder" in error_of(tmp_path / "nowhere.zip")


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
    asked = []
    content = small.read_bytes()
    monkeypatch.setattr(
        urllib.request, "urlopen", lambda url, timeout: asked.append(url) or io.BytesIO(content)
    )
    with pytest.raises(UserError, match=r"cannot be downloaded \(expected a file of MD5 d29710c"):
        load_uci_har()
    assert not cache_folder.exists()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    monkeypatch.setattr("vsc_jax.data.uci_har.MD5", md5)
    for _ in range(2):
        with pytest.raises(UserError, match=r"expected the official \(7352, 2947\) windows, got \(8, 5\)"):
            load_uci_har()
    assert len(asked) == 2
    monkeypatch.setattr("vsc_jax.data.uci_har.OFFICIAL_WINDOWS", (8, 5))
    assert "(the official split)" in load_uci_har().description
    assert [path.name for path in (cache_folder / "downloads").iterdir()] == ["uci_har.zip"]


def test_a_download_that_fails_leaves_nothing_and_says_what_to_do(monkeypatch, cache_folder):
    def offline(url, timeout):
        raise urllib.error.URLError("no route to host")

    def broken(url, timeout):
        raise http.client.IncompleteRead(b"half", 4)

    for answer, reason in (
        (offline, "no route to host"),
        (broken, "IncompleteRead(4 bytes read, 4 more expected)"),
    ):
        monkeypatch.setattr(urllib.request, "urlopen", answer)
        with pytest.raises(UserError) as caught:
            load_uci_har()
        assert f"cannot be downloaded ({reason})" in str(caught.value)
        assert str(caught.value).endswith("get it on another machine and give --data.path")
        assert not cache_folder.exists()


# The archive as a file


def zipped(path, compression=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path.read_bytes()


def damaged(content, place):
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


@pytest.mark.parametrize(
    ("members", "damage", "message"),
    [
        *(
            (
                {"a.txt": "hello", name: ""},
                None,
                f": refused, as {name!r} in it would unpack outside its folder",
            )
            for name in ("../a", "in/../../a", "/etc/a", "..\\a", "C:\\a", "C:a")
        ),
        ({"a.txt": "0" * 20_000}, None, ": refused, as it would unpack to 0.0 GB; expected at most 0.0"),
        ({"b.zip": lambda path: zipped(path, **{"a.txt": "0" * 20_000})}, None, "/b.zip: refused, as it"),
        *(
            (
                {"a.txt": "hello " * 50},
                lambda content, keep=keep: content[:keep],
                ": not a zip archive, or an",
            )
            for keep in (0, 10, 60, -30)
        ),
        ({"a.txt": "hello " * 50}, lambda content: damaged(content, 40), ": a.txt: damaged or incomplete"),
        (
            {"compression": zipfile.ZIP_LZMA, "a.txt": "hello " * 50},
            lambda content: damaged(content, 44),  # of the compressed stream
            ": a.txt: damaged or incomplete",
        ),
        (
            {"\u00e9.txt": "hello"},
            lambda content: content.replace("\u00e9".encode(), b"\xff\xff"),
            ": not a zip archive",
        ),
        (
            {"a.txt": "0" * 9_000},
            lambda content: content.replace((9_000).to_bytes(4, "little"), (90).to_bytes(4, "little")),
            ": a.txt: damaged or incomplete",
        ),
    ],
)
def test_hostile_and_damaged_archives_are_refused(members, damage, message, tmp_path):
    path = tmp_path / "a.zip"
    members = {k: v(tmp_path / "b.zip") if callable(v) else v for k, v in members.items()}
    content = zipped(path, **members)
    if damage is not None:
        path.write_bytes(damage(content))
    with pytest.raises(UserError) as caught, opened(path, largest=10_000) as archive:
        archive.read("a.txt")
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


def test_a_member_without_a_name_is_passed_over(tmp_path):
    zipped(tmp_path / "a.zip", **{"a.txt": "hello", ".": "nothing"})
    with opened(tmp_path / "a.zip") as members:
        assert members.read("a.txt") == b"hello"
