"""The bundled networks: small, trained on drawings, with units whose meaning is known."""

from samplevis.modelzoo.shapes.drawing import CONCEPTS, draw
from samplevis.modelzoo.shapes.network import EITHER_OR, LABELS, Shapes, ShapesJudge, held_out_accuracy

__all__ = ["CONCEPTS", "EITHER_OR", "LABELS", "Shapes", "ShapesJudge", "draw", "held_out_accuracy"]
