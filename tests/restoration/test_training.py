"""A restorer's run: its files, the same bits, going on, use on pictures of any size."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxvision.ops.bicubic import enlarge_bicubic
from jaxvision.restoration.pictures import write_pictures
from jaxvision.restoration.record import read_config
from jaxvision.restoration.report import print_evaluation
from jaxvision.restoration.trained import evaluate, load_restorer, predict
from jaxvision.restoration.training import (
    resume_denoiser,
    resume_super_resolver,
    train_denoiser,
    train_super_resolver,
)
from jaxvision.train.interruption import InterruptedRunError, Interruption
from tests.restoration.conftest import DENOISE, SUPER_RESOLVE, quiet

RESUME = {train_denoiser: resume_denoiser, train_super_resolver: resume_super_resolver}


def change(trained, tmp_path, **changes):
    return dataclasses.replace(trained.config, out=tmp_path / "run", **changes)


def test_a_run_has_all_its_files_and_pictures_are_better_than_before(trained):
    names = {file.name for file in trained.path.iterdir()}
    assert names >= {
        *("config.json", "metrics.jsonl", "result.json", "model.safetensors", "checkpoints"),
        *("curves.png", "restoration.png"),
    }
    lines = (trained.path / "metrics.jsonl").read_text().splitlines()
    history = [json.loads(line) for line in lines]
    assert len(history) == 3
    psnr = [record["validation"]["PSNR"] for record in history]
    result = json.loads((trained.path / "result.json").read_text())
    assert result["best"]["PSNR"] == max(psnr) and result["best_epoch"] == 1 + np.argmax(psnr)
    test = result["test"]
    assert test["pictures"] == len(test["each"]) == 6
    before = test["noisy" if "noisy" in test else "bicubic"]
    assert test["PSNR"] == pytest.approx(np.mean([each["PSNR"] for each in test["each"]]))
    if "noisy" in test:
        assert test["PSNR"] > before["PSNR"] + 3 and test["SSIM"] > before["SSIM"] + 0.1
        # sigma 25 is 20.17 dB; held to 0..255 it is a little less.
        assert 20.1 < before["PSNR"] < 21
    else:
        assert test["PSNR"] > before["PSNR"] + 0.2
    assert "mean of 6" in trained.output and "PSNR" in trained.output
    assert "validation loss" in trained.output and "dB *" in trained.output


def test_the_configuration_is_read_back(trained):
    assert read_config(trained.path) == dataclasses.replace(trained.config, out=None)


class StopsAfterAnEpoch(Interruption):
    def __init__(self, path):
        super().__init__()
        self.path = path

    def requested(self):
        return (self.path / "metrics.jsonl").exists()


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(trained, tmp_path):
    # And so a run that was not has the same bytes each time, too.
    config = change(trained, tmp_path)
    with pytest.raises(InterruptedRunError):
        trained.train(config, quiet(), interruption=StopsAfterAnEpoch(config.out))
    assert not (config.out / "result.json").exists()
    RESUME[trained.train](config.out, quiet())
    for name in ("model.safetensors", "metrics.jsonl"):
        assert (config.out / name).read_bytes() == (trained.path / name).read_bytes(), name


def test_what_was_measured_is_measured_again(trained, capsys):
    evaluation = evaluate(trained.path)
    assert evaluation.figures == json.loads((trained.path / "result.json").read_text())["test"]
    print_evaluation(evaluation, "again")
    assert "china.jpg" in capsys.readouterr().out


def test_other_pictures_are_measured(trained, tmp_path):
    for i, size in enumerate([(40, 51), (47, 32)]):
        picture = np.random.default_rng(i).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    evaluation = evaluate(trained.path, f"images:{tmp_path}")  # the run asked for grey
    assert [each["picture"] for each in evaluation.figures["each"]] == [
        str(tmp_path / f"{i}.png") for i in range(2)
    ]
    with pytest.raises(ValueError, match="`part` is unknown: 'tset'"):
        evaluate(trained.path, part="tset")


def test_pictures_of_any_size_and_kind_are_restored(trained, tmp_path):
    random = np.random.default_rng(0)
    sizes = {"a": (5, 9, 1), "b": (31, 40, 3)}
    for name, (h, w, c) in sizes.items():
        picture = random.integers(0, 256, (h, w, c), np.uint8)
        Image.fromarray(picture[:, :, 0] if c == 1 else picture).save(tmp_path / f"{name}.png")
    files = [tmp_path / f"{name}.png" for name in sizes]
    factor = getattr(trained.config, "factor", 1)
    restorer = load_restorer(trained.path)
    for (given, restored), size in zip(predict(restorer, files), sizes.values(), strict=True):
        h, w, c = size
        assert given.shape == size and restored.shape == (factor * h, factor * w, c)
        assert restored.dtype == np.uint8
    # Of colours each channel by itself.
    np.testing.assert_array_equal(restored[:, :, 1:2], restorer(given[:, :, 1:2]))
    lines = list(write_pictures(trained.path, files, tmp_path / "out"))
    suffix = "denoised" if factor == 1 else "x2"
    assert lines[1].startswith(f"{files[1]} -> {tmp_path / 'out' / f'b-{suffix}.png'}")
    with Image.open(tmp_path / "out" / f"b-{suffix}.png") as written:
        np.testing.assert_array_equal(np.asarray(written), restored)
    list(write_pictures(trained.path, files[:1], tmp_path / "out"))
    assert (tmp_path / "out" / f"a-{suffix}-2.png").exists()
    with pytest.raises(ValueError, match="`--out` must be a folder"):
        list(write_pictures(trained.path, files, files[0]))


def test_a_picture_larger_than_a_window_is_restored_as_the_whole(trained, monkeypatch):
    given = np.random.default_rng(0).integers(0, 256, (70, 90, 1), np.uint8)
    restorer = load_restorer(trained.path)
    whole = restorer(given)
    monkeypatch.setattr("jaxvision.restoration.restorer.WINDOW", 32)
    np.testing.assert_allclose(restorer(given).astype(int), whole, atol=1)  # a rounding's


def test_a_network_that_adds_nothing_gives_the_bicubic_picture(super_resolver):
    restorer = load_restorer(super_resolver.path)
    zero = {name: dict(tree) for name, tree in restorer._variables.items()}
    zero["params"] = {"network": dict(zero["params"]["network"])}
    last = zero["params"]["network"]["conv3"]
    zero["params"]["network"]["conv3"] = {k: jnp.zeros_like(v) for k, v in last.items()}
    restorer._variables = zero
    given = np.random.default_rng(0).integers(0, 256, (11, 8, 1), np.uint8)
    bicubic = enlarge_bicubic(jnp.asarray(given[None], jnp.float32), 2)[0]
    wanted = np.clip(np.asarray(bicubic), 0, 255)
    assert np.abs(restorer(given) - wanted).max() < 0.501


def test_other_runs_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"config": {"model": "lenet5"}}))
    with pytest.raises(ValueError, match="neither a denoiser's nor a super-resolver's"):
        read_config(tmp_path)
    record = {"task": "denoising", "config": {"modell": "dncnn"}}
    (tmp_path / "config.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match="is damaged"):
        read_config(tmp_path)


def test_a_run_without_an_epoch_is_no_restorer(denoiser, tmp_path):
    (tmp_path / "config.json").write_bytes((denoiser.path / "config.json").read_bytes())
    with pytest.raises(FileNotFoundError, match="has not finished an epoch"):
        load_restorer(tmp_path)


# --- refused before anything is written


@pytest.mark.parametrize(
    ("base", "changes", "message"),
    [
        (DENOISE, {"model": "dncn"}, "`model` is unknown: 'dncn'. Did you mean `dncnn`"),
        (SUPER_RESOLVE, {"model": "dncnn"}, "`model` is unknown: 'dncnn'.*Known: espcn, srcnn"),
        (DENOISE, {"optimizer": "adamm"}, "`optimizer` is unknown"),
        (DENOISE, {"data": "scene"}, "`data` is unknown: 'scene'"),
        (DENOISE, {"patch": 400}, r"china\.jpg.*is 427 x 288 pixels, and `--patch` needs .* 400"),
        (SUPER_RESOLVE, {"patches": 1}, "`patches` must be at least 1 for each of the 2 pictures"),
        (DENOISE, {"test_data": "images:nowhere"}, "nowhere: no such folder"),
    ],
)
def test_what_cannot_be_is_said(base, changes, message, tmp_path):
    config = dataclasses.replace(base, out=tmp_path / "run", **changes)
    train = train_denoiser if base is DENOISE else train_super_resolver
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        train(config, quiet())
    assert not (tmp_path / "run").exists()


def test_grey_and_colour_do_not_mix_unasked(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    Image.fromarray(picture).save(tmp_path / "grey.png")
    config = dataclasses.replace(
        DENOISE, channels=None, test_data=f"images:{tmp_path}", out=tmp_path / "run"
    )
    with pytest.raises(ValueError, match="is grey, and what is learned from is in colour"):
        train_denoiser(config, quiet())


def test_a_test_picture_that_is_too_small_is_refused_before_the_training(tmp_path):
    Image.fromarray(np.zeros((9, 60), np.uint8)).save(tmp_path / "flat.png")
    config = dataclasses.replace(DENOISE, test_data=f"images:{tmp_path}", out=tmp_path / "run")
    with pytest.raises(ValueError, match=r"flat\.png: is 9 x 60 pixels, and SSIM needs .* 11 x 11"):
        train_denoiser(config, quiet())
    assert not (tmp_path / "run").exists()


def test_what_is_left_out_is_in_the_configuration_of_the_run(tmp_path):
    rng, folder = np.random.default_rng(0), tmp_path / "pictures"
    folder.mkdir()
    for i in range(5):
        Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(folder / f"{i}.png")
    (folder / "3.png").write_bytes(b"none")
    options = {"on_bad_image": "skip", "max_bad": 0.2, "patches": 8, "epochs": 1}
    config = dataclasses.replace(
        DENOISE, data=f"images:{folder}", out=tmp_path / "run", validation_fraction=0.3, **options
    )
    train_denoiser(config, quiet())
    remarks = json.loads((tmp_path / "run" / "config.json").read_text())["remarks"]
    assert remarks[0] == "left out: 1 of 5 images" and "3.png: " in remarks[1]
