"""The activation A(z): the objective's score of the image of latent `z`, averaged over random transforms.

Example:
  >>> from samplevis import activation, modelzoo, param, transform
  >>> a = activation.make_activation(modelzoo.Shapes(), "logits:4", param.fourier(32), transform.jitter(4))
  >>> a.param.image_shape, a.transform
  ((32, 32, 3), Jitter(d=4))
"""

from samplevis.activation.activation import Activation, default_param, make_activation, sized_param

__all__ = ["Activation", "default_param", "make_activation", "sized_param"]
