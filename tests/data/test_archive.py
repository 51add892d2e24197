import zipfile
from pathlib import Path

import pytest

from vsc_jax.config.errors import UserError
from vsc_jax.data.uci_har import opened

LARGEST = 10_000


def archive(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return path


def error_of(path: Path, name: str = "a.txt") -> str:
    with pytest.raises(UserError) as caught, opened(path, largest=LARGEST) as members:
        members.read(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_of_an_archive_and_of_a_folder_are_read_alike(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"in/a.txt": "hello", "b.txt": "there"})
    folder = tmp_path / "folder"
    (folder / "in").mkdir(parents=True)
    (folder / "in" / "a.txt").write_text("hello")
    (folder / "b.txt").write_text("there")
    for source in (path, folder):
        with opened(source, largest=LARGEST) as members:
            assert sorted(members.names) == ["b.txt", "in/a.txt"]
            assert members.read("in/a.txt") == b"hello"
            with pytest.raises(UserError, match=f"^{source}: expected a file c.txt in it, found none$"):
                members.read("c.txt")


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "in/../../evil.txt", "/etc/evil.txt", "..\\evil.txt", "C:\\evil.txt", "C:evil.txt"],
)
def test_archives_that_would_unpack_outside_their_folder_are_refused(name: str, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"a.txt": "hello", name: "evil"})
    assert error_of(path) == f"{path}: refused, as {name!r} in it would unpack outside its folder"


def test_archives_that_unpack_to_too_much_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"a.txt": "0" * 20_000})
    assert path.stat().st_size < 1000
    assert "refused, as it would unpack to 0.0 GB" in error_of(path)


def test_an_archive_in_an_archive_is_checked_as_the_outer_one_is(tmp_path: Path) -> None:
    inner = archive(tmp_path / "inner.zip", **{"a.txt": "0" * 20_000})
    outer = tmp_path / "outer.zip"
    with zipfile.ZipFile(outer, "w") as file:
        file.write(inner, "inner.zip")
    assert error_of(outer).startswith(f"{outer}/inner.zip: refused")


def test_a_member_that_unpacks_to_more_than_it_says_is_damaged(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"a.txt": "0" * 9_000})
    content = path.read_bytes()
    true_size, claimed = (9_000).to_bytes(4, "little"), (90).to_bytes(4, "little")
    path.write_bytes(content.replace(true_size, claimed))
    assert error_of(path).startswith(f"{path}: a.txt: damaged or incomplete")


@pytest.mark.parametrize("keep", [0, 10, 60, -30])
def test_truncated_archives_are_named(keep: int, tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"a.txt": "hello " * 50})
    path.write_bytes(path.read_bytes()[:keep])
    assert error_of(path).startswith(f"{path}: not a zip archive, or an incomplete one")


def test_damaged_members_are_named(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"a.txt": "hello " * 50})
    content = bytearray(path.read_bytes())
    content[40] ^= 0xFF
    path.write_bytes(content)
    assert error_of(path).startswith(f"{path}: a.txt: damaged or incomplete")


def test_a_member_without_a_name_is_passed_over(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", **{"a.txt": "hello", ".": "nothing"})
    with opened(path, largest=LARGEST) as members:
        assert members.read("a.txt") == b"hello"


def test_damage_that_zipfile_has_no_error_for_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as file:
        file.writestr("a.txt", "hello " * 50)
    content = bytearray(path.read_bytes())
    content[44] ^= 0xFF  # of the compressed stream
    path.write_bytes(content)
    assert error_of(path).startswith(f"{path}: a.txt: damaged or incomplete")
    named = archive(tmp_path / "b.zip", **{"\u00e9.txt": "hello"})
    named.write_bytes(named.read_bytes().replace("\u00e9".encode(), b"\xff\xff"))
    assert error_of(named).startswith(f"{named}: not a zip archive, or an incomplete one")


def test_missing_files_are_named(tmp_path: Path) -> None:
    assert error_of(tmp_path / "none.zip") == f"{tmp_path}/none.zip: no such file or directory"
