"""Hostile files for PyTorch's reader, made without it: archives, old pickles, and tar files."""

import io
import pickle
import tarfile
import zipfile

from tests.pretrained.hostile_pickles import ATTACKS, BOMBS, GLOBAL

MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # what the format before PyTorch 1.6 begins with
SYSTEM = {"little_endian": True, "protocol_version": PROTOCOL, "type_sizes": {}}
STATE = b"\x80\x02}X\x01\x00\x00\x00w"
# Functions of PyTorch's own, by which others have come from weights to code or to files.
FUNCTIONS = {
    "torch.load": (b"torch", b"load", "../outside/secret.bin"),
    "torch.save": (b"torch", b"save", "../outside/mark"),
    "torch.hub.load": (b"torch.hub", b"load", "../outside"),
    "torch.jit.load": (b"torch.jit", b"load", "../outside/secret.bin"),
    "torch.from_file": (b"torch", b"from_file", "../outside/secret.bin"),
    "torch._utils._import_dotted_name": (b"torch._utils", b"_import_dotted_name", "os.system"),
    "torch.serialization.os.system": (b"torch.serialization", b"os.system", "../outside/mark"),
}


def archive(members, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as opened:
        for name, content in members.items():
            opened.writestr(name, content)
    return file.getvalue()


def with_program(program, **others):
    return archive({"archive/data.pkl": program, "archive/version": b"3\n", **others})


def old(program):
    parts = (pickle.dumps(part, 2) for part in (MAGIC, PROTOCOL, SYSTEM))
    return b"".join(parts) + program + pickle.dumps([], 2)


def tar(*members):
    """(name, content) is a file; a `TarInfo` is what it is."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as opened:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                opened.addfile(member)
                continue
            name, content = member
            info = tarfile.TarInfo(name)
            info.size = len(content)
            opened.addfile(info, io.BytesIO(content))
    return file.getvalue()


def link(name, target, kind):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def hostile_torch(mark):
    """By name; `mark` is the path of a file that they try to make."""
    programs = {
        name: pickle.dumps({"w": attack(mark)}, 2)
        for name, attack in ATTACKS.items()
        if name in ("os.system", "eval", "exec", "open", "getattr", "partial", "np.save")
    }
    for name, (module, function, argument) in FUNCTIONS.items():
        call = GLOBAL % (module, function) + pickle.dumps((argument,), 2)[2:-1] + b"R"
        programs[name] = STATE + call + b"s."
    for name in ("deep_lists", "in_itself", "unfolding", "memo", "long"):
        programs[f"bomb {name}"] = b"\x80\x02" + BOMBS[name] + b"."
    files = {f"{name}, zip": with_program(program) for name, program in programs.items()}
    files |= {f"{name}, old": old(program) for name, program in programs.items()}
    system = programs["os.system"]
    files["os.system, nothing else"] = system
    files["os.system, tar"] = tar(("storages", system), ("tensors", system), ("pickle", system))
    files["names outside, tar"] = tar((mark, b""), ("../outside/mark", b""), ("pickle", system))
    for name, kind in (("symlink", tarfile.SYMTYPE), ("hardlink", tarfile.LNKTYPE)):
        files[f"{name}, tar"] = tar(link("storages", "../outside/secret.bin", kind))
    files["device, tar"] = tar(link("storages", "", tarfile.CHRTYPE))
    files["script"] = with_program(
        system,
        **{"archive/constants.pkl": system, "archive/code/__torch__.py": b"import os\nos.abort()"},
    )
    files["zeros"] = archive(
        {"archive/data.pkl": STATE + b"K\x01s.", "archive/data/0": bytes(2**27)},
        zipfile.ZIP_DEFLATED,
    )
    return files
