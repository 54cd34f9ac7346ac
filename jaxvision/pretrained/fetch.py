"""Fetches a file of weights once, and vouches for it: SHA-256 names the content, not the URL.

    https://... http://... file:///...
    hf://owner/repository/file             on the Hugging Face hub, branch main
    hf://owner/repository@revision/file    or another branch, a tag or a commit

What arrives is written beside its place, under a name of its own, hashed on the way, and renamed
only if the hash is right: whatever dies or runs at the same time, the final name is that of the
whole file or of none. The place is `$JAXVISION_CACHE`, by default `$XDG_CACHE_HOME/jaxvision` or
~/.cache/jaxvision, and the name is that of the URL after 16 digits of the hash. What is there
already is hashed again (2 GB/s). `$HF_ENDPOINT` names a mirror of the hub.
"""

import hashlib
import os
import re
import time
import urllib.request
import uuid
import warnings
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit

from jaxvision.pretrained.claims import LIMIT

ANSWER_SECONDS = 15  # until a server begins to answer, and then from piece to piece
ABANDONED_SECONDS = 24 * 3600  # after which a partial file is that of a process that died
PIECE = 2**20  # bytes


def fetch(url: str, sha256: str, cache_dir: str | Path | None = None) -> Path:
    """Returns the path of the file whose content has this hash, fetched if it is not there yet.

    One that is there but damaged is named in a warning, and fetched again.

    Args:
        url: where it is; the module lists the kinds.
        sha256: the hash of the content, 64 hexadecimal digits; or its first 8 or more, which tell
            damage, as the names of torchvision's files have them.
        cache_dir: where to keep it, if not in the user's cache.

    Raises:
        ValueError: if `url` or `sha256` is malformed, or the content has another hash or never
            ends.
        FileNotFoundError: if there is no such file at `url`.
        ConnectionError: if network or server fail; it names the path at which the file could be put
            by hand.
        OSError: if the file cannot be written.
    """
    if not re.fullmatch("[0-9a-fA-F]{8,64}", sha256):
        raise ValueError(
            f"`sha256` must be 64 hexadecimal digits, or the first 8 or more, got {sha256!r}: copy "
            "it whole."
        )
    address, sha256 = address_of(url), sha256.lower()
    folder = user_cache() if cache_dir is None else Path(cache_dir).expanduser()
    path = folder / f"{sha256[:16]}-{_file_name(address)}"
    if path.is_file():
        if _hash(path).startswith(sha256):
            return path
        warnings.warn(f"{path} is damaged, and is fetched again from {url}.", stacklevel=2)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    try:
        _remove_abandoned(path)
        folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with partial.open("wb") as file:
            for piece in _pieces(url, address, path):
                digest.update(piece)
                file.write(piece)
                if file.tell() > LIMIT:
                    raise ValueError(
                        f"{url}: has more than {LIMIT:,} bytes, which no weights here have, and "
                        "was not kept. Correct the URL."
                    )
            file.flush()
            os.fsync(file.fileno())
        if not digest.hexdigest().startswith(sha256):
            raise ValueError(
                f"{url}: the content has the SHA-256 {digest.hexdigest()}, not {sha256}, so it is "
                "damaged or another file, and was not kept. Fetch it again; if that does not help, "
                "correct the URL or the hash."
            )
        partial.replace(path)
    except (ConnectionError, FileNotFoundError):
        raise
    except OSError as error:
        raise OSError(
            f"{path}: cannot be written ({error.strerror or error}). Make room, or name another "
            "folder in JAXVISION_CACHE."
        ) from error
    finally:
        with suppress(OSError):  # renamed, or never made
            partial.unlink()
    return path


def address_of(url: str) -> str:
    """The URL for `urllib`: that of the hub for hf://.

    Raises:
        ValueError: if `url` is of no kind that is fetched.
    """
    scheme = urlsplit(url).scheme
    hub = re.fullmatch(r"hf://([\w.-]+/[\w.-]+?)(?:@([\w.-]+))?/(.+)", url)
    if hub:
        repository, revision, file = hub.groups()
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        return f"{endpoint}/{repository}/resolve/{revision or 'main'}/{quote(file)}"
    if scheme not in ("https", "http", "file"):
        raise ValueError(
            f"`url` must be https://..., file:///... or hf://owner/repository/file, got {url!r}."
        )
    return url


def user_cache() -> Path:
    """Where fetched files are kept, unless told otherwise."""
    if own := os.environ.get("JAXVISION_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "jaxvision"


def _file_name(address: str) -> str:
    """The last part of the path, whose suffix says what the file is, safe on any file system."""
    name = unquote(urlsplit(address).path).rpartition("/")[2]
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[-100:] or "file"


def _pieces(url: str, address: str, path: Path) -> Iterator[bytes]:
    """The content at `address`, piece by piece; all of it, or an error of the network's."""
    received, declared = 0, None
    try:
        with _open(address) as response:
            declared = response.headers.get("Content-Length")
            while piece := response.read(PIECE):
                received += len(piece)
                yield piece
        if declared is None or received == int(declared):
            return
        reason = f"it ended after {received:,} of {int(declared):,} bytes"
    except HTTPError as error:
        error.close()
        if error.code in (404, 410):
            raise FileNotFoundError(
                f"{url}: no such file there ({error.code} {error.reason}). Correct the URL, or put "
                f"the file at {path} by hand."
            ) from None
        reason = f"the server answered {error.code} {error.reason}"
    except TimeoutError:
        reason = f"no answer within {ANSWER_SECONDS} s"
    except (URLError, HTTPException, OSError) as error:
        cause = getattr(error, "reason", error)
        if isinstance(cause, FileNotFoundError):
            raise FileNotFoundError(f"{url}: no such file. Correct the URL.") from None
        reason = str(cause) or type(cause).__name__
    raise ConnectionError(
        f"{url}: cannot be fetched ({' '.join(reason.split())}). Try again where there is a "
        f"network, or put the file at {path} by hand."
    ) from None


def _open(address: str) -> Any:
    """The response, or `TimeoutError`: urllib's own limit holds for each IP address, and for none
    of the time that their look-up takes."""
    future: Future[Any] = Future()

    def answer() -> None:
        request = urllib.request.Request(address, headers={"User-Agent": "jaxvision"})
        try:
            future.set_result(urllib.request.urlopen(request, timeout=ANSWER_SECONDS))
        except Exception as error:
            future.set_exception(error)

    Thread(target=answer, daemon=True).start()
    return future.result(ANSWER_SECONDS)


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove_abandoned(path: Path) -> None:
    for partial in path.parent.glob(f"{path.name}.*.part"):
        with suppress(FileNotFoundError):  # another process was faster
            if partial.stat().st_mtime < time.time() - ABANDONED_SECONDS:
                partial.unlink()
