"""From Adam to SGD with momentum and a cosine decay: the mean gradient goes along, nothing starts from zero."""

import keras
import numpy as np
import tensorflow as tf
from digits import batches, pretrained

import regraft

below, _ = regraft.cut(pretrained(), "relu2")
model = regraft.graft(below, classes=5)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def train(updates, steps):
    losses = []
    for x, y in batches(steps):
        with tf.GradientTape() as tape:
            loss = cross_entropy(y, model(x, training=True))
        updates.apply(tape.gradient(loss, updates.variables))
        losses.append(float(loss))
    return losses


adam = regraft.updates(model, {"head/.*": 0.02, "conv2/.*": 0.002, ".*": None}, optimizer="adam")
first = train(adam, 25)

rates = {"head/.*": 0.05, "conv2/.*": 0.005, ".*": None}
sgd = regraft.updates(model, rates, optimizer="momentum", schedule="cosine", steps=25, state=adam.state())
print(sgd.summary)
mean, buffer = (one.state().variables["head/kernel"].slots["momentum"] for one in (adam, sgd))
along = float(np.sum(mean * buffer) / (np.linalg.norm(mean) * np.linalg.norm(buffer)))
second = train(sgd, 25)

sgd.verify()
print(f"Adam: loss {first[0]:.2f} -> {first[-1]:.2f}, SGD: {second[0]:.2f} -> {second[-1]:.2f}; cosine {along:.3f}")
assert all((row.done, row.kind, row.to) == ("translate", "adam", "sgd") for row in sgd.carried)
# Keras' SGD keeps the step itself, which goes against the gradient.
assert along < -0.999
assert sum(second[-10:]) < sum(first[-10:])
assert max(sgd.rates.values()) < 1e-6
