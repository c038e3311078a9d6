"""How a learning rate goes over the steps of a phase."""

import keras


def schedule(kind: str, peak: float, steps: int, warmup: float) -> keras.optimizers.schedules.LearningRateSchedule:
    """The schedule of one rate.

    Args:
        kind: `cosine` (to zero) or `constant`.
        peak: the rate after the warm-up.
        steps: of the whole phase.
        warmup: the part of the steps during which the rate rises linearly from zero.
    """
    rising = min(round(warmup * steps), max(steps - 1, 0))
    if kind == "cosine":
        return keras.optimizers.schedules.CosineDecay(
            0.0 if rising else peak, max(steps - rising, 1), warmup_target=peak if rising else None, warmup_steps=rising
        )
    if rising:
        return keras.optimizers.schedules.PolynomialDecay(0.0, rising, peak, power=1.0)
    return keras.optimizers.schedules.PiecewiseConstantDecay([steps + 1], [peak, peak])
