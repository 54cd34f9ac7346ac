"""`jaxvision.style.trade_off`: each lane of the one program is the painting alone."""

import numpy as np
import pytest

from jaxvision.style.config import Settings
from jaxvision.style.synthesis import paint
from jaxvision.style.trade_off import Lane, paint_grid


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_each_lane_is_the_painting_alone(encoder, picture, optimizer, unchecked):
    content, styles = picture(40, 48), [picture(40, 40, 1), picture(32, 48, 2)]
    shared = {"steps": 4, "coarsest": None, "initial": "noise", "optimizer": optimizer}
    lanes = [Lane(0.05, (1.0, 0.0), 0), Lane(5.0, (1.0, 3.0), 0), Lane(0.05, (2.0, 0.0), 1)]
    found = paint_grid(encoder, content, styles, lanes, Settings(**shared))
    assert found.images.shape == (3, 40, 48, 3)
    for i, lane in enumerate(lanes):
        settings = Settings(
            content_weight=lane.content_weight, mix=lane.mix, seed=lane.seed, **shared
        )
        *_, alone = paint(encoder, content, styles, settings)
        np.testing.assert_allclose(found.images[i], alone.image, atol=5e-3)
        np.testing.assert_allclose(found.losses.total[i], alone.losses.total, rtol=1e-3)
    assert not np.allclose(found.images[0], found.images[2], atol=0.1)


def test_lanes_that_do_not_fit_are_refused(encoder, picture):
    content, styles = picture(40, 48), [picture(40, 40, 1)]
    with pytest.raises(ValueError, match="`lanes` is empty"):
        paint_grid(encoder, content, styles, [])
    for mix in ((1.0, 2.0), (-1.0,), (0.0,)):
        with pytest.raises(ValueError, match="`mix` must have a weight of 0 or more for each of 1"):
            paint_grid(encoder, content, styles, [Lane(0.1, mix)])
