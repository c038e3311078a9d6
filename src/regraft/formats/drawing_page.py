"""What stands around the drawing of a graph: style for light and dark, search, cut points, zoom, and an overview."""

import base64
import hashlib

SCRIPT = """
const graph = document.querySelector(".graph svg"), tools = document.querySelector(".tools");
const find = tools.querySelector("input"), told = tools.querySelector("output"), jump = tools.querySelector("select");
const parts = [...graph.querySelectorAll(".box, .frame-title")].map(
  part => [part, part.querySelector("title").textContent.split("\\n").slice(0, 2).join(" ").toLowerCase()]);
const { x: left, y: top, width, height } = graph.viewBox.baseVal;
const overview = document.body.appendChild(document.createElementNS(graph.namespaceURI, "svg")), small = new Map();
let hits = [], at = -1, zoom = 1;
function drawn(name, attributes, into) {
  const made = document.createElementNS(graph.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return into.appendChild(made);
}
overview.setAttribute("class", "overview");
overview.setAttribute("aria-hidden", "true");
overview.setAttribute("preserveAspectRatio", "none");
overview.setAttribute("viewBox", `${left} ${top} ${width} ${height}`);
for (const [part] of parts) {
  const box = part.querySelector("rect");
  if (!box) continue;
  const place = Object.fromEntries(["x", "y", "width", "height"].map(key => [key, box.getAttribute(key)]));
  const group = drawn("g", { class: part.getAttribute("class") }, overview);
  drawn("rect", place, group);
  small.set(part, group);
}
const view = drawn("rect", { class: "view", x: left, width }, overview);
function seen() {
  const place = graph.getBoundingClientRect(), long = place.height > 2 * innerHeight;
  overview.classList.toggle("shown", long);
  view.setAttribute("y", top + Math.max(0, -place.top / zoom));
  view.setAttribute("height", Math.max(innerHeight / zoom, 0));
}
function zoomed(wanted) {
  const before = graph.getBoundingClientRect(), middle = (innerHeight / 2 - before.top) / before.height;
  zoom = Math.min(Math.max(wanted, 0.1), 3);
  graph.setAttribute("width", width * zoom);
  graph.setAttribute("height", height * zoom);
  const after = graph.getBoundingClientRect();
  if (before.top < 0) scrollBy(0, after.top + middle * after.height - innerHeight / 2);
  tools.querySelector("[data-zoom='1']").textContent = `${Math.round(zoom * 100)} %`;
  seen();
}
tools.querySelectorAll("[data-zoom]").forEach(button => button.addEventListener("click",
  () => zoomed(button.dataset.zoom === "1" ? 1 : zoom * button.dataset.zoom)));
function went(event) {
  const place = overview.getBoundingClientRect();
  const part = (event.clientY - place.top) / place.height;
  scrollTo(0, scrollY + graph.getBoundingClientRect().top + part * height * zoom - innerHeight / 2);
}
overview.addEventListener("pointerdown", event => { overview.setPointerCapture(event.pointerId); went(event); });
overview.addEventListener("pointermove", event => { if (event.buttons) went(event); });
addEventListener("scroll", seen, { passive: true });
addEventListener("resize", seen);
seen();
function show(part) {
  graph.querySelectorAll(".here").forEach(old => old.classList.remove("here"));
  part.classList.add("here");
  part.scrollIntoView({ block: "center", inline: "center" });
}
find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\\s+/).filter(Boolean);
  hits = [];
  at = -1;
  for (const [part, text] of parts) {
    const hit = words.length > 0 && words.every(word => text.includes(word));
    part.classList.toggle("hit", hit);
    small.get(part)?.classList.toggle("hit", hit);
    part.classList.remove("here");
    if (hit) hits.push(part);
  }
  graph.classList.toggle("searching", words.length > 0);
  told.textContent = words.length ? `${hits.length} found` : "";
});
tools.addEventListener("submit", event => {
  event.preventDefault();
  if (!hits.length) return;
  const back = event.submitter && event.submitter.value === "back";
  at = (Math.max(at, back ? 0 : -1) + (back ? hits.length - 1 : 1)) % hits.length;
  told.textContent = `${at + 1} of ${hits.length}`;
  show(hits[at]);
});
if (jump) jump.addEventListener("change", () => {
  const wanted = graph.querySelector(`[data-cut="${jump.value}"]`);
  if (wanted) show(wanted);
});
"""

# The page loads nothing, and runs this script and no other, whatever the names in a file may be.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; "
    f"script-src 'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
)

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --page: #ffffff; --ink: #1d2430; --soft: #667085; --edge: #98a2b3; --frame: #f5f6f8;
  --frame-line: #d0d5dd; --cut: #d4380d; --input: #e7eaf0; --conv: #d9e8fb; --dense: #dcd9fb; --memory: #f3dcf5;
  --norm: #e6f3ea; --act: #fdf1d8; --pool: #d7f0f1; --merge: #fbdfd9; --other: #eeeeee;
  --learns: #12924f; --frozen: #4a7bd1; }}
@media (prefers-color-scheme: dark) {{ :root {{ --page: #14171c; --ink: #e8eaee; --soft: #9aa4b2; --edge: #667085;
  --frame: #1b1f26; --frame-line: #39414d; --cut: #ff8a5c; --input: #2b313b; --conv: #1d3a5c; --dense: #35305f;
  --memory: #4a2b4d; --norm: #1f4030; --act: #4d3d17; --pool: #174548; --merge: #55302a; --other: #333333;
  --learns: #3ecf8e; --frozen: #86aef2; }} }}
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
.tools {{ position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: 8px 12px; align-items: center;
  padding: 10px 0; background: var(--page); border-bottom: 1px solid var(--frame-line); font-size: 13px; }}
.tools input, .tools select, .tools button {{ font: inherit; color: inherit; background: var(--frame); padding: 5px 9px;
  border: 1px solid var(--frame-line); border-radius: 6px; }}
.tools input {{ flex: 1 1 180px; max-width: 340px; min-width: 0; }}
.tools select {{ max-width: min(100%, 300px); }}
.tools output {{ color: var(--soft); font-variant-numeric: tabular-nums; min-width: 5em; }}
.tools :focus-visible {{ outline: 2px solid var(--cut); outline-offset: 1px; }}
.searching .box, .searching .frame-title {{ opacity: 0.22; }}
.searching .hit {{ opacity: 1; }}
.searching .here {{ opacity: 1; }}
.overview {{ position: fixed; right: 8px; top: 66px; width: 54px; height: calc(100vh - 82px); display: none; margin: 0;
  cursor: pointer; touch-action: none; background: var(--frame); border: 1px solid var(--frame-line);
  border-radius: 6px; }}
@media (min-width: 760px) {{ .overview.shown {{ display: block; }} }}
.overview .box rect {{ stroke: none; filter: saturate(2.2) brightness(0.92); }}
.overview .box.hit rect {{ fill: var(--cut); stroke: var(--cut); filter: none; stroke-width: 3;
  vector-effect: non-scaling-stroke; }}
.overview .view {{ fill: var(--ink); fill-opacity: 0.12; stroke: var(--ink); stroke-width: 1;
  vector-effect: non-scaling-stroke; }}
.tools .zoom {{ display: inline-flex; gap: 4px; }}
.tools .zoom button {{ min-width: 2.2em; font-variant-numeric: tabular-nums; }}
.searching .hit rect {{ stroke: var(--ink); stroke-width: 1.5; }}
.box.here rect {{ stroke: var(--cut); stroke-width: 3; }}
.frame-title.here {{ fill: var(--cut); }}
.learns .mark {{ fill: var(--learns); stroke: none; }}
.frozen .mark {{ fill: var(--frozen); stroke: none; }}
.key.learns i {{ width: 5px; background: var(--learns); }}
.key.frozen i {{ width: 5px; background: var(--frozen); }}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{name}</p>
<p>{facts}</p>
{warnings}
<form class="tools" role="search">
<input type="search" placeholder="Find a layer by name or class" aria-label="Find a layer by name or class">
<button type="submit" value="next">next</button><button type="submit" value="back">previous</button><output></output>
{jump}<span class="zoom"><button type="button" data-zoom="0.7" aria-label="smaller">&minus;</button>
<button type="button" data-zoom="1" aria-label="full size">100 %</button>
<button type="button" data-zoom="1.4" aria-label="larger">+</button></span></form>
<div class="legend">{legend}<span class="key cuts"><i></i>a place to cut</span></div>
<div class="graph">
{svg}
</div>
<script type="module">{script}</script>
</body>
</html>
"""
