"""What is embedded in inference code: log predictions and outcomes, follow an alias.

    from kedge import PredictionLogger, follow

    live = follow("flights")                      # the release that `production` points at
    live.wait(30)
    log = PredictionLogger(live)

    id = log.prediction({"distance": 1089.0, "carrier": "UA"}, 0.31, imputed=["wind_speed"])
    log.outcome(id, truth=False)                  # later, when it is known

Logging costs the caller a few microseconds, blocks nothing and raises nothing: encoding and
sending happen on one background thread, what can't be taken or sent is counted (`log.counts`).
"""

from kedge.sdk.follower import Follower, NoReleaseError, follow
from kedge.sdk.logger import PredictionLogger
from kedge.sdk.releases import LiveRelease
from kedge.sdk.split import Split
from kedge.sdk.tally import Counts

__all__ = [
    "Counts",
    "Follower",
    "LiveRelease",
    "NoReleaseError",
    "PredictionLogger",
    "Split",
    "follow",
]
