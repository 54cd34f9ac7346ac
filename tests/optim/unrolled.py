"""The optimizers once more, in NumPy and double precision, without a state.

Where the library goes from step to step, these look back over all gradients at once: a moving
average is a weighted sum, and every update is computed from the beginning. So the two share neither
code nor order of operations, and hardly a mistake. Each takes gradients [t, n] and rates [t] and
returns the updates [t, n].
"""

import numpy as np


def decaying_sum(values, decay):
    """sum_{s <= t} decay^(t-s) values_s for each t."""
    t = np.arange(len(values))
    weights = np.tril(np.power(float(decay), np.maximum(t[:, None] - t, 0)))
    return weights @ values


def ema(values, decay):
    return (1 - decay) * decaying_sum(values, decay)


def corrected_ema(values, decay):
    """The weighted mean: weights (1 - decay) decay^(t-s), divided by what they sum to."""
    return decaying_sum(values, decay) / decaying_sum(np.ones_like(values), decay)


def sgd(g, eta):
    return -eta[:, None] * g


def momentum(g, eta, gamma):
    return -decaying_sum(eta[:, None] * g, gamma)


def heavy_ball(g, eta, beta):
    return -eta[:, None] * decaying_sum(g, beta)


def ema_momentum(g, eta, a):
    return -eta[:, None] * ema(g, 1 - a)


def nesterov(g, eta, mu):
    """phi_{t+1} - phi_t of phi_t = theta_t + mu v_t, where theta_t is the sum of velocities."""
    v = -decaying_sum(eta[:, None] * g, mu)
    theta = np.cumsum(v, axis=0)
    return np.diff(theta + mu * v, axis=0, prepend=np.zeros((1, g.shape[1])))


def adagrad(g, eta, eps, initial):
    return -eta[:, None] * g / np.sqrt(initial + np.cumsum(g**2, axis=0) + eps)


def rmsprop(g, eta, rho, eps, momentum=0.0):
    u = g / np.sqrt(ema(g**2, rho) + eps)
    return -decaying_sum(eta[:, None] * u, momentum)


def centered_rmsprop(g, eta, rho, eps, momentum=0.0):
    """By the variance about the mean: sum_s w_s (g_s - m)^2 + (1 - sum_s w_s) m^2 = E - m^2."""
    variance = np.empty_like(g)
    for t in range(len(g)):
        weights = (1 - rho) * rho ** np.arange(t, -1.0, -1.0)[:, None]
        m = np.sum(weights * g[: t + 1], axis=0)
        about_mean = np.sum(weights * (g[: t + 1] - m) ** 2, axis=0)
        variance[t] = about_mean + rho ** (t + 1) * m**2
    u = g / np.sqrt(variance + eps)
    return -decaying_sum(eta[:, None] * u, momentum)


def adadelta(g, eta, rho, eps):
    E = ema(g**2, rho)
    u = np.zeros_like(g)
    for t in range(len(g)):
        D = ema(u[:t] ** 2, rho)[-1] if t else 0.0
        u[t] = g[t] * np.sqrt((D + eps) / (E[t] + eps))
    return -eta[:, None] * u


def adam(g, eta, b1, b2, eps, eps_root):
    mean, square = corrected_ema(g, b1), corrected_ema(g**2, b2)
    return -eta[:, None] * mean / (np.sqrt(square + eps_root) + eps)


def adam_uncorrected(g, eta, b1, b2, eps):
    return -eta[:, None] * ema(g, b1) / np.sqrt(ema(g**2, b2) + eps)


def nadam(g, eta, b1, b2, eps):
    """The mean that Adam would have after one gradient more, if that were as the mean is now."""
    t = np.arange(1, len(g) + 1)[:, None]
    mean = b1 * ema(g, b1) / (1 - b1 ** (t + 1)) + (1 - b1) * g / (1 - b1**t)
    return -eta[:, None] * mean / (np.sqrt(corrected_ema(g**2, b2)) + eps)


def adamax(g, eta, b1, b2, eps):
    largest = np.empty_like(g)
    for t in range(len(g)):
        faded = b2 ** np.arange(t, -1.0, -1.0)[:, None]
        largest[t] = np.max(faded * (np.abs(g[: t + 1]) + eps), axis=0)
    return -eta[:, None] * corrected_ema(g, b1) / largest
