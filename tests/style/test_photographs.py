"""A folder of photographs: all images at any depth, each a square of its middle."""

import numpy as np
import pytest
from PIL import Image

from jaxvision.style.photographs import load_photographs


def test_reads_all_images_below_the_folder_in_the_order_of_their_names(tmp_path):
    def write(name, color, size=(8, 8)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, color).save(path)

    write("b.png", (1, 2, 3), size=(40, 8))
    write("a/deep/1.PNG", (4, 5, 6))
    write("c.bmp", (7, 8, 9), size=(3, 3))
    write(".hidden.png", (0, 0, 0))
    write(".trash/a.png", (0, 0, 0))
    (tmp_path / "notes.txt").write_text("none")
    images = load_photographs(tmp_path, 8)
    assert images.shape == (3, 8, 8, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[:, 3, 3], [[4, 5, 6], [1, 2, 3], [7, 8, 9]])
    assert load_photographs(str(tmp_path), 5).shape == (3, 5, 5, 3)


def test_the_centre_is_kept(tmp_path):
    image = np.zeros((4, 12, 3), np.uint8)
    image[:, 4:8] = 255
    Image.fromarray(image).save(tmp_path / "wide.png")
    assert load_photographs(tmp_path, 4).min() == 255


def test_names_what_cannot_be_used(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        load_photographs(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no images"):
        load_photographs(tmp_path)
    with pytest.raises(ValueError, match="`size` must be a whole number from 1 on, got 0"):
        load_photographs(tmp_path, 0)
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"broken.jpg: is damaged or in none of the formats"):
        load_photographs(tmp_path)
