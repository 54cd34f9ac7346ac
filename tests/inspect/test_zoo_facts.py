"""Every network of the zoo as its paper and torchvision count it, read off its program.

Giga-MACs to the digits that torchvision publishes (`_ops` of its weights), for one image of the
size that the network was made for and 1000 classes, or 10 on CIFAR-10 and MNIST. Receptive fields
are those of Araujo et al. 2019 (https://distill.pub/2019/computing-receptive-fields) where they
have the network, and otherwise the sum over its layers.
"""

import pytest

from jaxvision.inspect import summarize_model
from jaxvision.models import make_model

pytestmark = pytest.mark.usefixtures("unchecked")

# Name, options, channels, classes; parameters, giga-MACs; a feature, its field and stride.
FACTS = [
    ("alexnet", {}, 3, 1000, 61_100_840, "0.714", "pool5", 195, 32),
    ("alexnet_2012", {}, 3, 1000, 60_965_224, "0.724", "pool5", 195, 32),
    ("alexnet_2012", {"groups": 1}, 3, 1000, 62_378_344, "1.135", "pool5", 195, 32),
    ("vgg11", {}, 3, 1000, 132_863_336, "7.609", "pool5", 150, 32),
    ("vgg_a_lrn", {}, 3, 1000, 132_863_336, "7.609", "pool5", 150, 32),
    ("vgg13", {}, 3, 1000, 133_047_848, "11.308", "pool5", 156, 32),
    ("vgg_c", {}, 3, 1000, 133_638_952, "11.771", "pool5", 156, 32),
    ("vgg16", {}, 3, 1000, 138_357_544, "15.470", "pool5", 212, 32),
    ("vgg19", {}, 3, 1000, 143_667_240, "19.632", "pool5", 268, 32),
    ("vgg19", {}, 3, 1000, 143_667_240, "19.632", "relu5_1", 156, 16),
    ("vgg11_bn", {}, 3, 1000, 132_868_840, "7.609", "pool5", 150, 32),
    ("vgg13_bn", {}, 3, 1000, 133_053_736, "11.308", "pool5", 156, 32),
    ("vgg16_bn", {}, 3, 1000, 138_365_992, "15.470", "pool5", 212, 32),
    ("vgg19_bn", {}, 3, 1000, 143_678_248, "19.632", "pool5", 268, 32),
    ("nin_cifar10", {}, 3, 10, 966_986, "0.222", "class_maps", 27, 4),
    ("googlenet", {}, 3, 1000, 6_624_904, "1.498", "inception_5b", 379, 32),
    ("googlenet", {"auxiliary": True}, 3, 1000, 13_004_888, "1.498", "inception_5b", 379, 32),
    ("googlenet_2014", {}, 3, 1000, 6_998_552, "1.583", "inception_5b", 715, 32),
    ("googlenet_2014", {"auxiliary": True}, 3, 1000, 13_378_280, "1.583", "inception_5b", 715, 32),
    ("inception_v3", {}, 3, 1000, 23_834_568, "5.713", "mixed_7c", 1311, 32),
    ("inception_v3", {"auxiliary": True}, 3, 1000, 27_161_264, "5.713", "mixed_7c", 1311, 32),
    ("resnet18", {}, 3, 1000, 11_689_512, "1.814", "stage4", 435, 32),
    ("resnet34", {}, 3, 1000, 21_797_672, "3.664", "stage4", 899, 32),
    ("resnet50", {}, 3, 1000, 25_557_032, "4.089", "stage4", 427, 32),
    ("resnet101", {}, 3, 1000, 44_549_160, "7.801", "stage4", 971, 32),
    ("resnet152", {}, 3, 1000, 60_192_808, "11.514", "stage4", 1451, 32),
    ("resnet50_v1", {}, 3, 1000, 25_557_032, "3.858", "stage4", 483, 32),
    ("resnet101_v1", {}, 3, 1000, 44_549_160, "7.570", "stage4", 1027, 32),
    ("resnet152_v1", {}, 3, 1000, 60_192_808, "11.282", "stage4", 1507, 32),
    ("resnext50_32x4d", {}, 3, 1000, 25_028_904, "4.230", "stage4", 427, 32),
    ("resnext101_32x8d", {}, 3, 1000, 88_791_336, "16.414", "stage4", 971, 32),
    ("resnext101_64x4d", {}, 3, 1000, 83_455_272, "15.460", "stage4", 971, 32),
    ("wide_resnet50_2", {}, 3, 1000, 68_883_240, "11.398", "stage4", 427, 32),
    ("wide_resnet101_2", {}, 3, 1000, 126_886_696, "22.753", "stage4", 971, 32),
    ("densenet121", {}, 3, 1000, 7_978_856, "2.834", "bn_final", 2071, 32),
    ("densenet169", {}, 3, 1000, 14_149_480, "3.360", "bn_final", 3351, 32),
    ("densenet201", {}, 3, 1000, 20_013_928, "4.291", "bn_final", 3863, 32),
    ("densenet161", {}, 3, 1000, 28_681_000, "7.728", "bn_final", 2967, 32),
    ("lenet5", {}, 1, 10, 61_706, "0.000417", "s4", 16, 4),
    ("lenet5_original", {}, 1, 10, 60_000, "0.000416", "s4", 16, 4),
    ("cifar_resnet20", {}, 3, 10, 269_722, "0.041", "stage3", 81, 4),
    ("cifar_resnet32", {}, 3, 10, 464_154, "0.069", "stage3", 137, 4),
    ("cifar_resnet44", {}, 3, 10, 658_586, "0.097", "stage3", 193, 4),
    ("cifar_resnet56", {}, 3, 10, 853_018, "0.125", "stage3", 249, 4),
    ("cifar_resnet110", {}, 3, 10, 1_727_962, "0.253", "stage3", 501, 4),
    ("cifar_resnet20_b", {}, 3, 10, 272_474, "0.041", "stage3", 81, 4),
    ("cifar_densenet_40_12", {}, 3, 10, 1_019_722, "0.265", "bn_final", 174, 4),
    ("cifar_densenet_bc_100_12", {}, 3, 10, 769_162, "0.288", "bn_final", 230, 4),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: f"{fact[0]} {fact[6]} {fact[1] or ''}")
def test_counts_and_fields(fact):
    name, options, channels, classes, parameters, gigamacs, feature, size, stride = fact
    model = make_model(name, classes, **options)
    found = summarize_model(model, (model.image_size, model.image_size, channels))
    assert found.parameters == parameters
    digits = len(gigamacs.partition(".")[2])
    assert f"{found.macs / 1e9:.{digits}f}" == gigamacs
    (last,) = (f for f in found.features if f.name == feature)
    assert last.receptive_field == (size, size)
    assert last.stride == (stride, stride)
