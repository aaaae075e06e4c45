"""ImageNet classes of orange and of blue things."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from samplevis.network.labels import find_label

# ImageNet classes by number, chosen for the colour of the object or of its surroundings.
ORANGE = {
    1: "goldfish", 15: "robin", 121: "king crab", 122: "American lobster", 123: "spiny lobster", 211: "vizsla",
    213: "Irish setter", 277: "red fox", 301: "ladybug", 323: "monarch", 325: "sulphur butterfly", 339: "sorrel",
    365: "orangutan", 430: "basketball", 468: "cab", 555: "fire engine", 779: "school bus", 930: "French loaf",
    932: "pretzel", 933: "cheeseburger", 934: "hotdog", 940: "spaghetti squash", 942: "butternut squash",
    949: "strawberry", 950: "orange", 951: "lemon", 953: "pineapple", 954: "banana", 957: "pomegranate",
    959: "carbonara", 963: "pizza", 966: "red wine", 967: "espresso", 980: "volcano", 985: "daisy",
    986: "yellow lady's slipper", 987: "corn", 989: "hip",
}  # fmt: skip
BLUE = {
    2: "great white shark", 3: "tiger shark", 4: "hammerhead", 5: "electric ray", 6: "stingray", 14: "indigo bunting",
    84: "peacock", 107: "jellyfish", 131: "little blue heron", 147: "grey whale", 148: "killer whale", 149: "dugong",
    392: "rock beauty", 403: "aircraft carrier", 404: "airliner", 460: "breakwater", 484: "catamaran",
    510: "container ship", 525: "dam", 562: "fountain", 628: "liner", 701: "parachute", 718: "pier", 780: "schooner",
    801: "snorkel", 812: "space shuttle", 814: "speedboat", 833: "submarine", 842: "swimming trunks", 871: "trimaran",
    895: "warplane", 908: "wing", 914: "yawl", 970: "alp", 973: "coral reef", 974: "geyser", 975: "lakeside",
    976: "promontory", 978: "seashore", 983: "scuba diver",
}  # fmt: skip


def orange_and_blue(num_classes: int, labels: Sequence[str] | None) -> tuple[list[int], list[int]]:
    """Finds the orange and the blue classes among a network's classes.

    Args:
      num_classes: number of classes.
      labels: name of each class; None to go by number, if there are 1000 or 1001 classes.

    Returns:
      Indices of the orange and of the blue classes; empty if the classes are not those of ImageNet.

    Example:
      >>> from samplevis.analysis.imagenet_colors import orange_and_blue
      >>> orange_and_blue(3, ("goldfish", "zebra", "jellyfish"))
      ([0], [2])
    """
    if labels is not None:
        return _by_name(labels, ORANGE.values(), num_classes), _by_name(labels, BLUE.values(), num_classes)
    # TensorFlow-slim puts a background class before the others.
    first = {1000: 0, 1001: 1}.get(num_classes)
    return ([], []) if first is None else ([first + i for i in ORANGE], [first + i for i in BLUE])


def _by_name(labels: Sequence[str], names: Iterable[str], num_classes: int) -> list[int]:
    indices = []
    for name in names:
        try:
            index = find_label(labels, name)
        except ValueError:
            continue
        if index < num_classes:
            indices.append(index)
    return indices
