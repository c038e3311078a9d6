const said = document.getElementById("said");
{% include "sorting.js" %}
const table = document.getElementById("all-models"), rows = [...table.tBodies[0].rows];
const choose = document.getElementById("choose"), many = document.getElementById("many");
const MOST = 6;
// What a row is found by, in small letters; made once, when somebody first looks for something.
const words = new Map();
function wordsOf(row) {
  if (!words.has(row)) words.set(row, row.textContent.toLowerCase());
  return words.get(row);
}
function wanted(row, text, limits) {
  return text.every(word => wordsOf(row).includes(word))
    && limits.every(([key, value]) => !value || row.dataset[key] === value);
}
function filter() {
  const text = choose.elements.text.value.toLowerCase().split(/\s+/).filter(Boolean);
  const limits = ["kind", "task", "licence"].map(key => [key, choose.elements[key].value]);
  let count = 0;
  for (const row of rows) {
    const shown = wanted(row, text, limits);
    row.hidden = !shown;
    count += shown;
  }
  many.textContent = count === rows.length ? `All ${count} models` : `${count} of ${rows.length} models`;
}
choose.hidden = false;
choose.addEventListener("submit", event => event.preventDefault());
choose.addEventListener("input", filter);
choose.addEventListener("reset", () => setTimeout(filter));
filter();

const compared_ = document.getElementById("compared"), hint = document.getElementById("hint");
const chosen = [];
function facts(row) {
  const pairs = [...row.querySelectorAll("dl.pairs > div")];
  return new Map(pairs.map(pair => [pair.firstElementChild.textContent, pair.lastElementChild.textContent]));
}
function cell(kind, text, scope) {
  const made = document.createElement(kind);
  made.textContent = text;
  if (scope) made.scope = scope;
  return made;
}
function compare() {
  hint.hidden = chosen.length > 0;
  compared_.replaceChildren();
  if (!chosen.length) return;
  const told = chosen.map(row => facts(row)), labels = [...new Set(told.flatMap(each => [...each.keys()]))];
  const made = document.createElement("table"), head = made.createTHead().insertRow();
  const caption = made.createCaption();
  caption.textContent = chosen.length > 1 ? "What differs is marked." : "Choose another beside it.";
  head.append(cell("th", "", "col"));
  for (const row of chosen) {
    const top = cell("th", "", "col"), link = document.createElement("a");
    link.href = `#${row.id}`;
    link.textContent = row.dataset.name;
    top.append(link);
    head.append(top);
  }
  const body = made.createTBody();
  for (const label of labels) {
    const line = body.insertRow(), values = told.map(each => each.get(label) ?? "–");
    line.append(cell("th", label, "row"), ...values.map(value => cell("td", value)));
    line.classList.toggle("differs", new Set(values).size > 1);
  }
  compared_.append(made);
}
function pick(row, box) {
  if (box.checked && chosen.length === MOST) {
    box.checked = false;
    said.textContent = `${MOST} models are compared already; take one out first`;
    return;
  }
  if (box.checked) chosen.push(row);
  else chosen.splice(chosen.indexOf(row), 1);
  row.classList.toggle("chosen", box.checked);
  compare();
  said.textContent = `${chosen.length} models are compared`;
}
for (const row of rows) {
  const box = document.createElement("input");
  box.type = "checkbox";
  box.setAttribute("aria-label", `Compare ${row.dataset.name}`);
  box.addEventListener("change", () => pick(row, box));
  row.cells[0].prepend(box);
}
compare();
function go() {
  const row = location.hash.startsWith("#m-") ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
  if (!row) return;
  if (row.hidden) {
    choose.reset();
    row.hidden = false;
  }
  row.querySelector("details").open = true;
  row.scrollIntoView({ block: "center", behavior: "instant" });
}
addEventListener("hashchange", go);
go();
