"""`jaxvision style`: files in, a picture out, whatever the pictures are and whatever happens."""

import dataclasses
import io
import signal
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from rich.console import Console

from jaxvision.data.images import ImageError, read_image
from jaxvision.style import job
from jaxvision.style.colour import YIQ, match_colours, match_histograms
from jaxvision.style.config import Files, Network, Settings
from jaxvision.style.files import load_picture, save_picture

QUICK = Settings(steps=2, coarsest=None, every=1)


@pytest.fixture
def files(tmp_path, picture):
    """content.png and style.png, and a folder to write to."""
    for name, seed in (("content", 0), ("style", 1)):
        save_picture(tmp_path / f"{name}.png", picture(48, 64, seed))
    return tmp_path


@pytest.fixture
def run(files, encoder, monkeypatch, unchecked):
    """Runs the job with a network that needs no weights; returns the picture and what was said."""
    monkeypatch.setattr(job, "load_encoder", lambda *args, **kwargs: encoder)
    monkeypatch.setattr(job, "cache_programs", lambda: None)
    monkeypatch.chdir(files)

    def run(content="content.png", styles=("style.png",), settings=QUICK, **options):
        said = io.StringIO()
        console = Console(file=said, width=200)
        out = job.style_files(
            Path(content),
            tuple(map(Path, styles)),
            Files(**options),
            settings,
            Network(),
            console=console,
        )
        return out, said.getvalue()

    return run


def test_a_picture_and_what_is_said_of_it(run):
    out, said = run(out=Path("out.png"), preview_every=1)
    assert load_picture(out).shape == (48, 64, 3)
    first, second, last = said.splitlines()
    assert first.startswith("step 1/2  64 x 48  loss ") and second.startswith("step 2/2")
    assert last == "-> out.png"


def test_names_of_its_own_are_never_taken(run):
    assert [run()[0].name for _ in range(3)] == [
        "content-style.png",
        "content-style-2.png",
        "content-style-3.png",
    ]


def test_a_size_and_the_note_about_it(run):
    out, said = run(size=80)
    assert load_picture(out).shape == (60, 80, 3)
    assert "content.png: 64 x 48 pixels, painted at 80 x 60; --size decides" in said


@pytest.mark.parametrize("kind", ["grey", "rgba", "cmyk", "16 bits", "rotated", "palette"])
def test_pictures_of_every_kind(run, files, picture, kind):
    image = Image.fromarray((255 * picture(48, 64)).astype(np.uint8))
    options, name = {}, "odd.png"
    if kind == "grey":
        image = image.convert("L")
    elif kind == "rgba":
        image.putalpha(128)
    elif kind == "cmyk":
        image, name = image.convert("CMYK"), "odd.jpg"
    elif kind == "16 bits":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif kind == "rotated":
        name, exif = "odd.jpg", image.getexif()
        exif[0x0112] = 6  # a quarter turn
        options["exif"] = exif
    else:
        image = image.convert("P")
    image.save(files / name, **options)
    out, _ = run(content=name, styles=["style.png", name])
    assert load_picture(out).shape == ((64, 48, 3) if kind == "rotated" else (48, 64, 3))


def test_a_colour_profile_is_followed(files, picture):
    image = Image.fromarray((255 * picture(8, 8)).astype(np.uint8))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    image.save(files / "srgb.png", icc_profile=lab.tobytes())
    np.testing.assert_allclose(load_picture(files / "srgb.png"), np.asarray(image) / 255, atol=0.01)
    image.save(files / "broken.png", icc_profile=b"no profile")
    np.testing.assert_array_equal(read_image(files / "broken.png", to_srgb=True), np.asarray(image))


def test_colours_are_kept_by_luminance(run):
    out, _ = run(preserve_colour=True)
    painted, content = load_picture(out), load_picture(Path("content.png"))
    inside = (painted > 0.02).all(axis=2) & (painted < 0.98).all(axis=2)
    difference = (painted @ YIQ[1:].T - content @ YIQ[1:].T)[inside]
    assert inside.mean() > 0.2 and np.abs(difference).max() < 0.02


def test_colours_are_kept_by_giving_them_to_the_style(run, monkeypatch):
    """Of what is painted, and like what: the optimised picture is tested elsewhere."""
    given = {}
    paint = job.paint

    def note(encoder, content, styles, *arguments, **more):
        given["content"], given["styles"] = content, styles
        return paint(encoder, content, styles, *arguments, **more)

    monkeypatch.setattr(job, "paint", note)
    content, style = load_picture(Path("content.png")), load_picture(Path("style.png"))
    for name, match in (("affine", match_colours), ("histogram", match_histograms)):
        run(preserve_colour=True, colour_by=name)
        np.testing.assert_array_equal(given["content"], content)
        np.testing.assert_array_equal(given["styles"], match(content, [style]))


def test_masks_and_the_rest(run, files):
    half = np.zeros((48, 64), np.uint8)
    half[:, :32] = 255
    Image.fromarray(half).save(files / "left.png")
    out, _ = run(styles=["style.png", "content.png"], mask=(Path("left.png"),))
    assert out.exists()
    Image.fromarray(0 * half).save(files / "black.png")
    for masks, match in (
        (("left.png",) * 3, "for each of 2 styles, or for each but the last, got 3"),
        (("black.png",), "black.png is black everywhere"),
    ):
        with pytest.raises(ValueError, match=match):
            run(styles=["style.png", "content.png"], mask=tuple(map(Path, masks)))


def test_a_video_of_the_previews(run):
    run(out=Path("a.png"), video=Path("a.gif"), preview_every=1)
    with Image.open("a.gif") as video:
        assert (video.n_frames, video.size) == (2, (64, 48))


def test_what_exists_is_kept(run, files):
    save_picture(files / "taken.png", np.zeros((4, 4, 3), np.float32))
    before = (files / "taken.png").read_bytes()
    with pytest.raises(FileExistsError, match=r"taken.png exists: .*--force"):
        run(out=Path("taken.png"))
    assert (files / "taken.png").read_bytes() == before
    run(out=Path("taken.png"), force=True)
    assert (files / "taken.png").read_bytes() != before


@pytest.mark.parametrize("name", ["content.png", "style.png", "./style.png", "link.png"])
def test_a_picture_that_is_read_is_never_written(run, files, name):
    (files / "link.png").symlink_to(files / "style.png")
    before = (files / "style.png").read_bytes()
    with pytest.raises(FileExistsError, match="one of the files to read"):
        run(out=Path(name), force=True)
    assert (files / "style.png").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"out": "a.xyz"}, ValueError, "`--out` must end in .png, .jpg, .jpeg, .webp, got a.xyz"),
        ({"out": "no/a.png"}, FileNotFoundError, "folder of no/a.png does not exist"),
        ({"video": "a.mp4"}, ValueError, "`--video` must end in .gif"),
        ({"video": "no/a.gif"}, FileNotFoundError, "folder of no/a.gif does not exist"),
        ({"size": 0}, ValueError, "`--size` must be at least 1, got 0"),
        ({"content": "none.png"}, FileNotFoundError, "none.png: no such image file"),
        ({"content": "text.png"}, ImageError, "text.png: is damaged or in none of the formats"),
        ({"content": "cut.png"}, ImageError, "cut.png: is damaged or cut short"),
        ({"content": "strip.png"}, ValueError, "is 512 x 1 pixels .* needs 32"),
        ({"styles": ()}, ValueError, "`STYLE` is missing"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_line(run, files, options, error, match):
    (files / "text.png").write_text("no picture")
    (files / "cut.png").write_bytes((files / "content.png").read_bytes()[:2000])
    Image.new("RGB", (10_000, 1)).save(files / "strip.png")
    options = {
        name: Path(value) if name in ("out", "video") else value for name, value in options.items()
    }
    with pytest.raises(error, match=match):
        run(**options)
    assert not list(files.glob("*-style*")) and not list(files.glob(".writing*"))


def test_an_unknown_layer_lists_those_there_are(run, encoder):
    with pytest.raises(ValueError, match=r"'relu7_1'.*relu1_1"):
        job._objective(encoder, dataclasses.replace(Network(), style_layers=("conv7_1",)))
    with pytest.raises(ValueError, match="`--style-layers` is empty"):
        job._objective(encoder, dataclasses.replace(Network(), style_layers=()))


def test_without_pictures_an_example_is_painted():
    content, (style,) = job._inputs(None, ())
    assert load_picture(content).shape == load_picture(style).shape == (427, 640, 3)


SCRIPT = """
import jax, sys
from pathlib import Path
from jaxvision.models.vgg import VGG
from jaxvision.pretrained.preprocessing import IMAGENET
from jaxvision.style import job
from jaxvision.style.config import Files, Network, Settings
from jaxvision.style.encoder import as_encoder
from jaxvision.train.interruption import InterruptedRunError

model = VGG(None, kernels=((3,),) * 5, width=4, hidden=())
variables = model.init(jax.random.key(0), jax.numpy.zeros((1, 32, 32, 3)), train=False)
job.load_encoder = lambda *args, **kwargs: as_encoder(model, variables, IMAGENET)
network = Network(content_layers=("conv4_1",))
paint = job.paint

def tell(*arguments, **more):
    for progress in paint(*arguments, **more):
        if progress.step > 5:
            Path("painting").touch()
        yield progress

job.paint = tell
files = Files(out=Path("out.png"), preview_every=10**9)
try:
    job.style_files(
        Path("content.png"), (Path("style.png"),), files,
        Settings(steps=10**6, coarsest=None, optimizer="adam", every=5), network,
    )
except InterruptedRunError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_the_picture_so_far(files, stopped, sent, code):
    """Stopped while it paints: no preview was due, and the picture is there."""
    found, output = stopped(SCRIPT, "painting", sent)
    assert found == code, output
    assert "out.png holds the picture after" in output
    assert load_picture(files / "out.png").shape == (48, 64, 3)
