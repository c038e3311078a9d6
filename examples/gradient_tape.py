"""A `tf.GradientTape` loop: the new head first, then the upper block too, with the optimizer's state kept by name."""

import keras
import tensorflow as tf
from digits import batches, pretrained

import regraft

below, _ = regraft.cut(pretrained(), "relu2")
model = regraft.graft(below, classes=5)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def train(updates, steps):
    @tf.function
    def step(x, y):
        with tf.GradientTape() as tape:
            loss = cross_entropy(y, model(x, training=True))
        updates.apply(tape.gradient(loss, updates.variables))
        return loss

    return [float(step(tf.constant(x), tf.constant(y))) for x, y in batches(steps)]


head_only = regraft.updates(model, {"head/.*": 0.02, ".*": None}, optimizer="rmsprop")
first = train(head_only, 25)
head_only.verify()
print("the head alone:", f"loss {first[0]:.2f} -> {first[-1]:.2f}", head_only.summary, sep="\n")

# The head goes on with what RMSprop has learnt about it; the thawed layer begins to count its steps at zero.
both = regraft.updates(
    model, {"head/.*": 0.01, "conv2/.*": 0.001, ".*": None}, optimizer="rmsprop", state=head_only.state()
)
second = train(both, 25)
both.verify()
print("and the upper block:", f"loss {second[0]:.2f} -> {second[-1]:.2f}", both.summary, sep="\n")

assert first[-1] < first[0]
assert sum(second[-10:]) < sum(first[-10:])
assert {row.variable: (row.done, row.steps) for row in both.carried} == {
    "head/kernel": ("keep", 25),
    "head/bias": ("keep", 25),
    "conv2/kernel": ("reset", 0),
    "conv2/bias": ("reset", 0),
}
