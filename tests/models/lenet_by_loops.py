"""Both LeNets once more, in NumPy, as the paper has them: one image [h, w, c], unit by unit."""

import itertools

import numpy as np

from jaxvision.models.lenet import C3_TABLE, class_codes


def squash(a):
    return 1.7159 * np.tanh(2 / 3 * a)


def convolve(x, kernels, bias):
    """`kernels`: for each output map, {input map: 5x5 kernel}."""
    h, w = x.shape[0] - 4, x.shape[1] - 4
    y = np.zeros((h, w, len(kernels)))
    for target, sources in enumerate(kernels):
        for i, j in itertools.product(range(h), range(w)):
            y[i, j, target] = bias[target]
            for source, kernel in sources.items():
                y[i, j, target] += np.sum(kernel * x[i : i + 5, j : j + 5, source])
    return y


def full(kernel):
    _, _, sources, targets = kernel.shape
    return [{s: kernel[:, :, s, t] for s in range(sources)} for t in range(targets)]


def windows(x, reduce):
    """Reduces every 2x2 window of [h, w, c] to one unit."""
    h, w = x.shape[0] // 2, x.shape[1] // 2
    y = np.zeros((h, w, x.shape[2]))
    for i, j in itertools.product(range(h), range(w)):
        y[i, j] = reduce(x[2 * i : 2 * i + 2, 2 * j : 2 * j + 2], axis=(0, 1))
    return y


def original_reference(params, image, num_classes):
    def subsample(x, layer):
        return squash(layer["coefficient"] * windows(x, np.sum) + layer["bias"])

    features = {}
    c1 = params["c1"]
    x = features["c1"] = squash(convolve(image, full(c1["kernel"]), c1["bias"]))
    x = features["s2"] = subsample(x, params["s2"])
    stored = iter(np.moveaxis(params["c3"]["kernel"], -1, 0))
    kernels = [{source: next(stored) for source in row} for row in C3_TABLE]
    x = features["c3"] = squash(convolve(x, kernels, params["c3"]["bias"]))
    x = features["s4"] = subsample(x, params["s4"])
    c5 = params["c5"]
    x = features["c5"] = squash(convolve(x, full(c5["kernel"]), c5["bias"])[0, 0])
    x = features["f6"] = squash(x @ params["f6"]["kernel"] + params["f6"]["bias"])
    codes = class_codes(num_classes, 84)
    return [-sum((x[j] - code[j]) ** 2 for j in range(84)) for code in codes], features


def modern_reference(params, image, num_classes):
    del num_classes

    def dense(x, name):
        return x @ params[name]["kernel"] + params[name]["bias"]

    features, x = {}, image
    for conv, pool in (("c1", "s2"), ("c3", "s4")):
        y = convolve(x, full(params[conv]["kernel"]), params[conv]["bias"])
        features[conv] = np.maximum(y, 0)
        x = features[pool] = windows(features[conv], np.max)
    x = features["c5"] = np.maximum(dense(x.reshape(-1), "c5"), 0)
    x = features["f6"] = np.maximum(dense(x, "f6"), 0)
    return dense(x, "output"), features
