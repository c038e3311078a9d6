"""The graph of a network at rest as one self-contained HTML page."""

import html
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from regraft import formats
from regraft.core.records import CutPoint
from regraft.core.tensors import Shape, TensorArchive
from regraft.formats.drawing_page import PAGE, POLICY, SCRIPT
from regraft.formats.inspection import cut_points, parameter_count, parameters_below, tensors_by_layer
from regraft.formats.layout import Box, Drawing, drawn

_MARGIN = 28.0
_NOTES = 190.0
_LONGEST_NAME = 23
_LETTERS = 36
_BELOW = 8.0
_TIMES = " \N{MULTIPLICATION SIGN} "

# Kinds of layers that look alike, by a part of the class name; the first that fits counts.
_FAMILIES = (
    ("input", "inputs", ("InputLayer",)),
    ("pool", "pooling and reshaping", ("Pool", "Flatten", "Reshape", "Pad", "Crop", "UpSampling", "Permute", "Repeat")),
    ("conv", "convolutions", ("Conv",)),
    ("dense", "dense, embedding", ("Dense", "Embedding")),
    ("memory", "recurrent, attention", ("LSTM", "GRU", "RNN", "Attention", "Bidirectional", "TimeDistributed")),
    ("norm", "normalisation", ("Norm", "Rescaling")),
    ("act", "activation, dropout", ("ReLU", "Activation", "Softmax", "ELU", "Dropout", "Noise")),
    ("merge", "merging", ("Add", "Concatenate", "Multiply", "Subtract", "Average", "Maximum", "Minimum", "Dot")),
)


def graph_html(path: Path | str) -> str:
    """Draw the graph of a network, from the top down, as a page that needs nothing else; no framework is loaded.

    Layers are boxes with class, shape and parameters; nested models are framed; a line with a number marks every place
    where the network can be cut.

    Args:
        path: a model file that holds an architecture.

    Returns:
        HTML with the drawing inside; it follows the reader's choice of light or dark.

    Raises:
        SourceError: the file cannot be read, or holds weights only.
        CorruptFileError: it is truncated or was altered.
    """
    return page(formats.read(path), Path(path).name)


def page(archive: TensorArchive, heading: str) -> str:
    """The page of an opened archive.

    Args:
        archive: of a file, or made of a live network.
        heading: what the page is called.

    Raises:
        SourceError: it holds weights only.
    """
    graph = formats.graph(archive)
    totals = parameters_below(tensors_by_layer(archive, graph))
    points = {point.name: point for point in cut_points(archive, graph)}
    drawing = drawn(graph)
    parameters = parameter_count(archive)
    layers = sum(1 for box in drawing.boxes if not box.inside and box.operation is not None)
    title = formats.FORMATS[archive.format].TITLE
    facts = f"{title} · {layers:,} layers · {parameters:,} parameters · {len(points)} cut points"
    warnings = "".join(f"<li>{html.escape(warning)}</li>" for warning in archive.warnings)
    return PAGE.format(
        title=html.escape(heading),
        name=html.escape(graph.name),
        facts=html.escape(facts),
        warnings=f'<ul class="warnings">{warnings}</ul>' if warnings else "",
        legend=_legend(drawing, totals),
        jump=_jump(points.values()),
        policy=POLICY,
        script=SCRIPT,
        svg=_svg(drawing, totals, points),
    )


def _svg(drawing: Drawing, totals: Mapping[str, int], points: Mapping[str, CutPoint]) -> str:
    width, height = drawing.width + 2 * _MARGIN + _NOTES, drawing.height + 2 * _MARGIN
    frames = [_frame(box) for box in drawing.boxes if box.inside]
    titles = [_frame_title(box, totals) for box in drawing.boxes if box.inside]
    lines = [_line(line) for line in drawing.lines]
    boxes = [_box(box, totals, points) for box in drawing.boxes if not box.inside]
    cuts = [
        mark for box in drawing.boxes if box.path in points and not box.inside for mark in _cut(box, points, drawing)
    ]
    parts = "\n".join((*frames, *lines, *titles, *cuts, *boxes))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-_MARGIN:.0f} {-_MARGIN:.0f} {width:.0f} {height:.0f}" role="img" '
        f'aria-label="graph of the network">\n'
        f"{parts}\n</svg>"
    )


def _box(box: Box, totals: Mapping[str, int], points: Mapping[str, CutPoint]) -> str:
    kind = box.operation.kind if box.operation else "InputLayer"
    count, learning = _owned(box, totals), _learning(box, totals)
    cut = f' data-cut="{points[box.path].depth}"' if box.path in points else ""
    title = html.escape(_tooltip(box, kind, count, learning))
    mark = f'<path class="mark" d="M{box.x + 1:.1f} {box.y + 7:.1f}h4v{box.height - 14:.0f}h-4z"/>' if learning else ""
    right = box.x + box.width - 12
    # Class and shape stand in one line of so many letters.
    room = max(min(_LONGEST_NAME, _LETTERS - len(_sized(box.shape))), 9)
    return (
        f'<g class="box {_family(kind)} {learning}"{cut}><title>{title}</title>'
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="7"/>{mark}'
        f'<text class="name" x="{box.x + 12:.1f}" y="{box.y + 17:.1f}">{html.escape(_shortened(_local(box)))}</text>'
        f'<text class="kind" x="{box.x + 12:.1f}" y="{box.y + 31:.1f}">{html.escape(_shortened(kind, room))}</text>'
        f'<text class="side" x="{right:.1f}" y="{box.y + 17:.1f}">{_counted(count) if count else ""}</text>'
        f'<text class="side" x="{right:.1f}" y="{box.y + 31:.1f}">{_sized(box.shape)}</text></g>'
    )


def _frame(box: Box) -> str:
    where = f'x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.0f}" height="{box.height:.0f}"'
    return f'<rect class="frame" {where} rx="10"/>'


def _frame_title(box: Box, totals: Mapping[str, int]) -> str:
    kind = box.operation.kind if box.operation else ""
    count = _owned(box, totals)
    return (
        f'<text class="frame-title" x="{box.x + 12:.1f}" y="{box.y + 17:.1f}">'
        f"<title>{html.escape(_tooltip(box, kind, count, ''))}</title>"
        f"{html.escape(_local(box))} · {html.escape(kind)} · {_counted(count)}</text>"
    )


def _line(corners: tuple[tuple[float, float], ...]) -> str:
    (x, y), path = corners[0], ""
    for px, py in corners[1:]:
        bend = (py - y) / 2
        path += f" C{x:.1f} {y + bend:.1f} {px:.1f} {py - bend:.1f} {px:.1f} {py:.1f}"
        x, y = px, py
    return f'<path class="edge" d="M{corners[0][0]:.1f} {corners[0][1]:.1f}{path}"/>'


def _cut(box: Box, points: Mapping[str, CutPoint], drawing: Drawing) -> Iterator[str]:
    """A line across the picture where it can be cut, with what is below it at its right end."""
    point = points[box.path]
    y = box.y + box.height + _BELOW
    right = drawing.width + _MARGIN
    yield f'<path class="cut" d="M{box.x:.1f} {y:.1f}H{right:.1f}"/>'
    yield (
        f'<text class="cut-note" x="{right + 8:.1f}" y="{y + 4:.1f}"><title>{html.escape(point.name)}</title>'
        f"cut {point.depth} · {_counted(point.parameters_below)} below</text>"
    )


def _owned(box: Box, totals: Mapping[str, int]) -> int:
    if box.operation is None:
        return 0
    prefix = box.path.rpartition("/")[0]
    path = box.path if box.path in totals or "#" not in box.path else box.path.rpartition("#")[0]
    return totals.get(path, totals.get(f"{prefix}/{box.operation.layer}" if prefix else box.operation.layer, 0))


def _local(box: Box) -> str:
    if box.operation is None:
        return box.path
    mark = box.path.rpartition("#")[2]
    again = box.path.endswith(f"#{mark}") and mark.isdigit() and not box.operation.layer.endswith(f"#{mark}")
    return f"{box.operation.layer} #{mark}" if again else box.operation.layer


def _learning(box: Box, totals: Mapping[str, int]) -> str:
    """Whether a layer with weights `learns` or is `frozen`; nothing where it has none or the file does not say."""
    learns = box.operation.attributes.get("trainable") if box.operation else None
    if not isinstance(learns, bool) or not _owned(box, totals):
        return ""
    return "learns" if learns else "frozen"


def _tooltip(box: Box, kind: str, count: int, learning: str) -> str:
    parameters = f"{count:,} parameters{f', {learning}' if learning else ''}"
    return f"{box.path}\n{kind}\noutput {_sized(box.shape) or 'of unknown shape'}\n{parameters}"


def _family(kind: str) -> str:
    # Every framework writes them in letters of another size: ReLU, Relu6, RELU.
    kind = kind.lower()
    return next((family for family, _, parts in _FAMILIES if any(part.lower() in kind for part in parts)), "other")


def _jump(points: Iterable[CutPoint]) -> str:
    """A list of the cut points to go to."""
    listed = "".join(
        f'<option value="{point.depth}">cut {point.depth} · {html.escape(_shortened(point.name))}</option>'
        for point in points
    )
    return (
        f'<select aria-label="Go to a cut point"><option value="">cut points ...</option>{listed}</select>'
        if listed
        else ""
    )


def _legend(drawing: Drawing, totals: Mapping[str, int]) -> str:
    kinds = {_family(box.operation.kind if box.operation else "InputLayer") for box in drawing.boxes if not box.inside}
    named = [(family, title) for family, title, _ in _FAMILIES if family in kinds]
    named += [("other", "other")] if "other" in kinds else []
    states = {_learning(box, totals) for box in drawing.boxes if not box.inside}
    named += [(state, state) for state in ("learns", "frozen") if state in states]
    return "".join(f'<span class="key {family}"><i></i>{title}</span>' for family, title in named)


def _shortened(name: str, longest: int = _LONGEST_NAME) -> str:
    return name if len(name) <= longest else f"{name[: longest // 2]}…{name[-(longest - 1) // 2 :]}"


def _sized(shape: Shape | None) -> str:
    return "" if shape is None else _TIMES.join("?" if size is None else str(size) for size in shape) or "1"


def _counted(count: int) -> str:
    """A count in three figures.

    >>> _counted(950), _counted(36_864), _counted(2_162_880)
    ('950', '36.9 k', '2.16 M')
    """
    for limit, unit in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= limit:
            return f"{count / limit:.3g}{unit}"
    return str(count)
