"""Makes tests/golden/keras, with Keras 3.15 on torch: KERAS_BACKEND=torch python tools/keras_golden.py FOLDER. Nothing else needs Keras.

Three small networks with random weights, each as .keras and as .h5, packed; `expected.json`: four pictures of 9x9, and what Keras says of
them (`sequential`: of pixels 0 .. 255; `functional`, `branched`: of pixels 0 .. 1).
"""

import gzip
import json
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers as k

OUT = Path(sys.argv[1])


def stirred(model, rng):
    for weight in model.weights:
        if "seed" not in weight.path:
            values = rng.normal(0, 0.5, weight.shape)
            weight.assign((np.abs(values) + 0.2 if "variance" in weight.path else values).astype("float32"))
    return model


def sequential():
    return keras.Sequential(
        [
            *(keras.Input((9, 9, 3)), k.Rescaling(1 / 127.5, offset=-1), k.Conv2D(4, 3, padding="same", activation="relu")),
            *(k.MaxPooling2D(2, padding="same"), k.Conv2D(5, 3, strides=2, padding="same", use_bias=False), k.BatchNormalization()),
            *(k.ReLU(max_value=3, negative_slope=0.1), k.Dropout(0.3), k.Flatten(), k.Dense(6, activation="softmax")),
        ]
    )


def functional():
    given = keras.Input((9, 9, 3))
    h = k.AveragePooling2D(2, padding="same")(k.Activation("elu")(k.Conv2D(4, (3, 2), dilation_rate=2, name="first")(given)))
    h = k.Conv2D(4, 1, groups=2, activation="tanh")(k.BatchNormalization(scale=False, epsilon=0.01)(h))
    h = k.BatchNormalization(center=False)(k.Dense(7, activation="gelu")(k.GlobalAveragePooling2D()(h)))
    return keras.Model(given, k.Dense(6)(h))


def branched():
    given = keras.Input((9, 9, 3))
    h = k.Conv2D(4, 3, activation="relu", name="stem")(k.ZeroPadding2D(((1, 0), (0, 2)))(given))
    inner = k.BatchNormalization()(k.Conv2D(4, 3, padding="same", name="inner")(h))
    h = k.ReLU()(k.Add()([inner, h]))
    h = k.Concatenate()([k.Conv2D(2, 1, name="late")(h), k.MaxPooling2D(3, strides=1, padding="same")(h), k.Multiply()([h, inner])])
    both = [k.GlobalAveragePooling2D()(h), k.GlobalMaxPooling2D()(h)]
    h = k.Concatenate(axis=1)([k.Maximum()(both), k.Average()(both), k.Flatten()(k.Conv2D(1, 2, strides=3, name="side")(given))])
    return keras.Model(given, k.Dense(6)(h))


rng = np.random.default_rng(0)
pictures = rng.integers(0, 256, (4, 9, 9, 3), dtype=np.uint8)
expected = {"keras": keras.__version__, "pictures": pictures.tolist()}
for name, model, scale in (("sequential", sequential(), 1.0), ("functional", functional(), 1 / 255), ("branched", branched(), 1 / 255)):
    expected[name] = stirred(model, rng).predict(pictures.astype("float32") * scale, verbose=0).tolist()
    for ending in ("keras", "h5"):
        path = OUT / f"{name}.{ending}"
        model.save(path)
        (OUT / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
        path.unlink()
(OUT / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")
