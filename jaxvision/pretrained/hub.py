"""What the Hugging Face hub says of its own files: the SHA-256 by which it stores a large one.

The hub sends it along with the way to the file, in the header X-Linked-Etag, before any of the
content. It is asked once: what it said is kept beside the fetched files, so that the next time no
network is needed, and a file that has changed on the hub is noticed and not taken.
"""

import re
import urllib.request
from http.client import HTTPMessage
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote

from jaxvision.pretrained.fetch import ANSWER_SECONDS, address_of, user_cache

HEADER = "X-Linked-Etag"


def hub_sha256(url: str, cache_dir: str | Path | None = None) -> str:
    """The SHA-256 that the hub states of hf://owner/repository/file, or stated the first time.

    Args:
        url: where the file is.
        cache_dir: where to keep the answer, if not in the user's cache.

    Raises:
        ValueError: if `url` is none of the hub's.
        FileNotFoundError: if the hub has no such file, or states no hash of it.
        ConnectionError: if it has not been asked yet and cannot be reached.
    """
    if not url.startswith("hf://"):
        raise ValueError(f"`url` must be hf://owner/repository/file, got {url!r}.")
    folder = user_cache() if cache_dir is None else Path(cache_dir).expanduser()
    path = folder / "hub" / f"{quote(url.removeprefix('hf://'), safe='')}.sha256"
    if path.is_file() and re.fullmatch("[0-9a-f]{64}", kept := path.read_text().strip()):
        return kept
    stated = (_ask(url, address_of(url)).get(HEADER) or "").strip('"')
    if not re.fullmatch("[0-9a-f]{64}", stated):
        raise FileNotFoundError(
            f"{url}: the hub states no SHA-256 of this file. Give its hash to `fetch` yourself."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_text(stated)
    partial.replace(path)
    return stated


class _Stay(urllib.request.HTTPRedirectHandler):
    """The header is on the answer that sends us on: not to follow it shows it."""

    def redirect_request(self, *_) -> None:
        return None


def _ask(url: str, address: str) -> HTTPMessage:
    request = urllib.request.Request(
        address, method="HEAD", headers={"User-Agent": "jaxvision", "Accept-Encoding": "identity"}
    )
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=ANSWER_SECONDS) as response:
            return response.headers
    except HTTPError as error:
        error.close()
        if error.code in (301, 302, 303, 307, 308):
            return error.headers
        if error.code in (401, 404, 410):
            raise FileNotFoundError(
                f"{url}: no such file there ({error.code} {error.reason}). Correct the URL, or "
                "give the `file` that you have."
            ) from None
        reason = f"the server answered {error.code} {error.reason}"
    except TimeoutError:
        reason = f"no answer within {ANSWER_SECONDS} s"
    except (URLError, OSError) as error:
        reason = str(getattr(error, "reason", error))
    raise ConnectionError(
        f"{url}: the hub cannot be asked for its hash ({' '.join(reason.split())}). Try again "
        "where there is a network, or give the `file` that you have."
    ) from None
