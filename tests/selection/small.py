"""A small real problem that the tests of sweeps share: two hundred digits and an MLP."""

import jax.numpy as jnp
import numpy as np

from jaxvision import optim
from jaxvision.data.batches import ResidentFeed, load_resident
from jaxvision.data.folds import rows_of, stratified_folds
from jaxvision.data.sources import digits
from jaxvision.data.views import Subset
from jaxvision.models import MLP
from jaxvision.selection.plan import Plan
from jaxvision.train import init_state, make_eval_step, make_train_step
from jaxvision.train.job import Job

SOURCE = Subset(digits()["train"], np.arange(200))
DATA = load_resident(SOURCE)
FOLDS = stratified_folds(DATA["label"], 3, seed=0)  # 133 or 134 to learn from
BATCH = 19  # the larger folds have a batch more: 8, with a single example
SIZE = (1, 8, 8, 1)


def normalize(images):
    return images.astype(jnp.float32) / 128 - 1


def job_of(model, optimizer, **options):
    return Job(
        lambda key: init_state(model, optimizer, jnp.zeros(SIZE), key),
        make_train_step(model, optimizer, normalize=normalize, **options),
        make_eval_step(model, normalize=normalize),
    )


def make_run(hyperparameters, steps):
    rate = optim.schedules.cosine(hyperparameters["learning_rate"], steps)
    return job_of(MLP(10, widths=(16,)), optim.momentum(rate, hyperparameters["decay"]))


def make_plan(make_run=make_run, **options):
    settings = {"epochs": 8, "batch_size": BATCH} | options
    return Plan(make_run, DATA, FOLDS, **settings)


def feeds_of(fold, seed, plan):
    """What a single training on this fold reads."""
    train, validation = (
        load_resident(Subset(SOURCE, rows_of(part[fold])))
        for part in (FOLDS.train, FOLDS.validation)
    )
    return (
        ResidentFeed(train, plan.batch_size, seed=seed),
        ResidentFeed(validation, plan.eval_batch, seed=None),
    )
