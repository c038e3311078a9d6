"""A frozen base inside your model: nothing of it moves, statistics and dropout too, whatever calls it how."""

import keras
import numpy as np
import tensorflow as tf
from digits import batches, pretrained

import regraft

base, _ = regraft.cut(pretrained(), "relu2")
inputs = keras.Input((8, 8, 1))
x = keras.layers.GlobalAveragePooling2D()(base(inputs, training=False))
x = keras.layers.Dropout(0.1, name="own_dropout")(x)
model = keras.Model(inputs, keras.layers.Dense(5, name="answer")(x))

updates = regraft.updates(model, {"answer/.*": 0.05, ".*": None})
print(updates.summary)
before = {name: variable.numpy() for name, variable in regraft.variables(base).items()}

# The base gives the same for a picture every time, called for training; your own dropout above goes on dropping.
(x, y), *_ = batches(1)
assert np.array_equal(base(x, training=True), base(x, training=True))
assert not np.array_equal(model(x, training=True), model(x, training=True))

cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
losses = []
for x, y in batches(50):
    with tf.GradientTape() as tape:
        loss = cross_entropy(y, model(x, training=True))
    updates.apply(tape.gradient(loss, updates.variables))
    losses.append(float(loss))

updates.verify()
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}; {len(updates.frozen)} frozen variables have their bytes")
assert losses[-1] < losses[0]
after = {name: variable.numpy() for name, variable in regraft.variables(base).items()}
assert all(np.array_equal(before[name], after[name]) for name in before if "seed_generator" not in name)

# Afterwards: as random and as trainable as before, so that the file that you save says what the network is.
updates.release()
assert base.get_layer("drop1").rate == 0.1
