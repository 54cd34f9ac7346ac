"""A sweep's lanes are single trainings: the same losses, however they are laid out."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxvision.selection.chunk
from jaxvision import augment, optim
from jaxvision.data.folds import Folds
from jaxvision.models import MLP
from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.selection.group import group_lanes
from jaxvision.selection.halving import Halving
from jaxvision.selection.keeping import Keeper
from jaxvision.selection.plan import Plan
from jaxvision.selection.results import Lane, LaneResult
from jaxvision.selection.spaces import grid
from jaxvision.selection.sweep import list_lanes, sweep, sweep_lanes
from jaxvision.train import by_loss, fit
from tests.selection.small import BATCH, FOLDS, feeds_of, job_of, make_plan, make_run

pytestmark = pytest.mark.usefixtures("optimized")  # lanes are single trainings to 1e-6

CANDIDATES = grid({"learning_rate": (0.01, 0.1), "decay": (0.5, 0.9)})


def losses(history):
    return [[record[part]["loss"] for part in ("train", "validation")] for record in history]


def single(plan, lane):
    """The training that a lane is, by itself: (state with the best variables, history)."""
    job = plan.make_run(lane.hyperparameters, plan.epochs * plan.steps)
    return fit(
        job.init(jax.random.key(lane.seed)),
        job.train_step,
        job.eval_step,
        *feeds_of(lane.fold, lane.seed, plan),
        epochs=plan.epochs,
        patience=plan.patience,
        score=plan.score,
    )


def check_against_single(plan, finished):
    for one in finished:
        state, history = single(plan, one.result.lane)
        assert [r["step"] for r in history] == [r["step"] for r in one.result.history]
        np.testing.assert_allclose(losses(history), losses(one.result.history), rtol=1e-6)
        for a, b in zip(history, one.result.history, strict=True):
            assert a["validation"]["accuracy"] == b["validation"]["accuracy"]
            assert a["skipped"] == b["skipped"]
        chex.assert_trees_all_close(state.variables, one.best, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("chunk", [None, 1, 5], ids=["chosen", "alone", "five"])
def test_a_lane_is_the_single_training(chunk):
    plan = make_plan()
    assert [np.sum(rows >= 0) for rows in FOLDS.train] == [133, 133, 134]  # 7, 7 and 8 batches
    finished = list(sweep_lanes(plan, CANDIDATES, seeds=(0, 7), chunk=chunk))
    assert len(finished) == 4 * 2 * 3 and {one.result.ended for one in finished} == {"epochs"}
    some = [
        one for one in finished if one.result.lane.seed == 7 and one.result.lane.candidate in (0, 3)
    ]
    check_against_single(plan, some)
    assert {len(one.result.history) for one in some} == {8}
    assert max(one.result.history[-1]["step"] for one in some) == 8 * 8


def test_a_lane_stops_in_time_and_keeps_its_best():
    plan = make_plan(epochs=30, patience=2, score=by_loss)
    finished = list(sweep_lanes(plan, [{"learning_rate": 0.5, "decay": 0.9}]))
    assert {one.result.ended for one in finished} == {"patience"}
    for one in finished:
        assert len(one.result.history) == one.result.best_epoch + 2
    check_against_single(plan, finished)


def test_a_score_that_is_nan_is_never_a_lanes_best():
    def score(metrics):  # NaN in the first epochs, which have the larger losses
        return jnp.where(metrics["loss"] > 1.5, jnp.nan, -metrics["loss"])

    plan = make_plan(score=score)
    finished = list(sweep_lanes(plan, [{"learning_rate": 0.1, "decay": 0.9}]))
    for one in finished:
        found = np.array(losses(one.result.history))[:, 1]
        assert found[0] > 1.5 > found[-1] and one.result.best_epoch == 1 + np.argmin(found)
    check_against_single(plan, finished)


def test_the_layout_changes_nothing_beyond_rounding_and_the_number_of_lanes_no_bit():
    plan = make_plan()
    every = sweep(plan, CANDIDATES).lanes
    alone = sweep(plan, CANDIDATES[2:3]).lanes
    assert [r.history for r in every[6:9]] == [r.history for r in alone]
    together = sweep(plan, CANDIDATES, chunk=12).lanes
    for a, b in zip(every, together, strict=True):
        assert a.lane == b.lane and a.best_epoch == b.best_epoch
        np.testing.assert_allclose(losses(a.history), losses(b.history), rtol=1e-6)


def test_however_many_values_there_are_it_is_traced_and_compiled_once():
    traced = []

    def counting(hyperparameters, steps):
        traced.append(steps)
        return make_run(hyperparameters, steps)

    counts = []
    for rates in ((0.01, 0.1), tuple(np.geomspace(1e-3, 1, 9).tolist())):
        traced.clear()
        sweep(make_plan(counting, epochs=1), grid({"learning_rate": rates, "decay": (0.9,)}))
        counts.append(len(traced))
    assert counts[0] == counts[1] <= 4  # a look at it, and three programs


AXES = {
    "weight_decay": lambda a: job_of(MLP(10, widths=(16,)), optim.adamw(0.01, weight_decay=a)),
    "dropout": lambda a: job_of(MLP(10, widths=(16,), dropout=a), optim.adam(0.01)),
    "penalty": lambda a: job_of(MLP(10, widths=(16,)), optax.chain(optim.l2(a), optim.sgd(0.1))),
    "label_smoothing": lambda a: job_of(
        MLP(10, widths=(16,)),
        optim.adam(0.01),
        loss=lambda z, batch: categorical_cross_entropy(z, batch["label"], batch["mask"], a),
    ),
    "shift": lambda a: job_of(
        MLP(10, widths=(16,)),
        optim.adam(0.01),
        augment=augment.per_example(augment.random_affine(a)),
    ),
    "momentum": lambda a: job_of(MLP(10, widths=(16,)), optim.ema_momentum(0.1, a)),
}


@pytest.mark.parametrize("axis", AXES)
def test_any_scalar_is_an_axis(axis):
    plan = make_plan(lambda hyperparameters, steps: AXES[axis](hyperparameters[axis]), epochs=4)
    finished = list(sweep_lanes(plan, grid({axis: (0.1, 0.4)})))
    check_against_single(plan, [one for one in finished if one.result.lane.fold == 2])
    first, second = (one.result for one in finished if one.result.lane.fold == 0)
    assert abs(losses(first.history)[-1][0] - losses(second.history)[-1][0]) > 1e-4


class OnesOfFlax(nn.Module):
    """With Flax's convolution, whose gradient is slow in loops on a CPU."""

    @nn.compact
    def __call__(self, images, *, train):
        x = nn.relu(nn.Conv(4, (3, 3))(images))
        return nn.Dense(10)(x.reshape(len(x), -1)), {}


def test_a_network_that_is_slow_in_loops_is_trained_step_by_step():
    plan = make_plan(
        lambda hyperparameters, steps: job_of(
            OnesOfFlax(), optim.adam(hyperparameters["learning_rate"])
        ),
        epochs=2,
    )
    check_against_single(plan, list(sweep_lanes(plan, grid({"learning_rate": (0.01,)}))))


@pytest.mark.parametrize("chunk", [None, 6])
def test_a_lane_that_diverges_is_frozen_and_the_others_go_on_as_if_alone(chunk):
    plan = make_plan(max_skipped=3)
    good, bad = CANDIDATES[0], {"learning_rate": 1e30, "decay": 0.9}
    alone = sweep(plan, [good], chunk=chunk).lanes
    lanes = sweep(plan, [good, bad], chunk=chunk).lanes
    assert [r.ended for r in lanes] == ["epochs"] * 3 + ["diverged"] * 3
    for a, b in zip(alone, lanes[:3], strict=True):
        np.testing.assert_allclose(losses(a.history), losses(b.history), rtol=1e-6)
    assert all(r.history == () and r.best_epoch == 0 for r in lanes[3:])


@pytest.mark.parametrize(("left_out", "ended"), [((3, 4, 6, 7), "epochs"), ((3, 4, 5), "diverged")])
def test_so_many_steps_left_out_in_a_row_and_not_in_all_stop_a_lane(left_out, ended):
    def failing(hyperparameters, steps):
        job = make_run(hyperparameters, steps)

        def train_step(state, batch):
            state, totals = job.train_step(state, batch)
            skipped = jnp.isin(state.step, jnp.array(left_out)).astype(jnp.float32)
            return state, totals | {"skipped": skipped}

        return job._replace(train_step=train_step)

    lanes = sweep(make_plan(failing, epochs=2, max_skipped=3), CANDIDATES[:1]).lanes
    assert {one.ended for one in lanes} == {ended}


@pytest.mark.parametrize("chunk", [None, 4])
def test_halving_drops_the_worse_candidates_and_does_not_touch_the_others(chunk):
    plan = make_plan()
    candidates = grid({"learning_rate": (1e-4, 1e-3, 1e-2, 1e-1), "decay": (0.9,)})
    whole = sweep(plan, candidates, chunk=chunk).lanes
    halved = sweep(plan, candidates, chunk=chunk, halving=Halving(first=2)).lanes
    epochs = {c: {len(r.history) for r in halved if r.lane.candidate == c} for c in range(4)}
    assert sorted(map(tuple, epochs.values())) == [(2,), (2,), (4,), (8,)]
    assert epochs[3] == {8} and {r.ended for r in halved if r.lane.candidate == 3} == {"epochs"}
    assert {r.ended for r in halved if r.lane.candidate != 3} == {"halved"}
    for a, b in zip(whole, halved, strict=True):
        assert a.lane == b.lane
        np.testing.assert_allclose(
            losses(a.history[: len(b.history)]), losses(b.history), rtol=1e-6
        )


def test_a_score_that_is_nan_at_first_drops_no_candidate():
    def score(metrics):  # NaN in the best candidate's first epoch
        return jnp.where(jnp.abs(metrics["loss"] - first) < 1e-3, jnp.nan, -metrics["loss"])

    candidates = grid({"learning_rate": (1e-3, 1e-1), "decay": (0.9,)})
    one_fold = (Lane(1, candidates[1], 0, 0),)
    (lane,) = (r for r in sweep(make_plan(epochs=4), candidates).lanes if r.lane in one_fold)
    first = lane.history[0]["validation"]["loss"]
    halved = sweep(make_plan(epochs=4, score=score), candidates, halving=Halving(first=2)).lanes
    assert {(r.lane.candidate, r.ended) for r in halved} == {(0, "halved"), (1, "epochs")}


def test_the_program_becomes_narrower_with_the_lanes_that_are_left():
    lanes = list_lanes(CANDIDATES, (0,), 3)
    (group,) = group_lanes(make_plan(), lanes, frozenset(), chunk=4)
    group.prepare(lanes)
    wide = group.programs
    group.prepare(lanes[:5])
    assert group.programs is wide and wide.width == 4
    group.prepare(lanes[:2])
    assert group.programs.width == 2


def test_in_halving_what_diverged_comes_last_however_good_it_was():
    plan = make_plan(epochs=4)
    candidates = grid({"learning_rate": (1e-3, 1e-2, 1e-1), "decay": (0.9,)})
    perfect = {"accuracy": 1.0, "loss": 0.0}
    record = {"epoch": 1, "step": 8, "skipped": 0, "train": perfect, "validation": perfect}
    diverged = [
        LaneResult(Lane(0, candidates[0], 0, fold), (record,), 1, "diverged") for fold in range(3)
    ]
    finished = sweep_lanes(plan, candidates, done=diverged, halving=Halving(2))
    # Of three candidates two go on: not the one that diverged, so both others, for there is no
    # other round.
    ended = {one.result.lane.candidate: one.result.ended for one in finished}
    assert ended == {1: "epochs", 2: "epochs"}


def test_halving_looks_at_no_epoch_after_its_round():
    plan = make_plan(epochs=4)
    candidates = grid({"learning_rate": (1e-3, 1e-2), "decay": (0.9,)})
    poor, perfect = ({"accuracy": x, "loss": 9.0 * (1 - x)} for x in (0.0, 1.0))
    history = tuple(
        {"epoch": i, "step": 8 * i, "skipped": 0, "train": seen, "validation": seen}
        for i, seen in enumerate((poor, poor, perfect, perfect), start=1)
    )
    done = [LaneResult(Lane(0, candidates[0], 0, fold), history, 3, "epochs") for fold in range(3)]
    finished = sweep_lanes(plan, candidates, done=done, halving=Halving(2))
    assert {one.result.lane.candidate: one.result.ended for one in finished} == {1: "epochs"}


def test_what_changes_the_program_is_fixed():
    def with_width(hyperparameters, steps):
        model = MLP(10, widths=(hyperparameters["width"],))
        name = {"sgd": optim.sgd, "adam": optim.adam}[hyperparameters["optimizer"]]
        return job_of(model, name(hyperparameters["learning_rate"]))

    plan = make_plan(with_width, epochs=2)
    candidates = grid({"learning_rate": (0.01, 0.1), "optimizer": ("sgd", "adam"), "width": (4, 8)})
    finished = list(sweep_lanes(plan, candidates, fixed=("width",)))
    assert len(finished) == 8 * 3
    check_against_single(plan, [one for one in finished if one.result.lane.fold == 1])
    with pytest.raises(ValueError, match=r"axis `width` changes shapes.*fixed=\('width',\)"):
        sweep(plan, candidates)


def test_what_was_done_is_not_done_again():
    plan = make_plan(epochs=3)
    every = {
        one.result.lane.candidate * 3 + one.result.lane.fold: one.result
        for one in sweep_lanes(plan, CANDIDATES)
    }
    done = [every[i] for i in (0, 4, 5, 9)]
    rest = [one.result for one in sweep_lanes(plan, CANDIDATES, done=done)]
    assert len(rest) == 8 and not any(r.lane == d.lane for r in rest for d in done)
    for result in rest:
        assert result.history == every[result.lane.candidate * 3 + result.lane.fold].history


def test_it_stops_when_it_is_told_to():
    made = []
    finished = list(
        sweep_lanes(
            make_plan(epochs=1000),
            CANDIDATES[:1],
            stop=lambda: sum(made) > 100,
            observe=made.append,
        )
    )
    assert finished == [] and 100 < sum(made) < 5000


def stopped_after(steps, plan, keeper, **options):
    """What a sweep has yielded when it was stopped after so many steps of all lanes."""
    made = []
    finished = sweep_lanes(
        plan,
        CANDIDATES,
        keeper=keeper,
        stop=lambda: sum(made) >= steps,
        observe=made.append,
        **options,
    )
    return [one.result for one in finished]


def the_rest(done, plan, keeper, **options):
    """All lanes in order, and the steps that were made for them now."""
    began, made, brought_back = [False], [], []

    def observe(steps):
        (made if began[0] else brought_back).append(steps)

    def never():
        began[0] = True
        return False

    finished = sweep_lanes(
        plan, CANDIDATES, done=done, keeper=keeper, stop=never, observe=observe, **options
    )
    results = [*done, *[one.result for one in finished]]
    return sorted(results, key=lambda r: (r.lane.candidate, r.lane.fold)), sum(made)


@pytest.mark.parametrize("chunks", [(None, None), (5, 5), (5, 1)], ids=str)
@pytest.mark.parametrize("halving", [None, Halving(2)], ids=["all", "halving"])
def test_lanes_that_had_begun_go_on_as_if_nothing_had_been(tmp_path, chunks, halving, monkeypatch):
    monkeypatch.setattr(jaxvision.selection.chunk, "TURN", 0.0)  # a step a program: within epochs
    plan, keeper = make_plan(patience=3), Keeper(tmp_path / "kept")
    before, after = ({"chunk": chunk, "halving": halving} for chunk in chunks)
    whole = sweep(plan, CANDIDATES, **before).lanes
    done = stopped_after(163, plan, keeper, **before)
    assert any(keeper.folder.iterdir())
    results, made = the_rest(done, plan, keeper, **after)
    total = sum(len(r.history) for r in whole) * plan.steps
    assert made <= total - 160 + 5 * plan.steps  # no lane begins anew
    assert [(r.lane, r.ended, r.best_epoch) for r in results] == [
        (r.lane, r.ended, r.best_epoch) for r in whole
    ]
    for a, b in zip(results, whole, strict=True):
        if chunks[0] == chunks[1]:
            assert a.history == b.history
        np.testing.assert_allclose(losses(a.history), losses(b.history), rtol=1e-6)


def killed_after(turns, plan, keeper):
    """Leaves on the disk what a process that dies leaves there: what was kept on the way."""
    left = iter(range(turns))

    def observe(steps):
        if next(left, None) is None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(sweep_lanes(plan, CANDIDATES, chunk=5, keeper=keeper, observe=observe))


def test_lanes_are_kept_while_they_train(tmp_path):
    plan, keeper = make_plan(patience=2, score=by_loss), Keeper(tmp_path, seconds=0.0)
    whole = sweep(plan, CANDIDATES, chunk=5).lanes
    killed_after(36, plan, keeper)
    results, made = the_rest([], plan, keeper, chunk=5)
    assert [r.history for r in results] == [r.history for r in whole]
    assert made < sum(len(r.history) for r in whole) * plan.steps


def flip(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (flip, "it is damaged: its sum is another"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "it is damaged: .*header"),
        (
            lambda path: path.write_bytes(path.with_name("1-0-0.safetensors").read_bytes()),
            "it is of {'l",
        ),
    ],
    ids=["flipped", "cut", "another"],
)
def test_a_lane_whose_file_cannot_be_used_begins_anew_and_says_so(tmp_path, damage, why):
    plan, notes = make_plan(epochs=2), []
    keeper = Keeper(tmp_path, note=notes.append)
    whole = sweep(plan, CANDIDATES, chunk=12).lanes
    assert stopped_after(60, plan, keeper, chunk=12) == []
    damage(tmp_path / "0-0-0.safetensors")
    results, _ = the_rest([], plan, keeper, chunk=12)
    assert [r.history for r in results] == [r.history for r in whole]
    (note,) = notes
    assert re.search(
        rf"0-0-0.safetensors cannot be used \({why}.*\): this training begins anew", note
    )


def test_lanes_have_a_fold_where_there_is_more_than_one():
    folds = [[lane.lane.fold for lane in list_lanes(CANDIDATES[:1], (0,), n)] for n in (1, 3)]
    assert folds == [[None], [0, 1, 2]]


def test_a_lane_of_another_network_is_not_taken_for_this_one(tmp_path):
    notes = []
    keeper = Keeper(tmp_path, note=notes.append)
    stopped_after(60, make_plan(epochs=2), keeper, chunk=12)
    wider = make_plan(lambda h, n: job_of(MLP(10, widths=(17,)), optim.momentum(0.1, h["decay"])))
    (group,) = group_lanes(wider, list_lanes(CANDIDATES, (0,), 3), frozenset(), None)
    with pytest.raises(ValueError, match="changes nothing"):
        group.prepare(group.lanes)  # no rate is read: only the state is wanted
    keeper.bring_back(group.lanes[0], group.first_state())
    assert group.lanes[0].state is None and "another network or optimizer" in notes[0]


def test_every_lane_is_kept_and_forgotten_by_itself(tmp_path):
    keeper, lanes = Keeper(tmp_path), list_lanes(CANDIDATES[:2], (0, 7), 2)
    for lane in lanes:
        lane.state = {"x": np.zeros(2)}
    keeper.keep(lanes)
    assert len(list(tmp_path.iterdir())) == 8
    for lane in lanes[:3]:
        keeper.forget(lane.lane)
    assert len(list(tmp_path.iterdir())) == 5
    keeper.clear()
    assert not tmp_path.exists()


@pytest.mark.parametrize("devices", [2, 4])
def test_lanes_spread_over_devices_are_those_of_one(devices):
    code = (
        "import json, jax\n"
        "from jaxvision.selection.sweep import sweep\n"
        "from tests.selection.small import make_plan\n"
        "from tests.selection.test_sweep import CANDIDATES\n"
        "assert jax.device_count() == " + str(devices) + "\n"
        "for chunk in (None, 8):\n"
        "    lanes = sweep(make_plan(epochs=3), CANDIDATES, chunk=chunk).lanes\n"
        "    print(json.dumps([r.history for r in lanes]))\n"
    )
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | flags,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    expected = sweep(make_plan(epochs=3), CANDIDATES).lanes
    for line in done.stdout.splitlines():
        for one, history in zip(expected, json.loads(line), strict=True):
            np.testing.assert_allclose(losses(history), losses(one.history), rtol=1e-6)


BAD = {
    "no candidate": ({"candidates": []}, "`candidates` must hold at least one"),
    "different names": (
        {"candidates": [CANDIDATES[0], {"learning_rate": 0.1}]},
        r"same hyperparameters.*number 1 has \['learning_rate'\]",
    ),
    "no seed": ({"seeds": ()}, "`seeds` must be different whole numbers"),
    "a seed twice": ({"seeds": (1, 1)}, "`seeds` must be different whole numbers"),
    "a negative seed": ({"seeds": (-1,)}, r"`seeds` must be .* in \[0, 2\*\*32\)"),
    "no lane in a chunk": ({"chunk": 0}, "`chunk` must be at least 1, got 0"),
    "nothing dropped": ({"halving": Halving(1, 1)}, "`eta` must be at least 2, got 1"),
    "no first round": ({"halving": Halving(0)}, "`first` must be at least 1 epoch, got 0"),
    "nothing halved": (
        {"halving": Halving(1)},
        "`first` must be below the 1 epochs of a training.*got 1: make it smaller",
    ),
    "fixed and unknown": ({"fixed": ("width",)}, r"`fixed` must name .*\['width'\]"),
    "misspelt": (
        {"candidates": grid({"learning_rat": (0.1,), "decay": (0.9,)})},
        "asks for the hyperparameter `learning_rate`.*Did you mean `learning_rat`",
    ),
    "read by nobody": (
        {"candidates": grid({"learning_rate": (0.1,), "decay": (0.9,), "decai": (0.9,)})},
        "the axis `decai` changes nothing.*Did you mean `decay`",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named_with_the_remedy(case):
    options, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        sweep(make_plan(epochs=1), **({"candidates": CANDIDATES} | options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "`epochs` must be at least 1, got 0"),
        ({"patience": 0}, "`patience` must be at least 1, got 0"),
        ({"max_skipped": 0}, "`max_skipped` must be at least 1, got 0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1, got 0"),
        ({"batch_size": 134}, r"`batch_size` must be in \[1, 133\].*smallest fold, got 134"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        make_plan(**options)


def test_a_fold_without_validation_is_refused():
    nothing = np.full_like(FOLDS.validation, -1)
    with pytest.raises(ValueError, match=r"`folds` must have examples to judge by in each fold"):
        Plan(make_run, make_plan().data, Folds(FOLDS.train, nothing), epochs=1, batch_size=BATCH)


@pytest.mark.parametrize("examples", [150, 199])  # there are 200
def test_folds_of_other_data_are_refused(examples):
    plan = make_plan()
    fewer = {name: a[:examples] for name, a in plan.data.items()}
    message = rf"`folds` must hold rows of the data, which has {examples}, got 199"
    with pytest.raises(ValueError, match=message):
        type(plan)(make_run, fewer, FOLDS, epochs=1, batch_size=BATCH)
