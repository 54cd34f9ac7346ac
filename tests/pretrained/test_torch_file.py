"""PyTorch's files: what it saved comes back, and what its own door refuses is named."""

import os
import pickle
import sys
import zipfile

import numpy as np
import pytest

from jaxvision.pretrained.read import read_tensors
from tests.pretrained.hostile_torch import hostile_torch

KERNEL = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)


def test_without_pytorch_the_remedy_is_named(tmp_path, monkeypatch):
    (tmp_path / "w.pth").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ValueError, match=r"w\.pth: needs PyTorch, which is not installed.*convert"):
        read_tensors(tmp_path / "w.pth")


def test_a_pytorch_that_can_be_made_to_run_code_is_refused(tmp_path, monkeypatch):
    class Old:
        __version__ = "2.9.1+cpu"

    (tmp_path / "w.pth").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", Old)
    with pytest.raises(ValueError, match=r"in PyTorch 2\.9\.1\+cpu \(CVE-2026-24747\)\. Upgrade"):
        read_tensors(tmp_path / "w.pth")


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.mark.parity
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".th", ".bin"])
def test_a_state_dict_comes_back(tmp_path, torch, suffix, zipped):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    path = tmp_path / f"w{suffix}"
    torch.save(model.state_dict(), path, _use_new_zipfile_serialization=zipped)
    tensors = read_tensors(path)
    assert list(tensors) == list(model.state_dict())
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(tensors[name], value.numpy(), strict=True)


@pytest.mark.parity
def test_kinds_of_tensors(tmp_path, torch):
    kernel = torch.tensor(KERNEL)
    saved = {
        "parameter": torch.nn.Parameter(kernel),
        "channels_last": kernel.to(memory_format=torch.channels_last),
        "part": kernel[1:, :, 0],
        "bfloat16": torch.tensor([1.0, 2.0**-130, 3e38], dtype=torch.bfloat16),
        "half": kernel.half(),
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(3),
    }
    torch.save({"state_dict": saved, "epoch": 3, "loss": [0.5]}, tmp_path / "w.pth")
    tensors = read_tensors(tmp_path / "w.pth")
    assert set(tensors) == {*(f"state_dict/{name}" for name in saved), "epoch", "loss/0"}
    for name in ("parameter", "channels_last"):
        np.testing.assert_array_equal(tensors[f"state_dict/{name}"], KERNEL, strict=True)
    np.testing.assert_array_equal(tensors["state_dict/part"], KERNEL[1:, :, 0], strict=True)
    np.testing.assert_array_equal(
        tensors["state_dict/half"], KERNEL.astype(np.float16), strict=True
    )
    bfloat16 = tensors["state_dict/bfloat16"]
    np.testing.assert_array_equal(bfloat16, saved["bfloat16"].float().numpy(), strict=True)
    assert (tensors["epoch"], tensors["loss/0"], tensors["state_dict/scalar"]) == (3, 0.5, 3)


class Attack:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda torch, mark: {"w": Attack(mark)},
            r"\(Trying to load .* GLOBAL \w+\.system",
        ),
        (lambda torch, mark: torch.nn.Linear(1, 1), "was refused by PyTorch"),
        (
            lambda torch, mark: {"arch": "resnet", "w": torch.ones(1)},
            "'arch' is a str, not a tensor",
        ),
        (lambda torch, mark: {"w": torch.ones(2).to_sparse()}, "'w' is a tensor that is sparse"),
        (lambda torch, mark: {"w": torch.ones(1, dtype=torch.complex64)}, "'w' is of the dtype"),
        (lambda torch, mark: {"w": torch.ones(1).to(torch.float8_e5m2)}, "'w' is of the dtype"),
        (
            lambda torch, mark: {"w": torch.ones(1).expand(2**40)},
            "claimed to have 4,398,046,511,10",
        ),
        (lambda torch, mark: {"w": torch.ones(1, device="meta")}, "without values"),
        (lambda torch, mark: torch.ones(1), "holds no dict of tensors"),
        (lambda torch, mark: {("a",): torch.ones(1)}, "has names that are no text"),
    ],
)
@pytest.mark.filterwarnings("ignore:Sparse:UserWarning")
def test_what_is_no_state_dict_is_refused(tmp_path, torch, make, message):
    torch.save(make(torch, tmp_path / "mark"), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=rf"w\.pth: .*{message}.*torch\.save|{message}.*\. [A-Z]"):
        read_tensors(tmp_path / "w.pth")
    assert not (tmp_path / "mark").exists()


@pytest.mark.parity
def test_a_script_and_a_tar_file_are_refused_before_pytorch_sees_them(tmp_path, torch, monkeypatch):
    monkeypatch.setattr(torch, "load", None)
    files = hostile_torch(str(tmp_path / "mark"))
    for name, message in (("script", "a TorchScript archive"), ("symlink, tar", "a tar file")):
        (tmp_path / "w.pth").write_bytes(files[name])
        with pytest.raises(ValueError, match=rf"w\.pth: is {message}.*torch\.save"):
            read_tensors(tmp_path / "w.pth")


@pytest.mark.parity
def test_pytorchs_advice_of_how_to_run_the_file_is_not_passed_on(tmp_path, torch):
    torch.save({"w": Attack(tmp_path / "mark")}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth: .*load it in no other way") as error:
        read_tensors(tmp_path / "w.pth")
    assert "weights_only" not in str(error.value) and "add_safe_globals" not in str(error.value)


@pytest.mark.parity
@pytest.mark.parametrize("content", [b"", b"<html>404</html>", bytes(1000), pickle.dumps({"w": 1})])
def test_another_file_is_refused_or_holds_what_it_says(tmp_path, torch, content):
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"w\.pth: was refused by PyTorch"):
        read_tensors(tmp_path / "w.pth")


@pytest.mark.parity
def test_a_deflated_archive_is_refused(tmp_path, torch):
    torch.save({"w": torch.zeros(2**20)}, tmp_path / "sound.pth")
    with (
        zipfile.ZipFile(tmp_path / "sound.pth") as sound,
        zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as deflated,
    ):
        for name in sound.namelist():
            deflated.writestr(name, sound.read(name))
    with pytest.raises(ValueError, match=r"w\.pth: has .* bytes, and claims 4,\d+,\d+,"):
        read_tensors(tmp_path / "w.pth")


@pytest.mark.parity
def test_an_archive_with_damaged_names_is_refused(tmp_path, torch):
    torch.save({"w": torch.ones(3)}, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    at = content.rindex(b"data.pkl")
    (tmp_path / "w.pth").write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    with pytest.raises(ValueError, match=r"w\.pth: is damaged .*Fetch it again|was refused by"):
        read_tensors(tmp_path / "w.pth")


@pytest.mark.parity
def test_a_long_program_is_refused(tmp_path, torch):
    torch.save({"w": "a" * 2**21}, tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"w\.pth: .* 2,\d+,\d+ of them a program, which is not"):
        read_tensors(tmp_path / "w.pth")


@pytest.mark.parity
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 1.6"])
def test_a_tensor_larger_than_the_file_is_refused(tmp_path, torch, zipped):
    path = tmp_path / "w.pth"
    torch.save({"w": torch.zeros(65535)}, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    assert content.count(b"M\xff\xff") == 2  # in the storage, and in the tensor
    path.write_bytes(content.replace(b"M\xff\xff", b"M\xff\xfe"))
    with pytest.raises(ValueError, match=r"w\.pth: was refused by PyTorch"):
        read_tensors(path)


@pytest.mark.parity
def test_a_file_cut_anywhere_is_refused(tmp_path, torch):
    torch.save({"w": torch.ones(3)}, tmp_path / "w.pth")
    content = (tmp_path / "w.pth").read_bytes()
    for size in range(0, len(content), 50):
        (tmp_path / "w.pth").write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"w\.pth: (was refused by PyTorch|is damaged)"):
            read_tensors(tmp_path / "w.pth")
