"""Fetching from a real server on this machine: what goes wrong on the way never reaches a name."""

import hashlib
import importlib
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from jaxvision.pretrained.fetch import fetch

# The name in the package is that of the function.
fetching = importlib.import_module("jaxvision.pretrained.fetch")

CONTENT = bytes(range(256)) * 12_000  # 3 MB: three pieces
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers by the first part of the path; every request is written down."""

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        self.server.requests.append(self.path)
        kind = self.path.split("/")[1]
        if kind == "missing":
            return self.send_error(404)
        if kind == "broken":
            return self.send_error(503)
        if kind == "silent":
            return self.server.released.wait(20)
        if kind == "moved":
            self.send_response(302)
            self.send_header("Location", "/good/elsewhere.bin")
            return self.end_headers()
        self.send_response(200)
        if kind != "unsized":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if kind == "stalled":
            self.wfile.write(CONTENT[:1000])
            return self.server.released.wait(20)
        if kind == "slow":
            self.server.released.wait(20)
        self.wfile.write(CONTENT[: 2_000_000 if kind == "truncated" else None])


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests, server.released = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def files(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kind", ["good", "unsized", "moved"])
def test_the_content_is_fetched_once(server, cache, kind):
    url = f"{server.url}/{kind}/model.safetensors?download=true"
    path = fetch(url, SHA256, cache)
    assert path == cache / f"{SHA256[:16]}-model.safetensors"
    assert path.read_bytes() == CONTENT
    requests = len(server.requests)
    assert fetch(url, SHA256.upper(), str(cache)) == path
    assert len(server.requests) == requests
    assert files(cache) == [path.name]


def test_another_hash_is_another_file(server, cache):
    other = cache / f"{'0' * 16}-w.bin"
    cache.mkdir()
    other.write_bytes(b"other")
    assert fetch(f"{server.url}/good/w.bin", SHA256, cache) != other
    assert other.read_bytes() == b"other"


def test_content_with_another_hash_is_not_kept(server, cache):
    with pytest.raises(ValueError) as error:
        fetch(f"{server.url}/good/w.bin", "0" * 64, cache)
    for part in (f"{server.url}/good/w.bin", SHA256, "0" * 64, "was not kept. Fetch it again"):
        assert part in str(error.value)
    assert files(cache) == []


@pytest.mark.parametrize(
    ("kind", "kind_of_error", "message"),
    [
        ("missing", FileNotFoundError, r"no such file there \(404 Not Found\)\. Correct the URL"),
        ("broken", ConnectionError, r"the server answered 503 Service Unavailable"),
        ("truncated", ConnectionError, r"it ended after 2,000,000 of 3,072,000 bytes"),
        ("silent", ConnectionError, r"no answer within 0\.2 s"),
        ("stalled", ConnectionError, r"no answer within 0\.2 s"),
    ],
)
def test_what_fails_on_the_way_leaves_nothing(
    server, cache, kind, kind_of_error, message, monkeypatch
):
    monkeypatch.setattr(fetching, "ANSWER_SECONDS", 0.2)
    url = f"{server.url}/{kind}/w.bin"
    with pytest.raises(kind_of_error, match=message) as error:
        fetch(url, SHA256, cache)
    text = str(error.value)
    assert text.startswith(url)
    assert f"put the file at {cache / SHA256[:16]}-w.bin by hand" in text
    assert "\n" not in text
    assert files(cache) == []


def test_what_does_not_end_is_given_up(server, cache, monkeypatch):
    monkeypatch.setattr(fetching, "LIMIT", len(CONTENT) - 1)
    with pytest.raises(ValueError, match=r"has more than 3,071,999 bytes, .* and was not kept"):
        fetch(f"{server.url}/unsized/w.bin", SHA256, cache)
    assert files(cache) == []


def test_a_name_that_nobody_looks_up_is_given_up(server, cache, monkeypatch):
    monkeypatch.setattr(fetching, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(fetching.urllib.request, "urlopen", lambda *_, **__: server.released.wait())
    with pytest.raises(ConnectionError, match=r"no answer within 0\.2 s"):
        fetch(f"{server.url}/good/w.bin", SHA256, cache)


def test_offline_is_one_clear_line_at_once(cache):
    start = time.perf_counter()
    with pytest.raises(
        ConnectionError, match=r"refused.*Try again where there is a network, or put"
    ):
        fetch("http://127.0.0.1:9/w.bin", SHA256, cache)
    assert time.perf_counter() - start < 5


def test_a_file_put_by_hand_is_taken(cache):
    cache.mkdir()
    (cache / f"{SHA256[:16]}-w.bin").write_bytes(CONTENT)
    assert fetch("http://127.0.0.1:9/w.bin", SHA256, cache).read_bytes() == CONTENT


def test_a_damaged_file_is_named_and_fetched_again(server, cache):
    path = fetch(f"{server.url}/good/w.bin", SHA256, cache)
    path.write_bytes(CONTENT[:-1] + b"!")
    with pytest.warns(UserWarning, match=f"{path} is damaged, and is fetched again"):
        fetch(f"{server.url}/good/w.bin", SHA256, cache)
    assert path.read_bytes() == CONTENT


def test_a_damaged_file_is_never_returned(cache):
    cache.mkdir()
    (cache / f"{SHA256[:16]}-w.bin").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="is damaged"), pytest.raises(ConnectionError):
        fetch("http://127.0.0.1:9/w.bin", SHA256, cache)


def test_two_processes_at_once(server, cache):
    code = "import sys; from jaxvision.pretrained.fetch import fetch; print(fetch(*sys.argv[1:]))"
    command = [sys.executable, "-c", code, f"{server.url}/slow/w.bin", SHA256, str(cache)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    while len(server.requests) < 2:
        time.sleep(0.01)
    server.released.set()
    answers = [process.communicate(timeout=60)[0] for process in running]
    assert answers == [f"{cache / SHA256[:16]}-w.bin\n"] * 2
    assert files(cache) == [f"{SHA256[:16]}-w.bin"]


def test_a_killed_process_leaves_no_final_name_and_its_rest_is_removed(server, cache):
    code = "import sys; from jaxvision.pretrained.fetch import fetch; fetch(*sys.argv[1:])"
    command = [sys.executable, "-c", code, f"{server.url}/stalled/w.bin", SHA256, str(cache)]
    with subprocess.Popen(command) as process:
        while not (cache.is_dir() and files(cache)):
            time.sleep(0.01)
        process.kill()
    (rest,) = cache.iterdir()
    assert rest.name.endswith(".part")
    fetch(f"{server.url}/good/w.bin", SHA256, cache)
    assert len(files(cache)) == 2  # it might be that of a process that is at work
    (cache / f"{SHA256[:16]}-w.bin").unlink()
    old = time.time() - fetching.ABANDONED_SECONDS - 1
    os.utime(rest, (old, old))
    fetch(f"{server.url}/good/w.bin", SHA256, cache)
    assert files(cache) == [f"{SHA256[:16]}-w.bin"]


def test_a_file_on_this_machine(tmp_path, cache):
    source = tmp_path / "my weights.h5"
    source.write_bytes(CONTENT)
    path = fetch(source.as_uri(), SHA256, cache)
    assert path == cache / f"{SHA256[:16]}-my_weights.h5"
    assert path.read_bytes() == CONTENT
    with pytest.raises(FileNotFoundError, match=r"file:///.*absent: no such file\. Correct"):
        fetch((tmp_path / "absent").as_uri(), SHA256, cache)


@pytest.mark.parametrize(
    ("url", "request_path"),
    [
        (
            "hf://timm/resnet50.a1_in1k/model.safetensors",
            "/timm/resnet50.a1_in1k/resolve/main/model",
        ),
        ("hf://timm/r-50@v1.0/a/b c.bin", "/timm/r-50/resolve/v1.0/a/b%20c.bin"),
    ],
)
def test_the_hub(server, cache, monkeypatch, url, request_path):
    monkeypatch.setenv("HF_ENDPOINT", f"{server.url}/")
    assert fetch(url, SHA256, cache).read_bytes() == CONTENT
    assert server.requests[0].startswith(request_path)
    monkeypatch.delenv("HF_ENDPOINT")
    assert fetching.address_of(url) == f"https://huggingface.co{server.requests[0]}"


@pytest.mark.parametrize(
    "url", ["w.bin", "/w.bin", "ftp://a/b", "data:,a", "hf://timm/file", "hf://a"]
)
def test_another_url_is_refused(cache, url):
    with pytest.raises(
        ValueError, match=r"`url` must be https://.*hf://owner/repository/file, got"
    ):
        fetch(url, SHA256, cache)


def test_the_first_digits_of_the_hash_tell_damage_too(server, cache):
    assert fetch(f"{server.url}/good/w.bin", SHA256[:8], cache).read_bytes() == CONTENT
    with pytest.raises(ValueError, match=f"has the SHA-256 {SHA256}, not 12345678"):
        fetch(f"{server.url}/good/w.bin", "12345678", cache)


@pytest.mark.parametrize("sha256", ["", "abc", SHA256[:7], SHA256 + "0", "g" * 64])
def test_a_hash_must_be_whole(cache, sha256):
    with pytest.raises(
        ValueError, match="`sha256` must be 64 hexadecimal digits, or the first 8 or more, got"
    ):
        fetch("https://example.org/w.bin", sha256, cache)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"JAXVISION_CACHE": "{}/own", "XDG_CACHE_HOME": "{}/xdg"}, "own"),
        ({"XDG_CACHE_HOME": "{}/xdg"}, "xdg/jaxvision"),
        ({"HOME": "{}"}, ".cache/jaxvision"),
    ],
)
def test_the_users_cache(tmp_path, monkeypatch, variables, folder):
    for name in ("JAXVISION_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    (tmp_path / "w.bin").write_bytes(CONTENT)
    path = fetch((tmp_path / "w.bin").as_uri(), SHA256)
    assert path.parent == Path(tmp_path, folder)


def test_names_are_safe(tmp_path, cache):
    for name in ("..%2F..%2Fescape.bin", "a" * 300 + ".npz", "", "..", "é\n.pth"):
        path = cache / f"{SHA256[:16]}-{fetching._file_name(f'https://example.org/x/{name}')}"
        assert path.parent == cache
        assert len(path.name) <= 117
        assert path.name.isascii()
    assert fetching._file_name("https://example.org/" + "a" * 300 + ".npz").endswith("aaa.npz")


def test_a_cache_that_cannot_be_written(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(
        OSError, match=r"cannot be written .*name another folder in JAXVISION_CACHE"
    ):
        fetch(f"{server.url}/good/w.bin", SHA256, tmp_path / "file" / "cache")


def test_a_full_disk(server, cache, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetching.os, "fsync", full)
    with pytest.raises(OSError, match=r"cannot be written \(No space left on device\)\. Make room"):
        fetch(f"{server.url}/good/w.bin", SHA256, cache)
    assert files(cache) == []
