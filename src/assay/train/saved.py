"""A trained model as files that hold no code: model.json says what it is, model.npz holds its numbers. No pickle is written or read.

A model is one or many members that vote. A member is linear (rows times scale, less shift, perhaps of length 1, times weights), trees
(nodes in arrays), or one class. `save` turns a fitted estimator into them; `Model.predict` works without scikit-learn's classes, so that a
file stays readable when those change.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.preprocessing import Normalizer, normalize

from assay.dataset.errors import DataError
from assay.dataset.rows import Rows
from assay.harden.ensemble import PartitionedClassifier
from assay.harden.network import NetworkClassifier
from assay.harden.private import PrivateClassifier
from assay.harden.private_network import PrivateNetworkClassifier
from assay.harden.trimmed import TrimmedClassifier
from assay.harden.votes import Certified, plurality, run_off
from assay.model.trees import Trees, of_estimator
from assay.train.features import Features
from assay.train.learners import needed

Floats = NDArray[np.float64]
Int = NDArray[np.int64]
Arrays = dict[str, NDArray[Any]]

SCHEMA = "assay.model/1"
WALKED = ("base", "root", "output", "feature", "threshold", "left", "right", "value")  # of `Trees`, what predicting needs
WEIGHT = "weight."  # before the names of a network's tensors


@dataclass(frozen=True)
class Member:
    """`kind`: linear, forest, boosting or constant; `arrays` its numbers, `classes` (c,) the class codes it tells apart."""

    kind: str
    arrays: Arrays

    def scores(self, x: Any, classes: int) -> Floats:
        """(n, classes): higher is likelier; classes that it never saw have -inf."""
        a, scores = self.arrays, np.full((x.shape[0], classes), -np.inf)
        if self.kind == "constant":
            scores[:, a["classes"]] = 0.0
            return scores
        ways = {"linear": self._linear, "network": self._network}
        said = ways[self.kind](x) if self.kind in ways else self._trees(np.asarray(x, np.float64))
        scores[:, a["classes"]] = np.column_stack([-said, said]) if said.shape[1] == 1 else said
        return scores

    def _linear(self, x: Any) -> Floats:
        a = self.arrays
        if sp.issparse(x):
            diagonal: Any = sp.diags(a["scale"])
            x = x @ diagonal
        else:
            x = x * a["scale"] - a["shift"]
        if a["unit"]:
            x = normalize(x)
        return np.asarray(x @ a["weights"].T + a["bias"])

    def _network(self, x: Any) -> Floats:
        """By the network that Assay makes for this shape, with these weights; needs torch."""
        needed("torch", "torch")
        import torch

        from assay.harden.loop import AT_ONCE, scores_of
        from assay.harden.nets import network
        from assay.harden.network import as_inputs

        a = self.arrays
        inputs = as_inputs(np.asarray(x), tuple(a["shape"].tolist()))
        net = network(tuple(inputs.shape[1:]), len(a["classes"]), private=bool(a["private"]))
        net.load_state_dict({name[len(WEIGHT) :]: torch.from_numpy(array) for name, array in a.items() if name.startswith(WEIGHT)})
        if not a["private"]:
            return np.asarray(scores_of(net, inputs).numpy(), np.float64)
        net.eval()  # in full precision, as PrivateNetworkClassifier answers
        with torch.inference_mode():
            return np.concatenate([net(part).numpy() for part in inputs.split(AT_ONCE)]).astype(np.float64)

    def _trees(self, x: Floats) -> Floats:
        """(n, outputs). DataError where the file has been changed so that a walk would leave the trees, or not end."""
        walked: dict[str, Any] = {name: self.arrays[name] for name in WALKED}
        return Trees(**walked, cover=np.zeros(0), features=x.shape[1], signed=False, single=self.kind == "forest").scores(x)


@dataclass(frozen=True)
class Model:
    """What `assay train` wrote. `feeds`: which members each partition feeds (Finite Aggregation), else None."""

    features: Features
    classes: tuple[str, ...]
    election: str
    members: tuple[Member, ...]
    feeds: Int | None = None

    def predict(self, rows: Rows) -> Int:
        """(n,) class codes, positions in `classes`."""
        return self.certify(rows).prediction

    def certify(self, rows: Rows) -> Certified:
        """Predictions and the poisons that each withstands; the radius of a single model is 0."""
        return self.elected(self.scores(rows))

    def elected(self, scores: Floats) -> Certified:
        """The same, of what the members say of each row (`scores`)."""
        votes = np.asarray(scores.argmax(2), np.int64)
        if self.election == "run-off":
            return run_off(votes, scores, len(self.classes))
        return plurality(votes, len(self.classes), self.feeds)

    def scores(self, rows: Rows) -> Floats:
        """(n, members, classes) what each member says of each row; its vote is for the highest."""
        x = self.features.of(rows)
        return np.stack([member.scores(x, len(self.classes)) for member in self.members], 1)

    def save(self, folder: Path) -> None:
        """Write model.json and model.npz into a folder that is there."""
        arrays = {f"{number}.{name}": value for number, member in enumerate(self.members) for name, value in member.arrays.items()}
        if self.feeds is not None:
            arrays["feeds"] = self.feeds
        told = {
            "schema": SCHEMA,
            "features": self.features.to_json(),
            "classes": list(self.classes),
            "election": self.election,
            "members": [member.kind for member in self.members],
        }
        (folder / "model.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        with (folder / "model.npz").open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, folder: str | Path, sentences: str | Path | None = None) -> Model:
        """A model from its folder; `sentences`: where its sentence encoder lies now, if elsewhere. DataError if it is none."""
        folder = Path(folder)
        for name in ("model.json", "model.npz"):
            if not (folder / name).is_file():
                raise DataError(f"holds no {name}", path=folder, remedy="name a folder that assay train wrote")
        try:
            told = json.loads((folder / "model.json").read_text(encoding="utf-8"))
            if told["schema"] != SCHEMA:
                raise DataError(f"has the schema {told['schema']!r}, not {SCHEMA!r}", path=folder, remedy="train again with this version")
            members: list[Arrays] = [{} for _ in told["members"]]
            feeds = None
            with np.load(folder / "model.npz", allow_pickle=False) as held:
                for key in held.files:
                    number, _, name = key.partition(".")
                    if key == "feeds":
                        feeds = held[key]
                    else:
                        members[int(number)][name] = held[key]
            kinds = zip(told["members"], members, strict=True)
            return cls(
                Features.from_json(told["features"]).beside(sentences),
                tuple(told["classes"]),
                str(told["election"]),
                tuple(Member(str(kind), arrays) for kind, arrays in kinds),
                feeds,
            )
        except (KeyError, TypeError, ValueError, IndexError, BadZipFile) as error:
            raise DataError(f"holds no model that assay train wrote ({error!r})", path=folder, remedy="train again") from error


def model_of(estimator: Any, features: Features, classes: tuple[str, ...]) -> Model:
    """The files' view of a fitted estimator of `assay.train.learners`."""
    if isinstance(estimator, PartitionedClassifier):
        members = [_member(model, estimator.classes_) for model in estimator.models_]
        feeds = estimator.feeds_ if estimator.spread > 1 else None
        return Model(features, classes, estimator.election, tuple(members), feeds)
    if isinstance(estimator, TrimmedClassifier):
        return Model(features, classes, "plurality", (_member(estimator.estimator_, None),))
    return Model(features, classes, "plurality", (_member(estimator, None),))


def member(model: Any, codes: Int) -> Member:
    """The files' view of one member of an ensemble; `codes`: what the positions it was trained on stand for."""
    return _member(model, codes)


def _member(model: Any, codes: Int | None) -> Member:
    """`codes`: what the model's own classes stand for where it was trained on positions; None where they are codes already."""
    if isinstance(model, int):
        assert codes is not None
        return Member("constant", {"classes": codes[[model]]})
    own = np.asarray(model.classes_, np.int64)
    present = own if codes is None else np.asarray(codes, np.int64)[own]
    if isinstance(model, PrivateClassifier):
        d = model.coef_.shape[1]
        half = np.sqrt(0.5)  # the model's rows and constant have this length
        arrays = {"scale": np.ones(d), "shift": np.zeros(d), "unit": np.array(True), "weights": model.coef_ * half}
        return Member("linear", arrays | {"bias": model.intercept_ * half, "classes": present})
    if isinstance(model, NetworkClassifier | PrivateNetworkClassifier):
        tensors = {f"{WEIGHT}{name}": tensor.cpu().numpy() for name, tensor in model.net_.state_dict().items()}
        about = {"shape": np.array(model.shape or (), np.int64), "private": np.array(isinstance(model, PrivateNetworkClassifier))}
        return Member("network", tensors | about | {"classes": present})
    last = model[-1]
    if isinstance(last, HistGradientBoostingClassifier):
        return Member("boosting", _walked(last) | {"classes": present})
    if isinstance(last, RandomForestClassifier):
        return Member("forest", _walked(last) | {"classes": present})
    before, unit = model[0], isinstance(model[0], TfidfTransformer | Normalizer)
    scale = 1 / before.scale_ if not unit else np.ones(last.coef_.shape[1]) if isinstance(before, Normalizer) else np.asarray(before.idf_)
    shift = np.zeros(len(scale)) if unit else before.mean_ / before.scale_
    arrays = {"scale": scale, "shift": shift, "unit": np.array(unit), "weights": last.coef_, "bias": last.intercept_}
    return Member("linear", arrays | {"classes": present})


def _walked(model: Any) -> Arrays:
    trees = of_estimator(model)
    return {name: getattr(trees, name) for name in WALKED}
