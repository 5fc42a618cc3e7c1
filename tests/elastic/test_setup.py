"""The settings of the experiment as objects."""

import numpy as np
import pytest

from edgeresearch.elastic.plan import measured
from edgeresearch.elastic.setup import setup
from edgeresearch.params import Params

SMALL = Params().elastic.model_dump()


def test_the_edge_cluster_bounds_the_pods_and_a_longer_lead_keeps_the_phases() -> None:
    world = setup(SMALL)
    edge = SMALL["clusters"]["edge"]
    assert world.capacity.maximum == edge["nodes"] * edge["cores"] == 36
    slow = world.delayed(2)
    assert slow.settings.start_delay == 2 * world.settings.start_delay
    assert slow.window == pytest.approx(world.window)
    assert slow.horizon > world.horizon
    load = measured(np.full(90, 30), settings=world.settings, every=world.every)
    assert load.tolist() == [30.0] * 3
