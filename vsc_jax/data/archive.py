"""Files in a zip archive or a folder: nothing is unpacked, and what looks hostile is refused."""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from vsc_jax.config.errors import UserError


class Members:
    """The files of an archive or of a folder by their path inside it; see :func:`opened`."""

    def __init__(self, path: Path, source: zipfile.ZipFile | Path):
        self.path = path
        self._source = source
        if isinstance(source, Path):
            files = (file for file in source.rglob("*") if file.is_file())
            self.names = sorted(file.relative_to(source).as_posix() for file in files)
        else:
            self.names = sorted(info.filename for info in source.infolist() if not info.is_dir())

    def read(self, name: str) -> bytes:
        """The content of a file.

        Raises:
          UserError: naming it, if it is not there, or damaged.
        """
        try:
            if isinstance(self._source, Path):
                return (self._source / name).read_bytes()
            return self._source.read(name)
        except (KeyError, FileNotFoundError):
            raise UserError(f"{self.path}: expected a file {name} in it, found none") from None
        except Exception as error:  # every way of compressing has errors of its own
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(f"{self.path}: {name}: damaged or incomplete ({reason})") from None


@contextmanager
def opened(path: Path, *, largest: int) -> Iterator[Members]:
    """The files in a zip archive or a folder; an archive in an archive's top level stands for the outer one.

    Args:
      path: the archive or the folder.
      largest: how many bytes the files may have together.

    Raises:
      UserError: if ``path`` is neither, is damaged, has files that would unpack outside its folder, or is too
        large.
    """
    if path.is_dir():
        yield Members(path, path)
        return
    try:
        content = path.open("rb")
    except OSError as error:
        raise UserError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    with content, _zip(content, path) as archive:
        check_members(archive, path, largest=largest)
        inner = [name for name in archive.namelist() if name.lower().endswith(".zip") and "/" not in name]
        if len(inner) != 1:
            yield Members(path, archive)
            return
        nested = path / inner[0]
        with _zip(io.BytesIO(Members(path, archive).read(inner[0])), nested) as archive:
            check_members(archive, nested, largest=largest)
            yield Members(nested, archive)


def check_members(archive: zipfile.ZipFile, path: Path, *, largest: int) -> None:
    """Refuse an archive whose files would unpack outside its folder, or to more than ``largest`` bytes.

    Raises:
      UserError: naming the archive, and the member.
    """
    total = 0
    for info in archive.infolist():
        # As stored: zipfile itself turns some of these names into harmless ones.
        name = getattr(info, "orig_filename", info.filename)
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if parts[:1] == ("/",) or ".." in parts or ":" in "".join(parts[:1]):
            raise UserError(f"{path}: refused, as {name!r} in it would unpack outside its folder")
        total += info.file_size
    if total > largest:
        raise UserError(
            f"{path}: refused, as it would unpack to {total / 1e9:,.1f} GB;"
            f" expected at most {largest / 1e9:,.1f}"
        )


def _zip(content: io.BufferedIOBase, path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(content)
    except Exception as error:  # zipfile has its own, and passes on those of what it is made of
        raise UserError(f"{path}: not a zip archive, or an incomplete one ({error})") from None
