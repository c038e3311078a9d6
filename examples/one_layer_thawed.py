"""One layer thawed by its name, at a lower rate than the head."""

import keras
import tensorflow as tf
from digits import batches, pretrained

import regraft

below, _ = regraft.cut(pretrained(), "relu2")
model = regraft.graft(below, classes=5)
print("names:", ", ".join(regraft.variables(model)))

# The first pattern that matches a whole name counts; the last one says what becomes of all others.
updates = regraft.updates(model, {"head/.*": 0.02, "conv2/.*": 0.002, ".*": None})
print(updates.summary)
assert updates.rates["head/kernel"] > 9 * updates.rates["conv2/kernel"]
before = {name: tf.identity(variable.value) for name, variable in updates.named.items()}

cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
losses = []
for x, y in batches(50):
    with tf.GradientTape() as tape:
        loss = cross_entropy(y, model(x, training=True))
    updates.apply(tape.gradient(loss, updates.variables))
    losses.append(float(loss))

updates.verify()
moved = {name: float(tf.norm(variable.value - before[name])) for name, variable in updates.named.items()}
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}; moved:", {name: round(far, 2) for name, far in moved.items()})
assert losses[-1] < losses[0]
assert set(moved) == {"head/kernel", "head/bias", "conv2/kernel", "conv2/bias"}
assert 0 < moved["conv2/bias"] < moved["head/bias"]
