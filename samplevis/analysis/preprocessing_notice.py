"""One line on a preprocessing that nobody declared, where a run begins."""

from __future__ import annotations

import sys
import warnings

import tensorflow as tf

from samplevis import param
from samplevis.activation import default_param
from samplevis.analysis import preprocessing_checks
from samplevis.analysis.preprocessing_checks import FITS, PreprocessingCheck
from samplevis.network import Network
from samplevis.network.preprocessing import MODES, Preprocessing
from samplevis.runtime import seeds

# Images to judge with.
COUNT = 4


def notify_inferred(network: Network, progress: bool) -> None:
    """Tells which preprocessing was inferred, and warns if that is doubtful.

    Args:
      network: the network; nothing happens if its preprocessing was declared.
      progress: whether to print the line; a warning is issued in any case.

    Example:
      >>> import samplevis
      >>> from samplevis.analysis.preprocessing_notice import notify_inferred
      >>> notify_inferred(samplevis.Network(lambda images: images, value_range=(0, 1)), progress=True)
    """
    if network.inferred is None:
        return
    if network.inferred.evidence != "nothing":
        if progress:
            print(f"samplevis: {network.name!r} gets {network.inferred}", file=sys.stderr)
        return
    if doubt := doubt_of(network):
        warnings.warn(doubt, UserWarning, stacklevel=3)


def doubt_of(network: Network) -> str:
    """What to declare in place of an assumed preprocessing; empty if there is no doubt. Found once for a network.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.analysis.preprocessing_notice import doubt_of
      >>> doubt_of(modelzoo.Shapes())
      ''
    """
    if network.inferred is None or network.inferred.evidence != "nothing":
        return ""
    if network.doubt is None:
        network.doubt = _doubt(network)
    return network.doubt


def preprocessing_words(network: Network) -> str:
    """How images are passed to the model, and what says so, in one line.

    Example:
      >>> from samplevis import modelzoo
      >>> from samplevis.analysis.preprocessing_notice import preprocessing_words
      >>> preprocessing_words(modelzoo.Shapes())
      'value_range=(0, 1): declared'
    """
    if network.inferred is not None:
        return str(network.inferred)
    mean = None if network.mean is None else tuple(map(float, network.mean))
    return f"{Preprocessing('declared', network.value_range, network.bgr, mean).arguments}: declared"


def _doubt(network: Network) -> str:
    """What to declare instead of an assumed preprocessing; empty if the model's responses confirm it."""
    check = _check_scale(network)
    assumed = network.inferred.preprocessing
    start = f"{network.name!r} gets images as {assumed.arguments}, an assumption"
    if check.better is not None:
        return f"{start} that looks wrong. {check.text} Pass samplevis.Network(model, {check.better.arguments})."
    if check.verdict == FITS:
        return ""
    other = MODES["bytes" if assumed == MODES["unit"] else "unit"].arguments
    return (
        f"{start}: {network.inferred.reason}. Pass samplevis.Network(model, {assumed.arguments}) to confirm it, or what the model "
        f"was trained on, such as {other}."
    )


def _check_scale(network: Network) -> PreprocessingCheck:
    noise = default_param(network, network.usual_size, param.fourier)
    images = noise.image(noise.prior(seeds.root(0), COUNT))
    return preprocessing_checks.scale(network, tf.convert_to_tensor(images))
