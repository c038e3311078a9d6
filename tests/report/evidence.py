"""Evidence of runs that never were: examples of some classes in clouds that come apart."""

import numpy as np

from regraft import report
from regraft.core.evidence import GRID, Answers, EmbeddingMap, Evidence, Pictures, View
from regraft.training.embedding import alike


def answers(count: int, classes: int, right: float = 0.85, seed: int = 0) -> Answers:
    """Answers for examples whose ids follow from their places alone, so that two runs may share them."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) * classes // count
    wrong = random.random(count) > right
    predicted = np.where(wrong, (labels + random.integers(1, max(classes, 2), count)) % classes, labels)
    confidence = random.uniform(0.4, 1.0, count).astype(np.float32)
    ids = np.zeros((count, 16), np.uint8)
    ids[:, :4] = np.arange(count, dtype="<u4")[:, None].view(np.uint8).reshape(count, 4)
    names = tuple(f"class{label}/{index:05}.jpg" for index, label in enumerate(labels))
    right_ones = np.where(predicted == labels, confidence, 1 - confidence).astype(np.float32)
    return Answers(
        ids, names, labels.astype(np.int32), predicted.astype(np.int32), confidence, right_ones.astype(np.float32)
    )


def view(labels: np.ndarray, apart: float, seed: int) -> View:
    random = np.random.default_rng(seed)
    angle = 2 * np.pi * labels / (labels.max() + 1)
    centres = apart * np.stack([np.cos(angle), np.sin(angle)], 1)
    points = centres + random.normal(size=(len(labels), 2))
    low, size = points.min(axis=0), np.ptp(points, axis=0).max()
    places = np.rint((points - low) / size * GRID).astype(np.uint16)
    few = len(labels) <= 2000
    near = alike(points.astype(np.float32), labels) if few else random.random(len(labels))
    return View(points.astype(np.float16), 0.6, near.astype(np.float16), places)


def picture(index: int, side: int = 48) -> np.ndarray:
    ramp = np.linspace(0, 255, side, dtype=np.uint8)
    channels = [np.roll(ramp, 7 * index)[:, None].repeat(side, 1), ramp[None].repeat(side, 0)]
    return np.stack([*channels, np.full((side, side), (index * 40) % 256)], -1).astype(np.uint8)


def evidence(count: int = 300, classes: int = 5, pictured: int = 24, two: bool = True, seed: int = 0) -> Evidence:
    own = answers(count, classes, seed=seed)
    wrong = np.flatnonzero(~own.correct)[: pictured // 2]
    rest = np.setdiff1d(np.arange(0, count, max(1, count // pictured)), wrong)[: pictured - len(wrong)]
    rows = np.concatenate([wrong, rest])
    shown = EmbeddingMap(
        np.arange(count), view(own.labels, 2.5, seed), view(own.labels, 5, seed + 1) if two else None, "t-SNE", 10
    )
    jpeg = report.sprite([picture(int(index)) for index in rows])
    return Evidence(own, shown, Pictures(rows, report.SPRITE_SIDE, report.SPRITE_COLUMNS, jpeg))
