"""The last 20 layers of a MobileNetV2, with a new head."""

import re

import keras
import numpy as np
import tensorflow as tf
from digits import task

import regraft

# With `weights="imagenet"`, and pictures of 96 pixels or more, this is the real thing; here it is to take a second.
network = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)
model = regraft.graft(network, classes=5)

# One pattern for all of them: a rule whose variables can none of them learn, such as those of one frozen BatchNorm,
# would be refused.
last = "|".join(re.escape(layer.name) for layer in network.layers[-20:])
updates = regraft.updates(
    model, {"head/.*": 1e-2, f"({last})/.*": 1e-3, ".*": None}, optimizer="rmsprop", batch_norm="frozen"
)
print(updates.summary)

x, y = task(5)
pictures = tf.image.resize(np.repeat(x[:16], 3, axis=-1) * 2 - 1, (32, 32))
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
losses = []
for _ in range(6):
    with tf.GradientTape() as tape:
        loss = cross_entropy(y[:16], model(pictures, training=True))
    updates.apply(tape.gradient(loss, updates.variables))
    losses.append(float(loss))

updates.verify()
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}; {len(updates.frozen)} frozen variables have their bytes")
assert losses[-1] < losses[0]
owners = {name.partition("/")[0] for name in updates.named} - {"head"}
assert owners <= {layer.name for layer in network.layers[-20:]}
assert owners == {layer.name for layer in network.layers[-20:] if "Conv" in type(layer).__name__}
