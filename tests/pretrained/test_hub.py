"""Asking the hub for a hash: a real server that answers as the hub does, and no network beyond."""

import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from jaxvision.pretrained import hub, load_pretrained
from jaxvision.pretrained.fetch import fetch
from jaxvision.pretrained.hub import hub_sha256

CONTENT = b"weights" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """/OWNER/NAME/resolve/main/FILE leads to /content, with the hash in a header."""

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.server.asked.append(self.path)
        if "missing" in self.path:
            return self.send_error(404)
        if "broken" in self.path:
            return self.send_error(503)
        self.send_response(302)
        self.send_header("Location", "/content")
        if "small" not in self.path:  # files outside the large-file store have none
            self.send_header(hub.HEADER, f'"{SHA256}"')
        self.end_headers()

    def do_GET(self):
        if self.path != "/content":
            return self.do_HEAD()
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)


@pytest.fixture
def server(monkeypatch, tmp_path):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("JAXVISION_CACHE", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_states_the_hash_before_any_content_and_the_file_has_it(server):
    url = "hf://timm/resnet18.tv_in1k/model.safetensors"
    assert hub_sha256(url) == SHA256
    assert server.asked == ["/timm/resnet18.tv_in1k/resolve/main/model.safetensors"]
    assert fetch(url, SHA256).read_bytes() == CONTENT


def test_is_asked_once_and_remembered_without_a_network(server, monkeypatch):
    url = "hf://owner/name/file.bin"
    hub_sha256(url)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody is there
    assert hub_sha256(url) == SHA256
    assert len(server.asked) == 1


def test_a_damaged_answer_is_asked_for_again(server, tmp_path):
    url = "hf://owner/name/file.bin"
    hub_sha256(url)
    (kept,) = (tmp_path / "cache" / "hub").iterdir()
    kept.write_text("abc")
    assert hub_sha256(url) == SHA256
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("hf://owner/missing/file.bin", FileNotFoundError, r"no such file there \(404"),
        ("hf://owner/small/file.bin", FileNotFoundError, "states no SHA-256 of this file"),
        ("hf://owner/broken/file.bin", ConnectionError, r"answered 503 .*give the `file`"),
        ("https://example.org/file.bin", ValueError, "`url` must be hf://owner"),
    ],
)
def test_says_what_is_wrong(server, url, error, message):
    with pytest.raises(error, match=message):
        hub_sha256(url)


def test_without_a_network_a_known_network_says_so_in_one_line_and_at_once(server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(ConnectionError, match=r"hub cannot be asked .*or give the `file`") as error:
        load_pretrained("resnet18")
    assert time.monotonic() - began < 20
    assert "\n" not in str(error.value)


def test_what_the_hub_sends_goes_through_the_reader(server):
    # It is no safetensors file: the reader says so, and which file it is.
    with pytest.raises(ValueError, match=r"model.safetensors: "):
        load_pretrained("resnet18")
