import hashlib
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


def changed(tmp_path, name, line, content):
    """The archive with one line of one file replaced, or taken out."""
    lines = FILES[har.ROOT + name].splitlines(keepends=True)
    lines[line : line + 1] = [] if content is None else [content + "\n"]
    return har.archive(tmp_path / "bad.zip", {**FILES, har.ROOT + name: "".join(lines)})


def error_of(path, representation="features"):
    with pytest.raises(UserError) as caught:
        load_uci_har(path, representation)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


def test_official_layout_is_read_whole(test_data):
    path = test_data / "uci_har" / "uci_har.zip"
    dataset = load_uci_har(path)
    assert dataset.train.x.shape == (5066, 561)
    assert dataset.test.x.shape == (2286, 561)
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


def test_features_labels_and_subjects_are_those_in_the_files(small):
    dataset = load_uci_har(small)
    expected = np.loadtxt(io.StringIO(FILES[har.ROOT + "test/X_test.txt"]), np.float32)
    np.testing.assert_array_equal(dataset.test.x, expected)
    assert dataset.label_names == ("walking", "walking upstairs", "sitting")
    assert dataset.test.labels.tolist() == [0, 1, 2, 0, 1]
    assert dataset.test.subjects.tolist() == [5, 6, 5, 6, 5]
    assert (dataset.form, dataset.channel_names) == ("vector", ())


def test_signals_are_channels_over_time(small):
    dataset = load_uci_har(small, "signals")
    assert dataset.train.x.shape == (8, 128, 9)
    for channel, name in enumerate(har.SIGNALS):
        file = FILES[f"{har.ROOT}train/Inertial Signals/{name}_train.txt"]
        expected = np.loadtxt(io.StringIO(file), np.float32)
        np.testing.assert_array_equal(dataset.train.x[:, :, channel], expected)
    assert dataset.channel_names == tuple(har.SIGNALS)
    assert dataset.form == "signal"


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
    assert signals.scaling.kind == "standardise"
    np.testing.assert_allclose(signals.scaling.shift, np.arange(9), atol=1)
    assert signals.description == (
        "UCI HAR signals, 4 people to train on and 2 others to test on (not the official split): "
        "8 training and 5 test signals of 128 steps in 9 channels, values standardised."
    )
    features = load(DataConfig(name="uci_har", path=small))
    assert features.scaling is None


def test_people_in_both_parts_are_refused(tmp_path):
    path = changed(tmp_path, "test/subject_test.txt", 3, "4")
    assert error_of(path) == ": expected nobody in both train and test, found subject 4"


@pytest.mark.parametrize(
    ("name", "line", "content", "message"),
    [
        ("train/X_train.txt", 2, " 0.5 0.25", "line 3: expected 561 numbers, got 2"),
        ("test/X_test.txt", 0, " ".join(["1"] * 560 + ["one"]), "line 1: expected numbers, got 'one'"),
        (
            "test/X_test.txt",
            4,
            " ".join(["0"] * 7 + ["nan"] + ["0"] * 553),
            "line 5, column 8: expected a finite",
        ),
        ("test/X_test.txt", 4, " ".join(["0"] * 560 + ["1e99"]), "line 5, column 561: expected a finite"),
        ("train/y_train.txt", 6, "4", "line 7: expected a whole number from 1 to 3, got 4"),
        ("train/y_train.txt", 6, "0", "line 7: expected a whole number from 1 to 3, got 0"),
        ("train/y_train.txt", 6, "1.5", "line 7: expected a whole number from 1 to 3, got 1.5"),
        ("train/y_train.txt", 6, None, "expected 8 lines, one a window, got 7"),
        ("test/subject_test.txt", 0, "x", "line 1: expected numbers, got 'x'"),
        ("activity_labels.txt", 1, "3 SITTING", "expected lines of a number 1, 2, ... and a name"),
    ],
)
def test_faults_name_file_and_line(name, line, content, message, tmp_path):
    assert error_of(changed(tmp_path, name, line, content)).startswith(f": {har.ROOT}{name}: {message}")


def test_signals_of_different_lengths_are_refused(tmp_path):
    name = "train/Inertial Signals/total_acc_z_train.txt"
    message = error_of(changed(tmp_path, name, 0, None), "signals")
    assert message == f": {har.ROOT}{name}: expected 8 lines, one a window, got 7"


@pytest.mark.parametrize("name", ["train/X_train.txt", "test/y_test.txt", "test/subject_test.txt"])
def test_missing_members_are_named(name, tmp_path):
    contents = {key: content for key, content in FILES.items() if key != har.ROOT + name}
    path = har.archive(tmp_path / "bad.zip", contents)
    assert error_of(path) == f": expected a file {har.ROOT}{name} in it, found none"


def test_other_archives_folders_and_nothing_are_refused(tmp_path):
    other = har.archive(tmp_path / "other.zip", {"readme.txt": "hello"})
    assert "expected the UCI HAR files, with one activity_labels.txt, found 0" in error_of(other)
    (tmp_path / "empty").mkdir()
    assert "found 0" in error_of(tmp_path / "empty")
    assert "no such file or folder" in error_of(tmp_path / "nowhere.zip")


def test_empty_files_are_refused(tmp_path):
    path = har.archive(tmp_path / "bad.zip", {**FILES, har.ROOT + "train/X_train.txt": ""})
    assert error_of(path).endswith("train/X_train.txt: expected lines of 561 numbers, got none")


def test_the_second_load_parses_nothing_and_a_changed_archive_is_read_again(small, monkeypatch):
    first = load_uci_har(small)
    with monkeypatch.context() as patch:
        patch.setattr("vsc_jax.data.uci_har._parse", None)
        second = load_uci_har(small)
    assert isinstance(second.train.x, np.memmap)
    np.testing.assert_array_equal(first.train.x, second.train.x)
    har.archive(small, har.files(seed=1))
    assert (load_uci_har(small).train.x != first.train.x).any()


class Answer(io.BytesIO):
    """What a server sends."""

    def __init__(self, content, length):
        super().__init__(content)
        self.headers = {"Content-Length": str(length)}


def test_without_a_path_the_archive_is_downloaded_once_and_must_be_the_official_one(
    small, monkeypatch, cache_folder
):
    asked = []

    def answer(url, timeout):
        asked.append(url)
        content = small.read_bytes()
        return Answer(content, len(content))

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    with pytest.raises(UserError, match=r"cannot be downloaded \(expected a file of MD5 d29710c"):
        load_uci_har()
    assert list((cache_folder / "downloads").iterdir()) == []
    asked.clear()
    md5 = hashlib.md5(small.read_bytes(), usedforsecurity=False).hexdigest()
    monkeypatch.setattr("vsc_jax.data.uci_har.MD5", md5)
    for _ in range(2):
        with pytest.raises(UserError, match=r"expected the official \(7352, 2947\) windows, got \(8, 5\)"):
            load_uci_har()
    assert len(asked) == 1
    monkeypatch.setattr("vsc_jax.data.uci_har.OFFICIAL_WINDOWS", (8, 5))
    dataset = load_uci_har()
    assert "(the official split)" in dataset.description
    assert [path.name for path in (cache_folder / "downloads").iterdir()] == ["uci_har.zip"]


def test_without_a_network_the_error_says_what_to_do(monkeypatch, cache_folder):
    def offline(url, timeout):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    with pytest.raises(UserError) as caught:
        load_uci_har()
    message = str(caught.value)
    assert "cannot be downloaded (no route to host)" in message
    assert message.endswith("get it on another machine and give --data.path")
    assert list((cache_folder / "downloads").iterdir()) == []


def test_half_a_download_is_not_kept(monkeypatch, cache_folder):
    monkeypatch.setattr(urllib.request, "urlopen", lambda url, timeout: Answer(b"half", 8))
    with pytest.raises(UserError, match=r"cannot be downloaded \(got 4 of 8 bytes\)"):
        load_uci_har()
    assert list((cache_folder / "downloads").iterdir()) == []


# The archive as a file


def zipped(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def unread(path, name="a.txt"):
    with pytest.raises(UserError) as caught, opened(path, largest=10_000) as members:
        members.read(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "in/../../evil.txt", "/etc/evil.txt", "..\\evil.txt", "C:\\evil.txt", "C:evil.txt"],
)
def test_archives_that_would_unpack_outside_their_folder_are_refused(name, tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.txt": "hello", name: "evil"})
    assert unread(path) == f"{path}: refused, as {name!r} in it would unpack outside its folder"


def test_archives_that_unpack_to_too_much_are_refused(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.txt": "0" * 20_000})
    assert path.stat().st_size < 1000
    assert "refused, as it would unpack to 0.0 GB" in unread(path)


def test_an_archive_in_an_archive_is_checked_as_the_outer_one_is(tmp_path):
    inner = zipped(tmp_path / "inner.zip", **{"a.txt": "0" * 20_000})
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w") as file:
        file.write(inner, "inner.zip")
    assert unread(outer).startswith(f"{outer}/inner.zip: refused")


def test_a_member_that_unpacks_to_more_than_it_says_is_damaged(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.txt": "0" * 9_000})
    content = path.read_bytes()
    true_size, claimed = (9_000).to_bytes(4, "little"), (90).to_bytes(4, "little")
    path.write_bytes(content.replace(true_size, claimed))
    assert unread(path).startswith(f"{path}: a.txt: damaged or incomplete")


@pytest.mark.parametrize("keep", [0, 10, 60, -30])
def test_truncated_archives_are_named(keep, tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.txt": "hello " * 50})
    path.write_bytes(path.read_bytes()[:keep])
    assert unread(path).startswith(f"{path}: not a zip archive, or an incomplete one")


def test_damaged_members_are_named(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.txt": "hello " * 50})
    content = bytearray(path.read_bytes())
    content[40] ^= 0xFF
    path.write_bytes(content)
    assert unread(path).startswith(f"{path}: a.txt: damaged or incomplete")


def test_a_member_without_a_name_is_passed_over(tmp_path):
    path = zipped(tmp_path / "a.zip", **{"a.txt": "hello", ".": "nothing"})
    with opened(path, largest=10_000) as members:
        assert members.read("a.txt") == b"hello"


def test_damage_that_zipfile_has_no_error_for_is_told(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a.txt", "hello " * 50)
    content = bytearray(path.read_bytes())
    content[44] ^= 0xFF  # of the compressed stream
    path.write_bytes(content)
    assert unread(path).startswith(f"{path}: a.txt: damaged or incomplete")
    named = zipped(tmp_path / "b.zip", **{"\u00e9.txt": "hello"})
    named.write_bytes(named.read_bytes().replace("\u00e9".encode(), b"\xff\xff"))
    assert unread(named).startswith(f"{named}: not a zip archive, or an incomplete one")
