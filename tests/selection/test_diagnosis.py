"""Each way to go wrong is told from its curves, and what is in use is not proposed again."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.selection.diagnosis import diagnose
from jaxvision.selection.remedies import REMEDIES, USED, remedies_for
from tests.selection.made_up import history_of

E = np.arange(1, 21)  # epochs


def rest(start, end, epochs=E, rate=0.6):
    """A curve that comes to rest at `end`."""
    return end + (start - end) * rate ** (epochs - 1)


def fitted(train=0.97, validation=0.95, **changed):
    """A training that comes to rest, with some of its curves changed."""
    curves = {
        "train_loss": rest(2.0, 0.2),
        "train_accuracy": rest(0.4, train),
        "loss": rest(1.9, 0.22),
        "accuracy": rest(0.45, validation),
    }
    return history_of(**(curves | changed))


def verdict(history, classes=10, **options):
    return diagnose(history, classes=classes, **options).verdict


def test_well_fitted():
    diagnosis = diagnose(fitted(), classes=10)
    assert diagnosis.verdict == "well fitted"
    assert "accuracies of 97.0 % in training and 95.0 % in validation" in diagnosis.evidence
    assert "Measure once on the test set." in diagnosis.remedies


@pytest.mark.parametrize(
    ("changed", "evidence"),
    [
        ({"train_loss": np.where(E == 7, np.nan, 1.0)}, "In epoch 7 a loss or an accuracy was"),
        ({"loss": np.where(E >= 5, np.inf, 1.0)}, "In epoch 5 a loss or an accuracy was not"),
        ({"train_loss": rest(2.0, 0.2) + (E == 20) * 4}, "has risen from 2 to 4.2"),
        # Its units are dead: it guesses, and its loss is that of guessing, ln 10 = 2.30.
        (
            {
                "train_loss": np.where(E > 9, 2.3, rest(2.0, 0.2)),
                "train_accuracy": np.where(E > 9, 0.1, 0.6),
            },
            "was 60.0 % at its best and is 10.0 % at the end, where chance gets 10.0 %; the "
            "training loss is 2.3, and that of guessing 2.3.",
        ),
        # It began to explode within the first epoch.
        (
            {"train_loss": rest(500.0, 60.0), "train_accuracy": 0.1 + 0 * E},
            "the training loss is 60, and that of guessing 2.3",
        ),
    ],
)
def test_diverged(changed, evidence):
    diagnosis = diagnose(fitted(**changed), classes=10)
    assert diagnosis.verdict == "diverged"
    assert evidence in diagnosis.evidence
    assert diagnosis.remedies[0] == "Divide the learning rate by ten."


def test_a_lane_that_ended_so_diverged_though_its_curves_do_not_show_it():
    diagnosis = diagnose(fitted()[:3], classes=10, ended="diverged")
    assert diagnosis.verdict == "diverged"
    assert "no longer finite after 3 whole epochs" in diagnosis.evidence
    assert verdict((), ended="diverged") == "diverged"


def test_a_fine_tuned_network_whose_small_loss_doubles_has_not_diverged():
    train_loss = 0.02 + 0.002 * E  # from 0.022 to 0.06
    assert verdict(fitted(train_loss=train_loss)) != "diverged"


@pytest.mark.parametrize(("epochs", "expected"), [(1, True), (2, True), (3, False)])
def test_too_short(epochs, expected):
    diagnosis = diagnose(fitted()[:epochs], classes=10)
    assert (diagnosis.verdict == "too short") == expected
    if expected:
        assert f"There are {epochs} epochs" in diagnosis.evidence


@pytest.mark.parametrize(
    ("classes", "accuracy", "majority", "expected"),
    [
        (10, 0.14, None, True),  # chance is 0.1, and near it up to 0.1 + 0.05 * 0.9
        (10, 0.15, None, False),
        (2, 0.52, None, True),  # up to 0.525
        (2, 0.53, None, False),
        (1000, 0.0019, None, True),  # up to twice chance
        (1000, 0.0021, None, False),
        (2, 0.90, 0.9, True),  # it says the more frequent class, whatever the image
        (2, 0.91, 0.9, False),
    ],
)
def test_not_learning(classes, accuracy, majority, expected):
    flat = {"train_loss": 0.7 + 0 * E, "loss": 0.7 + 0 * E}
    history = fitted(train_accuracy=accuracy + 0 * E, accuracy=accuracy + 0 * E, **flat)
    diagnosis = diagnose(history, classes=classes, majority=majority)
    assert (diagnosis.verdict == "not learning") == expected
    if expected:
        chance = 100 * (majority or 1 / classes)
        assert f"was above {100 * accuracy:.1f} %, where chance gets {chance:.1f} %" in (
            diagnosis.evidence
        )
        assert "the training loss went from 0.7 to 0.7." in diagnosis.evidence


def test_one_good_accuracy_is_learning():
    flat = {"train_loss": 2.0 + 0 * E, "loss": 2.0 + 0 * E}
    history = fitted(train_accuracy=0.1 + 0 * E, accuracy=np.where(E == 4, 0.6, 0.1), **flat)
    assert verdict(history) != "not learning"


@pytest.mark.parametrize(
    ("height", "expected"), [(0.6, True), (0.2, True), (0.05, False), (0.02, False)]
)
def test_rate_too_high(height, expected):
    # Every other epoch is higher by so much, where all values lie within 1.8.
    diagnosis = diagnose(fitted(train_loss=rest(2.0, 0.2) + height * (E % 2 == 0)), classes=10)
    assert (diagnosis.verdict == "rate too high") == expected
    if expected:
        assert "The training loss rose in 5 of the last 9 epochs" in diagnosis.evidence
        assert diagnosis.remedies[0] == "Divide the learning rate by three, and by ten."


def test_the_rises_are_measured():
    train_loss = np.array([2.0, 1.0, 1.5, 1.0, 1.7, 1.0])
    history = fitted()[:6]
    for record, loss in zip(history, train_loss, strict=True):
        record["train"]["loss"] = loss
    evidence = diagnose(history, classes=10).evidence
    assert "rose in 1 of" not in evidence
    assert "by 0.7 in the mean" not in evidence
    history = fitted()[:7]
    for record, loss in zip(history, [2.0, 1.0, 1.5, 1.0, 1.7, 1.0, 1.6], strict=True):
        record["train"]["loss"] = loss
    # The last three steps are 0.7, -0.7 and 0.6.
    evidence = diagnose(history, classes=10).evidence
    assert (
        "rose in 2 of the last 3 epochs, by 0.65 in the mean, where all its values lie within 1."
        in evidence
    )


def test_rises_that_a_lower_rate_has_ended_are_no_matter():
    early = 0.6 * ((E % 2 == 0) & (E < 10))
    assert verdict(fitted(train_loss=rest(2.0, 0.2) + early)) == "well fitted"


def test_restarts_of_a_schedule_are_not_a_rate_too_high():
    epochs = np.arange(1, 41)  # 2 of the last 19 are higher than the one before
    restarts = 0.5 * ((epochs == 25) | (epochs == 35))
    history = history_of(
        rest(2.0, 0.2, epochs) + restarts,
        rest(0.4, 0.97, epochs),
        rest(1.9, 0.22, epochs),
        rest(0.45, 0.95, epochs),
    )
    assert verdict(history) == "well fitted"
    once = 0.5 * (E == 15)
    assert verdict(fitted(train_loss=rest(2.0, 0.2) + once)) == "well fitted"


def test_the_noise_of_a_fine_tuned_network_is_not_a_rate_too_high():
    # It moves by a fifth of all that it spans, but that is 3 % of the loss.
    assert verdict(fitted(train_loss=0.30 + 0.01 * (E % 2) + 0.03 * 0.5**E)) == "well fitted"


def test_overfit_by_its_loss():
    loss = np.where(E <= 8, rest(2.0, 0.5), 0.5504 + 0.02 * (E - 8))
    diagnosis = diagnose(fitted(loss=loss), classes=10)
    assert diagnosis.verdict == "overfit"
    # Its best is 0.5 + 1.5 * 0.6**7, the median of the last three that of epoch 19.
    assert "has risen from 0.542, its best, in epoch 8, to 0.77 at the end" in diagnosis.evidence
    assert "went on falling, from 0.25 to 0.2." in diagnosis.evidence
    assert "accuracy has not suffered" in diagnosis.evidence
    worse = diagnose(fitted(loss=loss, accuracy=0.95 - 0.001 * E), classes=10)
    assert worse.verdict == "overfit" and "not suffered" not in worse.evidence


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, True),
        ({"train_loss": rest(0.2, 0.3)}, False),  # the training loss does not fall
        ({"loss": rest(2.0, 0.5) + np.where(E > 10, 0.06, 0)}, False),  # 8.7 % of 0.515
        ({"loss": rest(2.0, 0.5) + np.where(E > 10, 0.07, 0)}, True),  # 10.6 %
        ({"loss": rest(2.0, 0.5) + 0.5 * (E == 20)}, False),  # one bad epoch
        ({"loss": np.maximum(rest(2.0, 0.5), 0.54) + 0.5 * (E == 20)}, False),
        ({"loss": rest(2.0, 0.5) + 0.5 * (E >= 19)}, True),  # two of three
        ({"loss": rest(0.1, 0.01) + np.where(E > 10, 0.009, 0)}, False),  # 90 % of next to nothing
        ({"loss": rest(0.1, 0.01) + np.where(E > 10, 0.012, 0)}, True),
    ],
)
def test_what_is_a_rise_of_the_validation_loss(changed, expected):
    curves = {"loss": np.where(E <= 8, rest(2.0, 0.5), 0.9)} | changed
    assert (verdict(fitted(**curves)) == "overfit") == expected


@pytest.mark.parametrize(
    ("train", "validation", "images", "expected"),
    [
        (0.97, 0.93, None, "well fitted"),
        (0.97, 0.91, None, "overfit"),
        (0.97, 0.91, 1000, "overfit"),
        # Of 100 images two standard errors at 0.91 are 0.057, of 80 they are 0.064.
        (0.97, 0.91, 100, "overfit"),
        (0.97, 0.91, 80, "well fitted"),
    ],
)
def test_overfit_by_its_gap(train, validation, images, expected):
    history = fitted(train, validation)
    diagnosis = diagnose(history, classes=10, validation_images=images)
    assert diagnosis.verdict == expected
    if expected == "overfit":
        assert "97.0 % in training and 91.0 % in validation, a gap of 6.0" in diagnosis.evidence


def test_a_gap_and_a_high_training_error_are_both_told():
    diagnosis = diagnose(fitted(0.8, 0.6), classes=10)
    assert diagnosis.verdict == "overfit"
    assert "The training accuracy too is far below 100.0 %" in diagnosis.evidence
    assert "far below" not in diagnose(fitted(0.8, 0.6), classes=10, target=0.85).evidence


def test_the_training_accuracy_is_that_of_half_an_epoch_before():
    # Both rise by 0.004 an epoch: 0.052 apart at the same epoch, but 0.054 when it is measured.
    accuracy = 0.8 + 0.004 * E
    for ahead, expected in ((0.047, False), (0.049, True)):
        history = fitted(train_accuracy=accuracy + ahead, accuracy=accuracy)
        evidence = diagnose(history, classes=10, target=0.5).evidence
        assert ("a gap of" in evidence) == expected
    assert "a gap of 5.1 points" in evidence


def test_the_training_accuracy_moved_on_stays_below_one():
    accuracies = np.concatenate([0.5 + 0 * E[:17], [0.9, 0.95, 1.0]])
    diagnosis = diagnose(fitted(train_accuracy=accuracies, accuracy=0.6 + 0 * E), classes=10)
    # 0.925, 0.975 and 1, not 1.025.
    assert "the accuracy is 96.7 % in training and 60.0 %" in diagnosis.evidence


@pytest.mark.parametrize(
    ("train", "validation", "target", "expected"),
    [
        (0.70, 0.68, 1.0, "underfit"),
        (0.89, 0.88, 1.0, "underfit"),
        (0.91, 0.90, 1.0, "well fitted"),
        (0.70, 0.68, 0.75, "well fitted"),
        (0.70, 0.92, 1.0, "well fitted"),  # strong augmentation: it can do better than it trains
    ],
)
def test_underfit(train, validation, target, expected):
    diagnosis = diagnose(fitted(train, validation), classes=10, target=target)
    assert diagnosis.verdict == expected
    if expected == "underfit":
        assert (
            f"come to rest at {100 * train:.1f} %, where 100.0 % are thought attainable, and that "
            f"of the validation at {100 * validation:.1f} %." in diagnosis.evidence
        )
        assert diagnosis.remedies[0].startswith("Take a larger network")


def test_what_makes_training_harder_is_told_of_a_high_training_error():
    evidence = diagnose(fitted(0.7, 0.7), classes=10, used=["dropout", "augmentation"]).evidence
    assert "measured with augmentation and dropout" in evidence
    assert "measured" not in diagnose(fitted(0.7, 0.7), classes=10, used=["weight_decay"]).evidence


def test_still_improving():
    history = fitted(loss=2.0 - 0.05 * E, accuracy=0.45 + 0.02 * E, train_accuracy=0.4 + 0.02 * E)
    diagnosis = diagnose(history, classes=10)
    assert diagnosis.verdict == "still improving"
    # From epoch 16 to epoch 20.
    assert diagnosis.evidence == (
        "The last 4 of 20 epochs improved validation, the loss from 1.2 to 1 and the accuracy from "
        "77.0 % to 85.0 %."
    )
    assert diagnosis.remedies[0].startswith("Train for more epochs")


def test_a_gap_is_told_of_what_still_improves():
    history = fitted(loss=2.0 - 0.05 * E, train_accuracy=0.55 + 0.02 * E, accuracy=0.45 + 0.02 * E)
    diagnosis = diagnose(history, classes=10)
    assert diagnosis.verdict == "still improving"
    assert "a gap of 11.0 points" in diagnosis.evidence


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"accuracy": 0.9 + np.where(E > 16, 0.009, 0)}, False),
        ({"accuracy": 0.9 + np.where(E > 16, 0.011, 0)}, True),
        ({"accuracy": 0.9 + np.where(E > 15, 0.011, 0)}, False),  # more than a fifth ago
        ({"loss": 1.0 - np.where(E > 16, 0.019, 0)}, False),
        ({"loss": 1.0 - np.where(E > 16, 0.021, 0)}, True),
        ({"loss": 0.1 - np.where(E > 16, 0.009, 0)}, False),  # 9 % of next to nothing
    ],
)
def test_what_is_an_improvement(changed, expected):
    curves = {"accuracy": 0.9 + 0 * E, "train_accuracy": 0.92 + 0 * E, "loss": 0.5 + 0 * E}
    assert (verdict(fitted(**curves | changed)) == "still improving") == expected


def test_steps_that_were_left_out_are_told():
    history = fitted()
    history[2]["skipped"], history[5]["skipped"] = 3, 1
    evidence = diagnose(history, classes=10).evidence
    assert "4 steps were left out because they were not finite" in evidence
    assert "left out" not in diagnose(fitted(), classes=10).evidence


@pytest.mark.parametrize("name", USED)
def test_what_is_in_use_is_not_proposed_again(name):
    proposed = {r.sentence for r in REMEDIES["overfit"] if r.unless == name}
    assert len(proposed) == 1
    assert proposed <= set(remedies_for("overfit", ()))
    assert proposed.isdisjoint(remedies_for("overfit", {name}))
    for of in REMEDIES:
        turned = {remedy.sentence for remedy in REMEDIES[of] if remedy.only == name}
        assert turned.isdisjoint(remedies_for(of, ()))
        assert turned <= set(remedies_for(of, {name}))


def test_diagnose_knows_what_is_in_use():
    history = fitted(0.99, 0.8)
    assert "Augment the training images." in diagnose(history, classes=10).remedies
    remedies = diagnose(history, classes=10, used={"augmentation"}).remedies
    assert "Augment the training images." not in remedies
    assert "Augment more strongly." in remedies


def test_who_ended_for_lack_of_patience_stops_early_already():
    history = fitted(0.99, 0.8)
    early = "Stop early, at the best epoch by validation."
    assert early in diagnose(history, classes=10).remedies
    assert early not in diagnose(history, classes=10, ended="patience").remedies


def test_each_verdict_has_remedies_left_when_all_is_in_use():
    for name in REMEDIES:
        assert remedies_for(name, USED)


def test_is_printed_as_sentences():
    lines = str(diagnose(fitted(), classes=10)).splitlines()
    assert lines[0].startswith("Well fitted. The curves have come to rest at")
    assert lines[1] == "- Measure once on the test set." and len(lines) == 3


numbers = st.floats(0, 1e6) | st.just(math.nan) | st.floats(0, 3)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(numbers, st.floats(0, 1), numbers, st.floats(0, 1)), min_size=1, max_size=9),
    st.sampled_from([2, 10, 1000]),
    st.sets(st.sampled_from(list(USED))),
)
def test_every_history_has_a_verdict(values, classes, used):
    diagnosis = diagnose(history_of(*zip(*values, strict=True)), classes=classes, used=used)
    assert diagnosis.verdict in REMEDIES
    assert diagnosis.remedies == remedies_for(diagnosis.verdict, used)
    assert diagnosis.evidence.endswith(".")
    finite = np.isfinite(values).all()
    assert finite or diagnosis.verdict == "diverged"


def without(part, name):
    history = fitted()
    del history[4][part][name]
    return history


@pytest.mark.parametrize(
    ("history", "options", "message"),
    [
        ((), {}, "`history` must hold at least one epoch, got none: train first"),
        (without("train", "loss"), {}, "`history` must have a loss .*, got one without 'loss'"),
        (without("validation", "accuracy"), {}, "got one without 'accuracy'"),
        (fitted(accuracy=97.0 + 0 * E), {}, r"accuracies in \[0, 1\], got 97: pass fractions"),
        (fitted(), {"classes": 1}, "`classes` must be at least 2, got 1"),
        (fitted(), {"used": {"drop_out"}}, "`used` is unknown: 'drop_out'. Did you mean `dropout`"),
        (fitted(), {"ended": "early"}, "`ended` is unknown: 'early'"),
        (fitted(), {"target": 95.0}, r"`target` must be in \(0, 1\], a fraction, got 95.0"),
        (fitted(), {"target": 0.0}, r"`target` must be in \(0, 1\]"),
        (fitted(), {"majority": 0.05}, r"`majority` must be in \[0.1, 1\), got 0.05"),
        (fitted(), {"majority": 1.0}, r"`majority` must be in \[0.1, 1\), got 1.0"),
        (fitted(), {"validation_images": 0}, "`validation_images` must be at least 1, got 0"),
    ],
)
def test_bad_input_is_named(history, options, message):
    with pytest.raises(ValueError, match=message):
        diagnose(history, **({"classes": 10} | options))
