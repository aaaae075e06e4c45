"""The activation A(z): an objective on a network on transformed images, averaged over transforms."""

from samplevis.activation.activation import Activation, default_param, make_activation

__all__ = ["Activation", "default_param", "make_activation"]
