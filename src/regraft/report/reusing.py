"""How a finished run is used and made again, in lines of Python and in TOML."""

from dataclasses import replace
from pathlib import PurePath

from regraft.core import plan as plans
from regraft.core.plan import Plan
from regraft.core.records import RunRecord

_MOST_TOKENS = 12


def code(record: RunRecord, model: str) -> str:
    """What calls the model of a run in Python.

    Args:
        record: of the run.
        model: its file, as the reader is to write it.
    """
    inputs = record.plan.input
    loaded = ["import keras", f"model = keras.models.load_model({model!r})"]
    if inputs is not None and (inputs.text is not None or inputs.table is not None):
        lines = ["import regraft", f"run = regraft.load({str(PurePath(model).parent)!r})"]
        lines += ["answers = regraft.predict(run, ['new.csv'])  # from words and cells to classes"]
        if inputs.text is not None:
            lines += [f"ids = run.record.plan.input.text.ids(['a text'], {inputs.shape[0]})"]
            lines += ["probabilities = run.model.predict(ids)  # the model itself takes ids of tokens"]
        return "\n".join(lines)
    shape = "as the network takes them"
    if inputs is not None and inputs.is_picture:
        height, width, channels = inputs.shape
        shape = f"raw, 0 to 255, shape (n, {height}, {width}, {channels})"
    return "\n".join([*loaded, f"probabilities = model.predict(pictures)  # {shape}"])


def plan_shown(plan: Plan) -> str:
    """A plan as TOML for people: of a vocabulary only the beginning, and a line that says where the rest is."""
    text = plan.input.text if plan.input is not None else None
    if text is None or (len(text.tokens) <= _MOST_TOKENS and not text.tokenizer):
        return plans.to_toml(plan)
    some = replace(text, tokens=(*text.tokens[:_MOST_TOKENS], "...") if text.tokens else (), tokenizer="")
    shown = plans.to_toml(replace(plan, input=replace(plan.input, text=some)) if plan.input else plan)
    return f"# Only the beginning of the vocabulary is here; all of it is in plan.toml.\n{shown}"


def task(record: RunRecord) -> tuple[str, str]:
    """What the task, and the kind of its data, are called where models are handed on."""
    inputs = record.plan.input
    if inputs is not None and inputs.text is not None:
        return "text-classification", "text"
    if inputs is not None and inputs.table is not None:
        return "tabular-classification", "csv"
    return "image-classification", "imagefolder"
