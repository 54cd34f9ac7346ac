"""`jaxvision learn-style`: photographs in, a network out, and the picture that it paints."""

import io
import signal
from pathlib import Path

import chex
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from jaxvision.models.transform_net import TransformNet
from jaxvision.style import job, learn
from jaxvision.style.colour import YIQ, match_colours
from jaxvision.style.config import Files, Learning
from jaxvision.style.feed_forward import OBJECTIVE, WEIGHTS, fit_transform_net
from jaxvision.style.files import load_picture, save_picture
from jaxvision.style.network import apply_transform_net, load_transform_net
from jaxvision.style.objective import Objective
from jaxvision.style.photographs import load_photographs
from jaxvision.style.picture import resized

SHALLOW = Objective(content={"relu2_1": 1.0}, style={"relu1_1": 0.5, "relu2_1": 0.5})
SMALL = {"steps": 2, "batch_size": 1, "size": 32, "width": 2, "blocks": 1, "style_size": 40}


@pytest.fixture(autouse=True)
def quick(encoder, monkeypatch, unchecked, tmp_path, picture):
    """A network that needs no weights, a shallow loss; photographs, a style and a content."""
    monkeypatch.setattr(learn, "load_encoder", lambda: encoder)
    monkeypatch.setattr(learn, "OBJECTIVE", SHALLOW)
    for module in (learn, job):
        monkeypatch.setattr(module, "cache_programs", lambda: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "deeper").mkdir(parents=True)
    for seed, name in enumerate(("photos/a.png", "photos/deeper/b.png", "style.png", "me.png")):
        save_picture(tmp_path / name, picture(48, 64, seed))


def run(style="style.png", photographs="photos", **options):
    said = io.StringIO()
    learning = Learning(**SMALL | options)
    console = Console(file=said, width=200)
    out, history = learn.learn_style(Path(photographs), Path(style), learning, console)
    return out, history, said.getvalue()


def painted(learned, content="me.png", **options):
    said = io.StringIO()
    console = Console(file=said, width=200)
    out = job.style_file_by_network(Path(content), Path(learned), Files(**options), console)
    return out, said.getvalue()


def test_a_network_and_what_is_said_of_it():
    out, history, said = run(every=1)
    network = load_transform_net(out)
    assert out.name == "style.safetensors" and network.model == TransformNet(width=2, blocks=1)
    assert list(history) == [1, 2]
    begin, first, second, end = said.splitlines()
    assert begin == "2 photographs in photos; style.png at 53 x 40 pixels"
    assert first.startswith("step 1/2  total ") and second.startswith("step 2/2  total ")
    assert end == f"-> {out}; jaxvision style PHOTOGRAPH --learned {out}"
    again, *_ = run()
    assert again.name == "style-2.safetensors"


@pytest.mark.usefixtures("optimized")
def test_options_are_what_the_training_gets(encoder):
    out, history, _ = run(content_weight=2.0, total_variation=3.0, learning_rate=0.1, seed=4)
    (expected,) = fit_transform_net(
        encoder,
        SHALLOW,
        resized(load_picture(Path("style.png")), 40, 53),
        load_photographs("photos", 40),
        WEIGHTS._replace(content=2.0, total_variation=3.0),
        width=2,
        blocks=1,
        steps=2,
        batch_size=1,
        size=32,
        learning_rate=lambda step: 0.1 * (1 - step / 2),  # a cosine of two steps
        seed=4,
    )
    assert history == {2: pytest.approx(expected.losses, rel=1e-5)}
    chex.assert_trees_all_close(
        load_transform_net(out).variables, expected.network.variables, atol=2e-3
    )
    assert OBJECTIVE != SHALLOW


def test_training_goes_on_with_a_network():
    first, history, _ = run(steps=30, learning_rate=1e-2)
    _, further, _ = run(start=first, steps=1, every=1, seed=1)
    assert further[1]["total"] < 0.9 * history[30]["total"]
    with pytest.raises(ValueError, match=r"`start` must be .*`width` = 4 .* got 2 and 1"):
        run(start=first, width=4)


def test_a_picture_in_one_pass():
    learned, *_ = run()
    out, said = painted(learned)
    assert out.name == "me-style.png" and said.splitlines() == [f"-> {out}"]
    content = load_picture(Path("me.png"))
    expected = apply_transform_net(load_transform_net(learned), content)
    np.testing.assert_allclose(load_picture(out), expected, atol=0.51 / 255)
    out, said = painted(learned, size=32)
    assert load_picture(out).shape == (24, 32, 3)
    assert "me.png: 64 x 48 pixels, painted at 32 x 24" in said


def test_one_pass_that_keeps_colours():
    learned, *_ = run()
    content = load_picture(Path("me.png"))
    plain = load_picture(painted(learned)[0])
    kept = load_picture(painted(learned, preserve_colour=True)[0])
    inside = (kept > 0.02).all(axis=2) & (kept < 0.98).all(axis=2)
    assert inside.mean() > 0.2
    assert np.abs(kept @ YIQ[1:].T - content @ YIQ[1:].T)[inside].max() < 0.02
    kept = load_picture(painted(learned, preserve_colour=True, colour_by="affine")[0])
    np.testing.assert_allclose(kept, match_colours(content, [plain])[0], atol=0.02)


def test_no_file_is_lost():
    learned, *_ = run(out=Path("a.safetensors"))
    before = learned.read_bytes()
    with pytest.raises(FileExistsError, match=r"a.safetensors exists: .*--force"):
        run(out=learned)
    with pytest.raises(FileExistsError, match="one of the files to read"):
        run(out=learned, start=learned, force=True)
    with pytest.raises(FileExistsError, match="one of the files to read"):
        painted(learned, out=Path("me.png"), force=True)
    assert learned.read_bytes() == before
    run(out=learned, force=True, seed=1)
    assert learned.read_bytes() != before


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"out": Path("a.png")}, ValueError, "`--out` must end in .safetensors, got a.png"),
        ({"out": Path("no/a.safetensors")}, FileNotFoundError, "folder of no/a.safetensors does"),
        ({"photographs": "none"}, FileNotFoundError, "none: no such folder"),
        ({"style": "none.png"}, FileNotFoundError, "none.png: no such image file"),
        ({"start": Path("me.png")}, ValueError, "me.png is damaged or no safetensors file"),
        ({"style": "strip.png"}, ValueError, "strip.png is 10000 x 1 pixels, .* needs 32 on each"),
        ({"style_size": 0}, ValueError, "`style_size` must be at least 1, got 0"),
        ({"content_weight": -1.0}, ValueError, r"`content_weight` must be in \[0, inf\), got -1"),
        ({"every": 0}, ValueError, "`every` must be at least 1, got 0"),
        ({"learning_rate": 0.0}, ValueError, "`learning_rate` must be positive and finite, got 0"),
        ({"size": 8}, ValueError, "`size` and the sides of `style` must be at least 32"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_used_is_refused_in_a_line(options, error, match):
    Image.new("RGB", (10_000, 1)).save("strip.png")
    with pytest.raises(error, match=match):
        run(**options)
    assert not list(Path().glob("*.safetensors"))


def test_what_cannot_paint_is_refused():
    Image.new("RGB", (100, 4)).save("strip.png")
    learned, *_ = run()
    with pytest.raises(FileNotFoundError, match=r"none.safetensors: no such file"):
        painted("none.safetensors")
    with pytest.raises(ValueError, match=r"me.png is damaged or no safetensors file"):
        painted("me.png")
    with pytest.raises(ValueError, match="16"):
        painted(learned, content="strip.png")


SCRIPT = """
import jax
from pathlib import Path
from jaxvision.models.vgg import VGG
from jaxvision.pretrained.preprocessing import IMAGENET
from jaxvision.style import learn
from jaxvision.style.config import Learning
from jaxvision.style.encoder import as_encoder
from jaxvision.style.objective import Objective

model = VGG(None, kernels=((3,),) * 2, width=4, hidden=())
variables = model.init(jax.random.key(0), jax.numpy.zeros((1, 32, 32, 3)), train=False)
learn.load_encoder = lambda: as_encoder(model, variables, IMAGENET)
learn.OBJECTIVE = Objective(content={"relu2_1": 1.0}, style={"relu1_1": 1.0})
learning = Learning(steps=10**6, every=1, batch_size=1, size=32, width=2, blocks=1, style_size=40)
learn.learn_style(Path("photos"), Path("style.png"), learning)
"""


def test_a_signal_leaves_the_network_of_the_last_time(stopped):
    """It saves at each step."""
    code, output = stopped(SCRIPT, "style.safetensors", signal.SIGINT)
    assert code == 130, output
    assert "interrupted by SIGINT; what was saved is kept" in output
    assert load_transform_net("style.safetensors").model == TransformNet(width=2, blocks=1)
