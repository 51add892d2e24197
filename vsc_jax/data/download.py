"""Files from the network, fetched once and kept beside the cache."""

import hashlib
import logging
import os
import shutil
import tempfile
import urllib.request
from pathlib import Path

from vsc_jax.config.cache_folder import cache_folder
from vsc_jax.config.errors import UserError

logger = logging.getLogger(__name__)

_PATIENCE = 30  # seconds without an answer


def downloaded(url: str, name: str, md5: str, option: str) -> Path:
    """The file at ``url``, downloaded if that has not been done before.

    Args:
      url: where it is.
      name: what the file is called here.
      md5: checksum of the file; one that has another is not kept.
      option: the option that takes a file, for the error.

    Raises:
      UserError: if it is not at hand and cannot be downloaded, or is not the file that was expected.
    """
    target = cache_folder() / "downloads" / name
    if target.is_file():
        return target
    logger.info("downloading %s", url)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as aside:
            new = Path(aside) / name
            with urllib.request.urlopen(url, timeout=_PATIENCE) as answer, new.open("wb") as file:
                shutil.copyfileobj(answer, file)
                size, expected = file.tell(), answer.headers.get("Content-Length")
            if expected is not None and size != int(expected):
                raise OSError(f"got {size} of {expected} bytes")
            with new.open("rb") as file:
                found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
            if found != md5:
                raise OSError(f"expected a file of MD5 {md5}, got {found}")
            os.replace(new, target)
    except (OSError, ValueError) as error:
        reason = " ".join(str(getattr(error, "reason", error)).split())
        raise UserError(
            f"{target}: not there, and {url} cannot be downloaded ({reason}); get it on another machine and"
            f" give {option}"
        ) from None
    return target
