"""The same network with random weights that stay as they are, and a head: what the architecture alone is worth.

Random layers are no bad features (Saxe et al. 2011, On Random Weights and Unsupervised Feature Learning): what is no
better than they are owes nothing to what the source had learnt.
"""

import keras
import numpy as np

from regraft.recipes.baselines import linear
from regraft.recipes.baselines.anew import branch_anew
from regraft.recipes.baselines.asking import Answers, Array, Lesson, Task
from regraft.surgery.graft import HEAD
from regraft.training.feeds import PREDICTION_BATCH
from regraft.training.recalibrating import recalibrate
from regraft.training.step import stepper

NAME = "random_trunk"
TITLE = "random trunk"

# Operations that `auto` spends on it, some ten seconds of two cores, and those of a second of them.
AFFORDABLE = 2e11
_SPEED = 2e10
_MEASURED = 4 * PREDICTION_BATCH


def left_out(task: Task, lesson: Lesson, judged: Array) -> str | None:
    """Where its pass would take more than a small part of the time of the run."""
    each = task.found.points[task.plan.cut_point].flops_below
    if each is None:
        return "whose cost is not known"
    needed = float(each) * (len(task.some(lesson.everyone)) + len(judged))
    if needed > AFFORDABLE:
        return f"{needed:.1g} operations"
    seconds, left = needed / _SPEED, max(task.left(), 0.0)
    return f"which would take about {seconds:.0f} s, of {left:.0f} s" if seconds > left else None


def answer(task: Task, lesson: Lesson, judged: Array) -> Answers:
    """The head's answers on what the random trunk makes of the inputs."""
    made = linear.answered(task, lesson, judged, NAME, features)
    also = linear.counted(task, lesson)
    head = "a linear head" if task.plan.head.hidden else "a head"
    return Answers(made, f"fresh weights up to '{task.plan.cut_point}', frozen, and {head} on them{also}")


def features(task: Task, indices: Array) -> Array:
    """What the head reads of the random trunk, float32 (n, width).

    BatchNorm layers are given the statistics of training examples, as those of the source have those of what it was
    trained on; no label is looked at.
    """
    model = _network(task)
    recalibrate(model, task.inputs.blocks(task.found.examples.indices("train")[:_MEASURED]))
    machine = stepper(model)
    return np.concatenate([machine.logits(block) for block in task.inputs.blocks(indices)])


def _network(task: Task) -> keras.Model:
    plan = task.plan
    branch = branch_anew(task.pretrained, plan.cut_point, task.classes, plan.head.taps or (), plan.seed)
    return keras.Model(branch.inputs[0], branch.get_layer(HEAD).input, name="random_trunk")
