"""A `tf.train.Checkpoint` of model and optimizer: restore the weights only, and go on with another optimizer."""

import keras
import numpy as np
import tensorflow as tf
from digits import batches, network, pretrained

import regraft

# Somebody saved both.
trained = pretrained()
path = tf.train.Checkpoint(model=trained, optimizer=trained.optimizer).save("checkpoint/step")

# You want the weights; the Adam that made them stays in the file.
model = network()
tf.train.Checkpoint(model=model).restore(path).expect_partial().assert_existing_objects_matched()
kernel = model.get_layer("conv1").kernel.numpy()
assert np.array_equal(kernel, trained.get_layer("conv1").kernel.numpy())

updates = regraft.updates(model, {"answer/.*": 0.01, "conv3/.*": 0.001, ".*": None}, optimizer="momentum")
print(updates.summary)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
losses = []
for x, y in batches(25, first=5):
    with tf.GradientTape() as tape:
        loss = cross_entropy(y, model(x, training=True))
    updates.apply(tape.gradient(loss, updates.variables))
    losses.append(float(loss))

updates.verify()
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")
assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
assert np.array_equal(kernel, model.get_layer("conv1").kernel.numpy())
assert {own.kind for own in updates.state().variables.values()} == {"sgd"}
