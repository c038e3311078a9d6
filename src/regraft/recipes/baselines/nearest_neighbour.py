"""Answering what the nearest training examples are, by the pooled activations at the cut point."""

from regraft.recipes.baselines.asking import Answers, Array, Lesson, Task, certain
from regraft.training.neighbours import nearest_neighbours

NAME = "nearest_neighbour"
TITLE = "nearest neighbour"


def left_out(task: Task, lesson: Lesson, judged: Array) -> str | None:
    """Never."""
    return None


def answer(task: Task, lesson: Lesson, judged: Array) -> Answers:
    """A vote of the nearest; where training examples are very many, some of them vote: each is compared with each."""
    training, cut_point = task.some(lesson.training), task.plan.cut_point
    given = task.found.pooled([cut_point], training), task.labels[training]
    found = nearest_neighbours(*given, task.found.pooled([cut_point], judged), task.classes)
    among = f" of {len(training):,} training examples" if len(training) < len(lesson.training) else ""
    return Answers(certain(found.predictions, task.classes), f"on the activations at '{cut_point}'{among}")
