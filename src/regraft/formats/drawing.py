"""The graph of a network at rest as one self-contained HTML page."""

import html
from collections.abc import Iterator, Mapping
from pathlib import Path

from regraft import formats
from regraft.core.records import CutPoint
from regraft.core.tensors import Shape, TensorArchive
from regraft.formats.inspection import cut_points, parameter_count, parameters_below, tensors_by_layer
from regraft.formats.layout import Box, Drawing, drawn

_MARGIN = 28.0
_NOTES = 190.0
_LONGEST_NAME = 23
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
    return _PAGE.format(
        title=html.escape(heading),
        name=html.escape(graph.name),
        facts=html.escape(facts),
        warnings=f'<ul class="warnings">{warnings}</ul>' if warnings else "",
        legend=_legend(drawing),
        svg=_svg(drawing, totals, points),
    )


def _svg(drawing: Drawing, totals: Mapping[str, int], points: Mapping[str, CutPoint]) -> str:
    width, height = drawing.width + 2 * _MARGIN + _NOTES, drawing.height + 2 * _MARGIN
    frames = [_frame(box) for box in drawing.boxes if box.inside]
    titles = [_frame_title(box, totals) for box in drawing.boxes if box.inside]
    lines = [_line(line) for line in drawing.lines]
    boxes = [_box(box, totals) for box in drawing.boxes if not box.inside]
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


def _box(box: Box, totals: Mapping[str, int]) -> str:
    kind = box.operation.kind if box.operation else "InputLayer"
    count = _owned(box, totals)
    right = box.x + box.width - 12
    return (
        f'<g class="box {_family(kind)}"><title>{html.escape(_tooltip(box, kind, count))}</title>'
        f'<rect x="{box.x:.1f}" y="{box.y:.1f}" width="{box.width:.0f}" height="{box.height:.0f}" rx="7"/>'
        f'<text class="name" x="{box.x + 12:.1f}" y="{box.y + 17:.1f}">{html.escape(_shortened(_local(box)))}</text>'
        f'<text class="kind" x="{box.x + 12:.1f}" y="{box.y + 31:.1f}">{html.escape(_shortened(kind))}</text>'
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
        f"<title>{html.escape(_tooltip(box, kind, count))}</title>"
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
    path = box.path if box.path in totals else box.path.rpartition("#")[0]
    return totals.get(path, totals.get(f"{prefix}/{box.operation.layer}" if prefix else box.operation.layer, 0))


def _local(box: Box) -> str:
    if box.operation is None:
        return box.path
    mark = box.path.rpartition("#")[2]
    again = box.path.endswith(f"#{mark}") and mark.isdigit() and not box.operation.layer.endswith(f"#{mark}")
    return f"{box.operation.layer} #{mark}" if again else box.operation.layer


def _tooltip(box: Box, kind: str, count: int) -> str:
    return f"{box.path}\n{kind}\noutput {_sized(box.shape) or 'of unknown shape'}\n{count:,} parameters"


def _family(kind: str) -> str:
    return next((family for family, _, parts in _FAMILIES if any(part in kind for part in parts)), "other")


def _legend(drawing: Drawing) -> str:
    kinds = {_family(box.operation.kind if box.operation else "InputLayer") for box in drawing.boxes if not box.inside}
    named = [(family, title) for family, title, _ in _FAMILIES if family in kinds]
    named += [("other", "other")] if "other" in kinds else []
    return "".join(f'<span class="key {family}"><i></i>{title}</span>' for family, title in named)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME // 2]}…{name[-_LONGEST_NAME // 2 :]}"


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


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --page: #ffffff; --ink: #1d2430; --soft: #667085; --edge: #98a2b3; --frame: #f5f6f8;
  --frame-line: #d0d5dd; --cut: #d4380d; --input: #e7eaf0; --conv: #d9e8fb; --dense: #dcd9fb; --memory: #f3dcf5;
  --norm: #e6f3ea; --act: #fdf1d8; --pool: #d7f0f1; --merge: #fbdfd9; --other: #eeeeee; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #14171c; --ink: #e8eaee; --soft: #9aa4b2; --edge: #667085;
  --frame: #1b1f26; --frame-line: #39414d; --cut: #ff8a5c; --input: #2b313b; --conv: #1d3a5c; --dense: #35305f;
  --memory: #4a2b4d; --norm: #1f4030; --act: #4d3d17; --pool: #174548; --merge: #55302a; --other: #333333; }} }}
body {{ margin: 0; padding: 28px clamp(12px, 4vw, 48px); background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
h1 {{ margin: 0; font-size: 22px; overflow-wrap: anywhere; }}
p {{ margin: 4px 0; color: var(--soft); }}
.warnings {{ color: var(--cut); padding-left: 20px; }}
.legend {{ display: flex; flex-wrap: wrap; gap: 6px 18px; margin: 14px 0; font-size: 13px; color: var(--soft); }}
.key i {{ display: inline-block; width: 13px; height: 13px; border-radius: 4px; margin-right: 6px; vertical-align: -2px;
  border: 1px solid color-mix(in srgb, var(--ink) 18%, transparent); background: var(--other); }}
.key.cuts i {{ height: 0; border: 0; border-top: 2px dashed var(--cut); border-radius: 0; vertical-align: 4px;
  background: none; }}
.graph {{ overflow-x: auto; }}
svg {{ display: block; margin: 0 auto; font: 12px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }}
svg text {{ fill: var(--ink); }}
.box rect {{ stroke: color-mix(in srgb, var(--ink) 18%, transparent); fill: var(--other); }}
.box .name {{ font-weight: 600; }}
.box .kind, .box .side, .frame-title, .cut-note {{ font-size: 11px; }}
.box .kind, .box .side, svg .frame-title {{ fill: var(--soft); }}
.box .side {{ text-anchor: end; }}
.frame {{ fill: var(--frame); stroke: var(--frame-line); }}
.frame-title {{ font-weight: 600; paint-order: stroke; stroke: var(--frame); stroke-width: 5px; }}
.edge {{ fill: none; stroke: var(--edge); stroke-width: 1.6; }}
.cut {{ fill: none; stroke: var(--cut); stroke-width: 1; stroke-dasharray: 4 4; opacity: 0.75; }}
svg .cut-note {{ fill: var(--cut); font-variant-numeric: tabular-nums; }}
.input rect, .key.input i {{ fill: var(--input); background: var(--input); }}
.conv rect, .key.conv i {{ fill: var(--conv); background: var(--conv); }}
.dense rect, .key.dense i {{ fill: var(--dense); background: var(--dense); }}
.memory rect, .key.memory i {{ fill: var(--memory); background: var(--memory); }}
.norm rect, .key.norm i {{ fill: var(--norm); background: var(--norm); }}
.act rect, .key.act i {{ fill: var(--act); background: var(--act); }}
.pool rect, .key.pool i {{ fill: var(--pool); background: var(--pool); }}
.merge rect, .key.merge i {{ fill: var(--merge); background: var(--merge); }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{name}</p>
<p>{facts}</p>
{warnings}
<div class="legend">{legend}<span class="key cuts"><i></i>a place to cut</span></div>
<div class="graph">
{svg}
</div>
</body>
</html>
"""
