"""The main job: train an image classifier, test it, use it.

    source -> splits -> feeds -> train step -> progress -> result

`training.train` makes a run, `training.resume` goes on with one, and `classifier` has what a
finished one is for. `config` is apart, so that `--help` need not wait for JAX.
"""
