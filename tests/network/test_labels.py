"""Labels: as many as the outputs, whatever the kind of model."""

from __future__ import annotations

import keras
import pytest
import tensorflow as tf
import tf_keras

from samplevis import Network


def classifier(library=keras, classes=3, name="out", shape=(8, 8, 3)):
    layers = library.layers
    start = keras.Input(shape) if library is keras else layers.InputLayer(shape)
    body = [layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(classes, "softmax", name=name)]
    return library.Sequential([start, *body])


def two_heads():
    image = keras.Input((8, 8, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(7, 3)(image))
    return keras.Model(image, [keras.layers.Dense(3, name="a")(x), keras.layers.Dense(5, name="b")(x)])


def saved(model, folder):
    model.export(str(folder), verbose=False)
    return tf.saved_model.load(str(folder))


KINDS = {
    "Keras 3": (lambda folder: classifier(), {3}),
    "tf_keras": (lambda folder: classifier(tf_keras), {3}),
    "two heads": (lambda folder: two_heads(), {3, 5}),
    "SavedModel": (lambda folder: saved(classifier(), folder), {3}),
    "SavedModel of two heads": (lambda folder: saved(two_heads(), folder), {3, 5}),
    "segmentation": (lambda folder: keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(4, 1)]), {4}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_as_many_as_the_outputs(kind, tmp_path):
    make, widths = KINDS[kind]
    model = make(tmp_path)
    for count in range(1, 8):
        names = [f"class {number}" for number in range(count)]
        if count in widths:
            assert len(Network(model, labels=names).labels) == count
            continue
        with pytest.raises(ValueError, match=rf"^labels: expected {min(widths)}.*Received: {count}, "):
            Network(model, labels=names)
        if count > max(widths):
            with pytest.raises(ValueError, match="^labels: expected"):
                _ = Network(model, labels=lambda names=names: names).labels


def test_hints_say_what_is_likely():
    with pytest.raises(ValueError, match="the class for which it is high"):
        Network(classifier(classes=1), labels=["cat", "dog"])
    with pytest.raises(ValueError, match="background"):
        Network(classifier(), labels=["cat", "dog"])
