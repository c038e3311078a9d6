"""The last 10 layers of a network of your own, from its `.h5` file, Adam's state and all."""

import re
import warnings

import keras
import tensorflow as tf
from digits import batches, pretrained

import regraft

with warnings.catch_warnings(action="ignore"):
    pretrained().save("mine.h5")

source = regraft.open("mine.h5")
model = source.model
print(f"{len(source.report.loaded)} tensors loaded, {len(source.report.missing)} missing")
last = "|".join(re.escape(layer.name) for layer in model.layers[-10:])
updates = regraft.updates(model, {f"({last})/.*": 2e-3, ".*": None}, optimizer="adamw", weight_decay=0.01)
print(updates.summary)

cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
losses = []
for x, y in batches(25):
    with tf.GradientTape() as tape:
        loss = cross_entropy(y, model(x, training=True))
    updates.apply(tape.gradient(loss, updates.variables))
    losses.append(float(loss))

updates.verify()
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")
assert losses[-1] < losses[0]
assert list(updates.named) == [
    "conv2/kernel",
    "conv2/bias",
    "conv3/kernel",
    "conv3/bias",
    "answer/kernel",
    "answer/bias",
]
assert "conv1/kernel" in updates.frozen
