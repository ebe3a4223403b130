"""Fuse: many opinions to one calibrated probability, by weights that are learnt from settled windows.

The posterior log-odds are a weighted sum of five features: the book's middle, and each agent's push away from it. The
weights have a Gaussian posterior that starts at the parameters' priors (the book counts fully, all else little: the
book is better calibrated than most models) and is updated at each settlement by one rank-one Laplace step per sample of
the window (assumed-density filtering of a logistic regression; e.g. Opper & Winther 1998). The interval comes from the
weights' covariance and from fair value's own doubt.
"""

import math

from state.compiled import compiled
from state.desk import FEATURES, Forecast, Opinion, Sight, View
from state.learner import Learner
from state.params import Params
from state.records import Floats
from tools.logodds import probability


@compiled
def fuse(
    params: Params,
    view: View,
    sight: Sight,
    spread: Opinion,
    lead_lag: Opinion,
    flow: Opinion,
    liquidity: Opinion,
    forecast: Forecast,
) -> None:
    """Fill the forecast: probability, interval, and each feature's contribution in log-odds."""
    features = forecast.features_logodds
    features[0] = sight.mid_logodds
    features[1] = spread.shift_logodds
    features[2] = lead_lag.shift_logodds
    features[3] = flow.shift_logodds
    features[4] = liquidity.shift_logodds
    total = 0.0
    for i in range(FEATURES):
        forecast.contributions_logodds[i] = view.weights_ratio[i] * features[i]
        total += forecast.contributions_logodds[i]
    variance = (view.weights_ratio[1] * spread.sd_logodds) ** 2
    for i in range(FEATURES):
        for j in range(FEATURES):
            variance += features[i] * view.weights_var[i, j] * features[j]
    forecast.mid_weight_ratio = view.weights_ratio[0]
    forecast.fair_weight_ratio = view.weights_ratio[1]
    forecast.shift_logodds = (
        forecast.contributions_logodds[2] + forecast.contributions_logodds[3] + forecast.contributions_logodds[4]
    )
    forecast.posterior_logodds = total
    forecast.half_width_logodds = params.interval_z * math.sqrt(max(variance, 0.0))
    forecast.p_up = probability(total)
    forecast.p_low = probability(total - forecast.half_width_logodds)
    forecast.p_high = probability(total + forecast.half_width_logodds)


@compiled
def learn(learner: Learner, features: Floats, up: bool, share: float) -> None:
    """Move the weights towards what one sample of a settled window says.

    Args:
        learner: the weights' posterior, changed in place.
        features: the sample's features in log-odds.
        up: whether the window ended UP.
        share: the sample's weight; the samples of one window share one outcome, so their shares add up to 1.
    """
    total = 0.0
    for i in range(FEATURES):
        total += learner.weights_ratio[i] * features[i]
        reach = 0.0
        for j in range(FEATURES):
            reach += learner.weights_var[i, j] * features[j]
        learner.reach_ratio[i] = reach
    doubt = 0.0
    for i in range(FEATURES):
        doubt += features[i] * learner.reach_ratio[i]
    p_up = probability(total)
    slope = share * p_up * (1.0 - p_up)
    gain = slope / (1.0 + slope * doubt)
    miss = share * ((1.0 if up else 0.0) - p_up) / (1.0 + slope * doubt)
    for i in range(FEATURES):
        learner.weights_ratio[i] += learner.reach_ratio[i] * miss
        for j in range(FEATURES):
            learner.weights_var[i, j] -= gain * learner.reach_ratio[i] * learner.reach_ratio[j]


@compiled
def prior_var(params: Params, feature: int) -> float:
    """Give the prior variance of one weight: the book's own is known better than the agents'."""
    sd = params.mid_sd_ratio if feature == 0 else params.weight_sd_ratio
    return sd * sd


@compiled
def drift(learner: Learner, params: Params) -> None:
    """Let a little of the prior doubt return, so that old windows are forgotten slowly."""
    for i in range(FEATURES):
        prior = prior_var(params, i)
        learner.weights_var[i, i] = min(learner.weights_var[i, i] + params.weight_drift_ratio * prior, prior)


@compiled
def start_weights(learner: Learner, params: Params) -> None:
    """Set the weights to the parameters' priors."""
    for i in range(FEATURES):
        for j in range(FEATURES):
            learner.weights_var[i, j] = 0.0
        learner.weights_var[i, i] = prior_var(params, i)
    learner.weights_ratio[0] = params.mid_weight_ratio
    learner.weights_ratio[1] = params.fair_weight_ratio
    learner.weights_ratio[2] = params.lead_weight_ratio
    learner.weights_ratio[3] = params.flow_weight_ratio
    learner.weights_ratio[4] = params.depth_weight_ratio
