"""All measures of an evaluation by their names, in the order of the table."""

from __future__ import annotations

from samplevis.analysis.evaluation import (
    diversity,
    forced_choice,
    level,
    path_similarity,
    perceptual_distance,
    plausibility,
    transfer,
)
from samplevis.analysis.evaluation.result import Measure

MEASURES: dict[str, Measure] = {
    "level": level.MEASURE,
    "transfer": transfer.MEASURE,
    "plausibility": plausibility.MEASURE,
    "forced_choice": forced_choice.MEASURE,
    "path_similarity": path_similarity.MEASURE,
    "diversity": diversity.MEASURE,
    "perceptual_distance": perceptual_distance.MEASURE,
}
