"""The networks of `benchmarks/models.py` in PyTorch, as its users write them."""

from itertools import pairwise

import torch
from torch import nn

VGG16 = (64, 64, "pool", 128, 128, "pool", *(256,) * 3, "pool", *(512,) * 3, "pool", *(512,) * 3)


def conv_norm(inputs, outputs, side, stride=1, groups=1):
    conv = nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def lenet5():
    c1, c3 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5)
    before = c1, nn.ReLU(), nn.MaxPool2d(2), c3, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    dense = nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)
    return nn.Sequential(*before, *dense)


class Block(nn.Module):
    """`body` and a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, body, inputs, outputs, stride):
        super().__init__()
        self.body = body
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride)

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def basic(inputs, features, stride):
    first = conv_norm(inputs, features, 3, stride)
    body = nn.Sequential(first, nn.ReLU(inplace=True), conv_norm(features, features, 3))
    return Block(body, inputs, features, stride), features


def bottleneck(inputs, features, stride, groups=1, widen=1):
    inner, outer = widen * features, 4 * features
    body = nn.Sequential(
        conv_norm(inputs, inner, 1),
        nn.ReLU(inplace=True),
        conv_norm(inner, inner, 3, stride, groups),
        nn.ReLU(inplace=True),
        conv_norm(inner, outer, 1),
    )
    return Block(body, inputs, outer, stride), outer


def resnet(stem, block, depths, width, classes):
    layers, inputs = [*stem], width
    for stage, depth in enumerate(depths):
        for number in range(depth):
            stride = 2 if stage > 0 and number == 0 else 1
            layer, inputs = block(inputs, width * 2**stage, stride)
            layers.append(layer)
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes)
    return nn.Sequential(*layers, *head)


def cifar_resnet20_b():
    return resnet((conv_norm(3, 16, 3), nn.ReLU(inplace=True)), basic, (3, 3, 3), 16, 10)


def resnet50(block=bottleneck):
    stem = conv_norm(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)
    return resnet(stem, block, (3, 4, 6, 3), 64, 1000)


def resnext50():
    return resnet50(lambda *settings: bottleneck(*settings, groups=32, widen=2))


class VGG16Features(nn.Module):
    """Every ReLU's output in a list."""

    def __init__(self):
        super().__init__()
        widths = [3] + [width for width in VGG16 if width != "pool"]
        pairs = pairwise(widths)
        self.convolutions = nn.ModuleList(nn.Conv2d(n, m, 3, padding=1) for n, m in pairs)

    def forward(self, x):
        outputs, convolutions = [], iter(self.convolutions)
        for layer in VGG16:
            if layer == "pool":
                x = nn.functional.max_pool2d(x, 2)
            else:
                x = torch.relu(next(convolutions)(x))
                outputs.append(x)
        return outputs
