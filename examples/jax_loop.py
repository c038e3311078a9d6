"""A JAX loop: everything that a step reads and changes is one tuple of values, and a step is a pure function."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras
from digits import batches, pretrained

import regraft

below, _ = regraft.cut(pretrained(), "relu2")
model = regraft.graft(below, classes=5, dropout=0.1)
updates = regraft.updates(
    model, {"head/.*": 0.05, "conv2/.*": 0.005, ".*": None}, schedule="cosine", steps=40, warmup=0.1
)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
print(updates.summary)


def loss(learning, others, x, y):
    logits, others = updates.call(learning, others, x, training=True)
    return cross_entropy(y, logits), others


@jax.jit
def step(values, x, y):
    (now, others), gradients = jax.value_and_grad(loss, has_aux=True)(values.learning, values.others, x, y)
    return now, updates.stateless_apply(values, gradients, others)


values, losses = updates.values(), []
for x, y in batches(40):
    now, values = step(values, x, y)
    losses.append(float(now))

# The model's own variables get the values at the end; its frozen ones are proven to have kept theirs.
updates.put(values)
updates.verify()
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")
assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
assert {own.steps for own in updates.state().variables.values()} == {40}
assert max(updates.rates.values()) < 1e-6, "the cosine has come to its end"
