"""A training step of your own that goes over to RMSprop half-way, measuring its second moments first."""

import keras
import tensorflow as tf
from digits import batches, pretrained

import regraft

below, _ = regraft.cut(pretrained(), "relu2")
model = regraft.graft(below, classes=5)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def gradients_of(updates, x, y):
    with tf.GradientTape() as tape:
        loss = cross_entropy(y, model(x, training=True))
    return loss, tape.gradient(loss, updates.variables)


def looking(updates):
    """Gradients of batch after batch, by which no step is taken: what RMSprop is to divide by is measured on them."""
    for x, y in batches(20, seed=1):
        yield gradients_of(updates, x, y)[1]


RATES = {"head/.*": 0.01, "conv2/.*": 0.001, ".*": None}
updates = regraft.updates(model, RATES, optimizer="sgd")
losses = []
for number, (x, y) in enumerate(batches(80)):
    if number == 40:
        updates = regraft.updates(
            model, RATES, optimizer="rmsprop", state=updates.state(), policy="auto", gradients=looking
        )
        print(updates.summary)
    loss, gradients = gradients_of(updates, x, y)
    updates.apply(gradients)
    losses.append(float(loss))

updates.verify()
print(f"loss {losses[0]:.2f} -> SGD {losses[39]:.2f} -> RMSprop {losses[-1]:.2f}")
assert losses[-1] < losses[39] < losses[0]
assert max(losses[40:50]) < losses[0], "no jump at the change"
assert {own.kind for own in updates.state().variables.values()} == {"rmsprop"}
assert {row.to for row in updates.carried} == {"rmsprop"}
