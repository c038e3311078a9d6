"""Gradual unfreezing by hand: from the head down, one layer a stage, each below at a lower rate."""

import keras
import tensorflow as tf
from digits import batches, pretrained

import regraft

below, _ = regraft.cut(pretrained(), "relu2")
model = regraft.graft(below, classes=5)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
RATE, LOWER, STEPS = 0.02, 2.6, 25

state, losses, rates = None, [], {}
for stage, layer in enumerate(["head", "conv2", "conv1"]):
    rates[f"{layer}/.*"] = RATE / LOWER**stage
    updates = regraft.updates(model, {**rates, ".*": None}, state=state)
    print(f"stage {stage}:", updates.summary, sep="\n")
    for x, y in batches(STEPS, seed=stage):
        with tf.GradientTape() as tape:
            loss = cross_entropy(y, model(x, training=True))
        updates.apply(tape.gradient(loss, updates.variables))
        losses.append(float(loss))
    updates.verify()
    state = updates.state()

# Each layer has seen as many steps as it learnt for: that is what Adam's bias correction has to count.
counts = {name: own.steps for name, own in state.variables.items() if name.endswith("kernel")}
means = [sum(losses[start : start + STEPS]) / STEPS for start in range(0, len(losses), STEPS)]
print("mean loss of each stage:", ", ".join(f"{mean:.2f}" for mean in means), "steps:", counts)
assert counts == {"head/kernel": 3 * STEPS, "conv2/kernel": 2 * STEPS, "conv1/kernel": STEPS}
assert all(name.startswith("norm") for name in updates.frozen)
assert means[2] < means[1] < means[0]
