import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import numpy as np
import pytest

from vsc_jax.data import files

ARRAYS = {"x": np.arange(24, dtype=np.uint8).reshape(2, 3, 4), "names": np.array(["one", "two"])}


class Builder:
    """Gives the arrays and counts how often it was asked."""

    calls = 0

    def __call__(self):
        self.calls += 1
        return ARRAYS


def assert_arrays(arrays):
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_second_call_reads_memory_mapped_arrays_and_builds_nothing(cache_folder):
    build = Builder()
    for _ in range(2):
        arrays = files.cached("set-1", build)
        assert_arrays(arrays)
        assert isinstance(arrays["x"], np.memmap)
        assert not arrays["x"].flags.writeable
    assert build.calls == 1
    files.cached("set-2", build)
    assert build.calls == 2
    assert sorted(path.name for path in cache_folder.iterdir()) == ["set-1", "set-2"]


def flip_byte(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: flip_byte(entry / "x.npy"),
        lambda entry: (entry / "x.npy").write_bytes((entry / "x.npy").read_bytes()[:-5]),
        lambda entry: (entry / "x.npy").unlink(),
        lambda entry: (entry / "manifest.json").unlink(),
        lambda entry: (entry / "manifest.json").write_text("{"),
        lambda entry: (entry / "manifest.json").write_text("[]"),
        lambda entry: (entry / "manifest.json").write_bytes(b"\xff"),
    ],
    ids=["flipped", "truncated", "missing", "no manifest", "half manifest", "other manifest", "no text"],
)
def test_damaged_entry_is_built_again(damage, cache_folder):
    build = Builder()
    files.cached("set-1", build)
    damage(cache_folder / "set-1")
    assert_arrays(files.cached("set-1", build))
    assert build.calls == 2
    assert_arrays(files.cached("set-1", build))
    assert build.calls == 2
    assert [path.name for path in cache_folder.iterdir()] == ["set-1"]


def test_interrupted_write_leaves_nothing_behind(cache_folder, monkeypatch):
    monkeypatch.setattr(files, "_checksum", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        files.cached("set-1", Builder())
    assert list(cache_folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["file in the way", "full disk"])
def test_cache_that_cannot_be_written_only_means_no_cache(kind, cache_folder, monkeypatch, caplog):
    if kind == "file in the way":
        cache_folder.write_text("not a folder")
    else:
        monkeypatch.setattr(np, "save", Mock(side_effect=OSError(28, "No space left on device")))
    build = Builder()
    with caplog.at_level(logging.WARNING):
        for calls in (1, 2):
            assert_arrays(files.cached("set-1", build))
            assert build.calls == calls
    assert "no cache" in caplog.text


def test_error_while_building_is_passed_on_and_stores_nothing(cache_folder):
    with pytest.raises(ZeroDivisionError):
        files.cached("set-1", lambda: {"x": np.zeros(1 // 0)})
    assert not cache_folder.exists()


def test_several_processes_may_build_at_once(cache_folder):
    together = threading.Barrier(4)

    def build():
        together.wait(timeout=30)
        return ARRAYS

    with ThreadPoolExecutor(4) as pool:
        for arrays in pool.map(lambda _: files.cached("set-1", build), range(4)):
            assert_arrays(arrays)
    assert [path.name for path in cache_folder.iterdir()] == ["set-1"]
