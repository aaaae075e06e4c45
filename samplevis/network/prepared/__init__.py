"""A model rewritten for fast gradients: the same values from fewer operations, while the user's model stays as it is.

- What does nothing at inference is left out: dropout, noise, random augmentation, linear activations.
- Affine maps of the channels (`BatchNormalization`, `Rescaling`, `Normalization`) are folded into the convolution or dense layer
  before them, or after them where its padding allows.
- A first convolution with a stride is computed on blocks of pixels, where no graphics processor is in use.

A rewriting belongs to the layers that are asked for: the values of a layer that an objective reads are never folded away.
"""

from samplevis.network.prepared.prepared import Changes, Prepared

__all__ = ["Changes", "Prepared"]
