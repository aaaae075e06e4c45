"""What the units of the bundled networks are called."""

CONCEPTS = (
    "circle", "ring", "square", "triangle", "star", "cross", "heart", "crescent", "spiral", "stripes", "checkerboard",
    "dots",
)  # fmt: skip
#: Units known to answer to two different things, equally often in training.
EITHER_OR = (
    ("star", "stripes"), ("circle", "cross"), ("heart", "checkerboard"), ("ring", "triangle"), ("crescent", "dots"),
    ("square", "spiral"),
)  # fmt: skip
LABELS = CONCEPTS + tuple(f"{a}|{b}" for a, b in EITHER_OR)
JUDGE_LABELS = (*CONCEPTS, "nothing")
