"""An ONNX classifier of pictures run here, as a black box: scores come out, the network inside is not looked at."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.dataset.errors import DataError

Floats = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64, "tensor(uint8)": np.uint8}
CHANNELS = (1, 3, 4)
AT_ONCE = 256  # pictures, where the model takes any number


def available() -> bool:
    """Whether onnxruntime is there."""
    return importlib.util.find_spec("onnxruntime") is not None


@dataclass(frozen=True)
class OnnxModel:
    """Pictures (n, h, w, c) uint8 to scores (n, classes). Numbers go in as 0 .. 1, bytes as they are; put a normalisation into the model.

    An ONNX file holds no code: the operators are the runtime's own, and none is registered here beside them.
    """

    session: Any
    name: str
    dtype: Any
    first: bool  # whether channels stand before height and width
    batch: int | None  # where the model takes one number of pictures only

    @classmethod
    def of(cls, path: Path) -> OnnxModel:
        """DataError where onnxruntime is missing, or the model is none that takes pictures and gives a row of scores for each."""
        if not available():
            raise DataError("is run by onnxruntime, which is not installed", path=path, remedy="pip install 'assay[meaning]'")
        if not path.is_file():
            raise DataError("there is no such file", path=path, remedy="check the path")
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # of its many kinds, which share no name
            raise DataError(f"onnxruntime cannot load it ({error})", path=path, remedy="export it anew") from error
        inputs, outputs = session.get_inputs(), session.get_outputs()
        given = inputs[0]
        if len(inputs) != 1 or len(given.shape) != 4 or given.type not in DTYPES or len(outputs[0].shape) != 2:
            raise DataError("takes no pictures (n, c, h, w) or (n, h, w, c), or gives no row of scores each", path=path)
        first = given.shape[1] in CHANNELS and given.shape[3] not in CHANNELS
        if not first and given.shape[3] not in CHANNELS:
            raise DataError(f"takes {given.shape}: where are the channels?", path=path, remedy="export it with them fixed")
        return cls(session, given.name, DTYPES[given.type], first, given.shape[0] if isinstance(given.shape[0], int) else None)

    def __call__(self, images: UInt8) -> Floats:
        size = self.batch or AT_ONCE
        return np.concatenate([self._scores(images[i : i + size]) for i in range(0, len(images), size)])

    def _scores(self, images: UInt8) -> Floats:
        x = images if self.dtype is np.uint8 else images.astype(self.dtype) / self.dtype(255)
        if self.first:
            x = x.transpose(0, 3, 1, 2)
        missing = (self.batch or len(x)) - len(x)
        if missing:
            x = np.concatenate([x, np.repeat(x[:1], missing, 0)])
        try:
            (scores, *_) = self.session.run(None, {self.name: np.ascontiguousarray(x)})
        except Exception as error:
            raise DataError(f"it does not take pictures of {images.shape[1:]} ({error})", remedy="resize them as in training") from error
        return np.asarray(scores, np.float64)[: len(images)]
