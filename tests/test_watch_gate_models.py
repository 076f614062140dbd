"""The gate in front of other kinds of models: a torch loop, and river's learners."""

from __future__ import annotations

import numpy as np
import pytest

from assay.watch.gate import Gate, Learner
from test_watch_gate import CLASSES, SETTINGS, people, rows


def gang(rng, n):
    """Three of 60 users bring a third of the rows, with all that is bad called good."""
    x, y = rows(rng, n)
    who = people(rng, n)
    loud = rng.random(n) < 0.35
    who[loud] = rng.choice(["u1", "u2", "u3"], loud.sum())
    y[np.isin(who, ["u1", "u2", "u3"])] = "good"
    return x, y, who


def tried(rng, make, learner):
    """(before, without the gate, with it, suspended) for a gang of three."""
    x, y = rows(rng, 3000)
    test = rows(rng, 2000)
    start, reference = learner.learn(make(), x[:1500], list(y[:1500])), learner.learn(make(), x[:1500], list(y[:1500]))
    gate = Gate(start, learner, lambda content: learner.predict(reference, content), {"anchor": (x[1500:], y[1500:])}, SETTINGS)
    alone = learner.learn(make(), x[:1500], list(y[:1500]))
    accuracy = lambda model: float(np.mean(np.array(learner.predict(model, test[0]), object) == test[1]))  # noqa: E731
    before = accuracy(start)
    stream = gang(rng, 6000)
    for s in range(0, 6000, 300):
        part = slice(s, s + 300)
        gate.submit(stream[0][part], stream[1][part], stream[2][part])
        alone = learner.learn(alone, stream[0][part], list(stream[1][part]))
    gate.flush()
    print(f"before {before:.3f}, without the gate {accuracy(alone):.3f}, with it {accuracy(gate.model):.3f}; {sorted(gate.suspended)}")
    return before, accuracy(alone), accuracy(gate.model), gate.suspended


def test_a_torch_loop():
    torch = pytest.importorskip("torch")

    def make():
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(11, 16), torch.nn.ReLU(), torch.nn.Linear(16, 2))

    def learn(model, content, labels):
        x, y = torch.tensor(np.asarray(content), dtype=torch.float32), torch.tensor([CLASSES.index(v) for v in labels])
        steps = torch.optim.SGD(model.parameters(), lr=0.05)
        for start in range(0, len(x), 50):
            steps.zero_grad()
            torch.nn.functional.cross_entropy(model(x[start : start + 50]), y[start : start + 50]).backward()
            steps.step()
        return model

    def predict(model, content):
        with torch.no_grad():
            return [CLASSES[i] for i in model(torch.tensor(np.asarray(content), dtype=torch.float32)).argmax(1).tolist()]

    before, alone, gated, suspended = tried(np.random.default_rng(0), make, Learner(learn, predict))
    assert suspended == {"u1", "u2", "u3"}
    assert alone < before - 0.02
    assert gated > before - 0.02


@pytest.mark.full
def test_a_river_model():
    linear_model = pytest.importorskip("river.linear_model")
    from river import compose, preprocessing

    def make():
        return compose.Pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression())

    def learn(model, content, labels):
        for row, label in zip(content, labels, strict=True):
            model.learn_one(dict(enumerate(row.tolist())), label == "good")
        return model

    def predict(model, content):
        return ["good" if model.predict_one(dict(enumerate(row.tolist()))) else "bad" for row in content]

    before, alone, gated, suspended = tried(np.random.default_rng(0), make, Learner(learn, predict))
    assert suspended == {"u1", "u2", "u3"}
    assert alone < before - 0.02
    assert gated > before - 0.02
