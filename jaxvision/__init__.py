"""jaxvision: a functional deep-learning toolkit for vision in JAX.

Pure functions throughout: Flax models `images -> (logits, features)`, train steps that are one
XLA program, and optimizers written from their papers' equations as Optax transformations.

Nothing is imported here, so that `import jaxvision` is free; ask for the part you need:

    from jaxvision import optim
    from jaxvision.models import LeNet5
    from jaxvision.train import fit
"""

__version__ = "0.1.0"
