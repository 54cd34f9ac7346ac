"""What is drawn of kernels, feature maps and attributions is what was given, pixel for pixel."""

import numpy as np
import pytest

from jaxvision.inspect.pictures import (
    plot_attributions,
    plot_feature_maps,
    plot_filters,
    plot_visualizations,
)
from jaxvision.inspect.pictures.overlays import centred, heat
from jaxvision.inspect.pictures.tiles import scaled


def shown(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def texts(figure):
    return [text.get_text() for text in figure.texts]


def test_colour_kernels_are_colours_around_grey():
    kernel = np.zeros((1, 2, 3, 2), np.float32)
    kernel[0, 0, :, 0] = [1, -1, 0]
    kernel[0, 1, :, 1] = [0, 0, 0.001]  # by itself as large as the other
    first, second = shown(plot_filters(kernel))
    assert first.tolist() == [[[255, 0, 128], [128, 128, 128]]]
    assert second.tolist() == [[[128, 128, 128], [128, 128, 255]]]


def test_grey_kernels_and_those_of_other_numbers_of_channels():
    kernel = np.array([[2.0, -1], [0, 1]], np.float32)
    (tile,) = shown(plot_filters(kernel[:, :, None, None]))
    assert tile.tolist() == [[255, 64], [128, 191]]
    figure = plot_filters(np.stack([kernel, -kernel], axis=2)[..., None].repeat(5, axis=3), most=7)
    tiles = shown(figure)
    assert len(tiles) == 6 and "3 of 5 kernels of 2 channels" in texts(figure)
    np.testing.assert_array_equal(tiles[3], [[0, 191], [128, 64]])
    with pytest.raises(
        ValueError, match=r"`kernel` must be one that fits 64 .* got \[2, 2, 65, 1\]"
    ):
        plot_filters(np.ones((2, 2, 65, 1)))


def test_feature_maps_are_each_scaled_by_themselves():
    feature = np.zeros((1, 2, 4), np.float32)
    feature[0, :, 0] = [1, 2]
    feature[0, :, 1] = [1e-3, 0]
    feature[0, :, 3] = [-1, 0.5]
    figure = plot_feature_maps(feature)
    assert [tile.tolist() for tile in shown(figure)] == [
        [[128, 255]], [[255, 0]], [[0, 0]], [[0, 191]]
    ]  # fmt: skip
    assert {"4 channels, each by itself", "0", "1", "2", "3"} == set(texts(figure))
    figure = plot_feature_maps(feature, [3, 1, 0], most=2)
    assert "2 of 4 channels, each by itself" in texts(figure) and "3" in texts(figure)
    with pytest.raises(ValueError, match=r"`channels` must be some of 0 to 3 .* got \[4\]"):
        plot_feature_maps(feature, [4])
    assert scaled(np.zeros((2, 2))).max() == 0


def test_heat_lies_over_the_grey_picture_red_above_and_blue_below():
    image = np.full((1, 3, 3), 200, np.uint8)
    values = np.array([[1.0, 0, -1]])
    red, none, blue = heat(image, values)[0].tolist()
    assert red == [212, 51, 51] and blue == [51, 107, 212]  # 0.3 * 171 + 0.7 * each of the colour
    assert none == [171, 171, 171]  # 0.4 * 127.5 + 0.6 * 200
    assert heat(image, np.zeros((1, 3)))[0].tolist() == [none] * 3


def test_signed_colours_lie_around_grey():
    values = np.array([[[2.0, 0, -1], [-2, 0, 0]]])
    assert centred(values).tolist() == [[[255, 128, 64], [0, 128, 128]]]
    assert centred(values[..., :1]).tolist() == [[[255] * 3, [0] * 3]]


def test_a_few_extremes_do_not_make_the_rest_invisible():
    values = np.ones((50, 50))
    values[3, 4] = 1e6
    assert (centred(values[..., None]) == 255).all()
    values[10:] = values[3, 4] = 0  # and where most is nothing, the rest keeps its differences
    values[0] = 2
    assert centred(values[..., None])[1, 1].tolist() == [191] * 3


def test_a_row_for_each_image_and_a_column_for_each_attribution():
    images = np.random.default_rng(0).integers(0, 256, (2, 6, 4, 3), np.uint8)
    maps = {"Grad-CAM": images[..., 0] / 255.0, "guided": images / 255.0 - 0.5}
    figure = plot_attributions(images, maps)
    tiles = shown(figure)
    assert len(tiles) == 6
    assert [axes.get_title() for axes in figure.axes[:3]] == ["image", "Grad-CAM", "guided"]
    np.testing.assert_array_equal(tiles[3], images[1])
    np.testing.assert_array_equal(tiles[4], heat(images[1], maps["Grad-CAM"][1]))
    np.testing.assert_array_equal(tiles[5], centred(maps["guided"][1]))


def test_rows_have_names_before_them():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    maps = {"saliency": np.ones((2, 4, 4))}
    named, bare = (
        plot_attributions(images, maps, ["five", "a cat"]),
        plot_attributions(images, maps),
    )
    names = [text.get_text() for axes in named.axes for text in axes.texts]
    assert names == ["five", "a cat"]
    assert named.get_size_inches()[0] > bare.get_size_inches()[0]
    with pytest.raises(ValueError, match="`rows` must be one for each of 2 images"):
        plot_attributions(images, maps, ["five"])


def test_images_made_for_channels_are_pixels():
    images = np.stack([np.full((3, 3, 1), value) for value in (0.0, 0.2, 1.0)])
    figure = plot_visualizations(images, "stage3", [4, 0, 9])
    assert [tile[0, 0] for tile in shown(figure)] == [0, 51, 255]
    assert texts(figure) == ["Made for channels of stage3", "channel 4", "channel 0", "channel 9"]
    with pytest.raises(ValueError, match="`channels` must be one for each of 3"):
        plot_visualizations(images, "stage3", [4])


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ({}, r"`images` must be at least one, .* got shape \[1, 4, 4, 3\] and \[\]"),
        ({"cam": np.zeros((1, 2, 2))}, r"`attributions` must be .* got 'cam' of shape \[1, 2, 2\]"),
        ({"cam": np.full((1, 4, 4), np.nan)}, "`attributions` must be finite"),
    ],
)
def test_what_cannot_be_drawn_is_named(maps, message):
    with pytest.raises(ValueError, match=message):
        plot_attributions(np.zeros((1, 4, 4, 3), np.uint8), maps)
