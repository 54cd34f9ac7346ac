"""Style transfer in PyTorch, as its users write it: the same weights, losses and start as ours."""

import numpy as np
import torch
from torch.nn import functional

STAGES = (2, 2, 3, 3, 1)  # convolutions of VGG-16, as far as relu5_1


class Loss(torch.nn.Module):
    """The loss of an image [1, 3, h, w] in [0, 1], relative as ours is."""

    def __init__(self, encoder, content, style, content_weight, channels_last):
        super().__init__()
        self.weight = content_weight
        layout = torch.channels_last if channels_last else torch.contiguous_format
        params = encoder.variables["params"]
        names = [f"{stage}_{i}" for stage, n in enumerate(STAGES, 1) for i in range(1, n + 1)]
        for name in names:
            kernel = torch.tensor(np.asarray(params[f"conv{name}"]["kernel"]).transpose(3, 2, 0, 1))
            self.register_buffer(f"kernel{name}", kernel.contiguous(memory_format=layout))
            self.register_buffer(f"bias{name}", torch.tensor(params[f"conv{name}"]["bias"]))
        mean, std = (
            torch.tensor(np.array(each, np.float32) / 255).view(1, 3, 1, 1)
            for each in (encoder.preprocessing.mean, encoder.preprocessing.std)
        )
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        with torch.no_grad():
            self.grams, _ = self.look(as_torch(style, layout))
            _, self.content = self.look(as_torch(content, layout))
            self.energies = [(gram**2).mean() / 4 for gram in self.grams]
            self.energy = (self.content**2).mean() / 2

    def look(self, image):
        """The Gram matrices of the first layer of each stage, and relu4_2."""
        x, grams, content = (image - self.mean) / self.std, [], None
        for stage, number in enumerate(STAGES, 1):
            if stage > 1:
                x = functional.avg_pool2d(x, 2)
            for i in range(1, number + 1):
                kernel, bias = (getattr(self, f"{kind}{stage}_{i}") for kind in ("kernel", "bias"))
                x = functional.relu(functional.conv2d(x, kernel, bias, padding=1))
                if i == 1:
                    flat = x.flatten(2)[0]
                    grams.append(flat @ flat.T / flat.shape[1])
                if (stage, i) == (4, 2):
                    content = x
        return grams, content

    def forward(self, image):
        grams, content = self.look(image)
        style = sum(
            ((gram - target) ** 2).mean() / 4 / energy / len(grams)
            for gram, target, energy in zip(grams, self.grams, self.energies, strict=True)
        )
        kept = ((content - self.content) ** 2).mean() / 2 / self.energy
        return style + self.weight * kept


def as_torch(picture, layout=torch.contiguous_format):
    image = torch.tensor(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
    return image.contiguous(memory_format=layout)


def as_picture(image):
    return image.detach()[0].permute(1, 2, 0).contiguous().numpy()


def minimize(loss, image, steps):
    """L-BFGS with its strong Wolfe search, ten pairs; returns the image and the evaluations."""
    image = image.clone().contiguous().requires_grad_(True)
    evaluations = 0
    optimizer = torch.optim.LBFGS(
        [image],
        max_iter=steps,
        max_eval=10 * steps,
        history_size=10,
        tolerance_grad=0,
        tolerance_change=0,
        line_search_fn="strong_wolfe",
    )

    def closure():
        nonlocal evaluations
        evaluations += 1
        optimizer.zero_grad()
        value = loss(image.contiguous(memory_format=torch.channels_last))
        value.backward()
        return value

    optimizer.step(closure)
    return image, evaluations
