import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import Mock

import numpy as np
import pytest

from vsc_jax.data import files

ARRAYS = {"x": np.arange(24, dtype=np.uint8).reshape(2, 3, 4), "names": np.array(["one", "two"])}


@pytest.fixture
def build():
    """Gives the arrays and counts how often it was asked."""
    return Mock(return_value=ARRAYS)


def assert_arrays(arrays):
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


def test_second_call_reads_memory_mapped_arrays_and_builds_nothing(build, cache_folder):
    for _ in range(2):
        arrays = files.cached("set-1", build)
        assert_arrays(arrays)
        assert isinstance(arrays["x"], np.memmap)
        assert not arrays["x"].flags.writeable
    assert build.call_count == 1
    files.cached("set-2", build)
    assert build.call_count == 2
    assert sorted(path.name for path in cache_folder.iterdir()) == ["set-1", "set-2"]


@pytest.mark.parametrize(("name", "damage"), [
    ("x.npy", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
    ("x.npy", lambda content: content[:-5]),
    ("x.npy", None),
    ("manifest.json", None),
    *(("manifest.json", lambda _, content=content: content) for content in (b"{", b"[]", b"1", b"\xff")),
])  # fmt: skip
def test_damaged_entry_is_built_again(name, damage, build, cache_folder):
    files.cached("set-1", build)
    path = cache_folder / "set-1" / name
    content = path.read_bytes()
    path.unlink()
    if damage is not None:
        path.write_bytes(damage(content))
    for _ in range(2):
        assert_arrays(files.cached("set-1", build))
        assert build.call_count == 2
    assert [path.name for path in cache_folder.iterdir()] == ["set-1"]


def test_interrupted_write_leaves_nothing_behind(build, cache_folder, monkeypatch):
    monkeypatch.setattr(files, "_checksum", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        files.cached("set-1", build)
    assert list(cache_folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["file in the way", "full disk", "no home"])
def test_cache_that_cannot_be_written_only_means_no_cache(kind, build, cache_folder, monkeypatch, caplog):
    if kind == "file in the way":
        cache_folder.write_text("not a folder")
    elif kind == "full disk":
        monkeypatch.setattr(np, "save", Mock(side_effect=OSError(28, "No space left on device")))
    else:
        monkeypatch.setattr(files, "cache_folder", Mock(side_effect=RuntimeError))
    for calls in (1, 2):
        assert_arrays(files.cached("set-1", build))
        assert build.call_count == calls
    assert "no cache" in caplog.text


def test_several_processes_may_build_at_once(cache_folder):
    together = threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        build = Mock(side_effect=lambda: together.wait(timeout=30) * 0 or ARRAYS)
        for arrays in pool.map(lambda _: files.cached("set-1", build), range(4)):
            assert_arrays(arrays)
    assert [path.name for path in cache_folder.iterdir()] == ["set-1"]
