"""What the fusion has learnt: the weights of its features, with their doubt."""

from typing import Annotated

import numpy as np

from state.desk import FEATURES
from state.records import I64, Floats, Record


class Learner(Record):
    """The fusion's weights: their posterior mean and covariance, learnt from settled windows."""

    weights_ratio: Annotated[Floats, np.float64, (FEATURES,)]
    weights_var: Annotated[Floats, np.float64, (FEATURES, FEATURES)]
    reach_ratio: Annotated[Floats, np.float64, (FEATURES,)]
    """Scratch: covariance times features."""
    windows_count: I64
