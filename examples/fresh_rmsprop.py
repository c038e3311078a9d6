"""A trained network with a new head, given to a fresh RMSprop."""

import keras
import tensorflow as tf
from digits import batches, pretrained

import regraft

below, _ = regraft.cut(pretrained(), "relu2")
model = regraft.graft(below, classes=5)

# Everything learns, the head ten times as fast; scale and offset of BatchNorm too, but its statistics stay.
updates = regraft.updates(
    model,
    {"head/.*": 0.02, ".*": 0.002},
    optimizer="rmsprop",
    options={"rho": 0.95, "centered": True},
    batch_norm="affine",
)
print(updates.summary)

cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
losses = []
for x, y in batches(40):
    with tf.GradientTape() as tape:
        loss = cross_entropy(y, model(x, training=True))
    updates.apply(tape.gradient(loss, updates.variables))
    losses.append(float(loss))

updates.verify()
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")
assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
assert all(row.done == "reset" and row.steps == 0 for row in updates.carried)
assert {own.steps for own in updates.state().variables.values()} == {40}
assert updates.frozen == ("norm1/moving_mean", "norm1/moving_variance", "norm2/moving_mean", "norm2/moving_variance")
