"""A PyTorch loop: `backward`, as you know it, and one call that takes the step."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import torch
from digits import batches, pretrained

import regraft

below, _ = regraft.cut(pretrained(), "relu2")
model = regraft.graft(below, classes=5)
updates = regraft.updates(model, {"head/.*": 0.1, "conv2/.*": 0.01, ".*": None}, optimizer="nesterov", clip_norm=1.0)
print(updates.summary)

losses = []
for x, y in batches(60):
    model.zero_grad()
    loss = torch.nn.functional.cross_entropy(model(torch.tensor(x), training=True), torch.tensor(y))
    loss.backward()
    updates.apply([variable.value.grad for variable in updates.variables])
    losses.append(loss.item())

updates.verify()
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")
assert sum(losses[-10:]) < 0.8 * sum(losses[:10])
assert {own.steps for own in updates.state().variables.values()} == {60}
assert not model.get_layer("conv1").kernel.value.requires_grad
