"""The bundled networks: small, trained on drawings, with units whose meaning is known."""

from typing import TYPE_CHECKING

from samplevis.runtime.lazy import lazy_exports

# What editors and type checkers read, which take `x as x` for public; the table says the same to Python.
if TYPE_CHECKING:
    from samplevis.modelzoo.shapes.drawing import draw as draw
    from samplevis.modelzoo.shapes.flow_prior import prior as prior
    from samplevis.modelzoo.shapes.fooling import FoolingShapes as FoolingShapes
    from samplevis.modelzoo.shapes.fooling import shown_concepts as shown_concepts
    from samplevis.modelzoo.shapes.labels import CONCEPTS as CONCEPTS
    from samplevis.modelzoo.shapes.labels import EITHER_OR as EITHER_OR
    from samplevis.modelzoo.shapes.labels import LABELS as LABELS
    from samplevis.modelzoo.shapes.network import (
        Shapes as Shapes,
    )
    from samplevis.modelzoo.shapes.network import (
        ShapesJudge as ShapesJudge,
    )
    from samplevis.modelzoo.shapes.network import (
        held_out_accuracy as held_out_accuracy,
    )

# On demand, so that labels can be looked up without TensorFlow.
__getattr__, __dir__, __all__ = lazy_exports(
    __name__,
    {name: "labels" for name in ("CONCEPTS", "EITHER_OR", "LABELS")}
    | {name: "network" for name in ("Shapes", "ShapesJudge", "held_out_accuracy")}
    | {name: "fooling" for name in ("FoolingShapes", "shown_concepts")}
    | {"draw": "drawing", "prior": "flow_prior"},
)
