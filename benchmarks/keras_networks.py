"""The smaller networks of `benchmarks/models.py` in Keras, whose own applications has ResNet-50."""

import keras
from keras import layers


def lenet5():
    return keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            layers.Conv2D(6, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(120, activation="relu"),
            layers.Dense(84, activation="relu"),
            layers.Dense(10),
        ]
    )


def conv_norm(x, features, side, stride=1):
    x = layers.Conv2D(features, side, stride, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def cifar_resnet20_b():
    images = keras.Input((32, 32, 3))
    x = layers.ReLU()(conv_norm(images, 16, 3))
    for stage, features in enumerate((16, 32, 64)):
        for block in range(3):
            stride = 2 if stage > 0 and block == 0 else 1
            y = layers.ReLU()(conv_norm(x, features, 3, stride))
            y = conv_norm(y, features, 3)
            shortcut = x if stride == 1 else conv_norm(x, features, 1, stride)
            x = layers.ReLU()(layers.Add()([shortcut, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(10)(x))
