"""A half-trained model with its own optimizer's state, gone on with in another trainable set."""

import keras
import numpy as np
import tensorflow as tf
from digits import batches, network, task

import regraft

cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

# Half-way: the two upper layers learnt, and the file has what Adam knows about them.
half = network()
half.get_layer("conv1").trainable = half.get_layer("norm1").trainable = False
half.compile(keras.optimizers.Adam(0.01), cross_entropy)
half.fit(*task(5), batch_size=64, epochs=2, verbose=0)
half.save("half.keras")

# Now everything but BatchNorm is to learn. Keras would refuse its own optimizer, or give the state to other layers.
model = keras.models.load_model("half.keras")
updates = regraft.updates(model, {"conv1/.*": 0.001, ".*": 0.005}, optimizer=model.optimizer, state=model.optimizer)
print(updates.summary)
steps = int(model.optimizer.iterations)
ages = {row.variable: (row.done, row.steps) for row in updates.carried}
assert ages["conv2/kernel"] == ages["answer/bias"] == ("keep", steps)
assert ages["conv1/kernel"] == ("reset", 0), "a thawed layer counts its own steps"

(before,) = [member for member in half.optimizer.variables if member.path.endswith("answer_kernel_momentum")]
kept = updates.state().variables["answer/kernel"].slots
assert any(np.array_equal(before.numpy(), value) for value in kept.values())

losses = []
for x, y in batches(25):
    with tf.GradientTape() as tape:
        loss = cross_entropy(y, model(x, training=True))
    updates.apply(tape.gradient(loss, updates.variables))
    losses.append(float(loss))

updates.verify()
print(f"loss {np.mean(losses[:5]):.2f} -> {np.mean(losses[-5:]):.2f}")
assert np.mean(losses[-5:]) < np.mean(losses[:5])
assert {own.steps for own in updates.state().variables.values()} == {steps + 25, 25}
