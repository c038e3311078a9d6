function value(row, column) {
  const cell = row.cells[column], written = cell.dataset.value;
  if (written === undefined) return cell.textContent.trim().toLowerCase();
  const number = Number(written);
  return written === "" || Number.isNaN(number) ? -Infinity : number;
}
function compared(one, other) {
  if (typeof one === "string") return one.localeCompare(other, undefined, { numeric: true });
  return one === other ? 0 : one < other ? -1 : 1;
}
function sort(table, column, name) {
  const heads = [...table.tHead.rows[0].cells], head = heads[column], body = table.tBodies[0];
  const before = head.getAttribute("aria-sort");
  // Of figures the largest are wanted first, of names the first.
  const first = head.classList.contains("n") ? "descending" : "ascending";
  const order = before === null ? first : before === "ascending" ? "descending" : "ascending";
  heads.forEach(each => each.removeAttribute("aria-sort"));
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const rows = [...body.rows].map((row, at) => [value(row, column), at, row]);
  rows.sort((one, other) => sign * compared(one[0], other[0]) || one[1] - other[1]);
  body.append(...rows.map(([, , row]) => row));
  said.textContent = `Sorted by ${name}, ${order}`;
}
for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button"), name = head.textContent.trim();
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sort(table, column, name));
    head.append(button);
  });
}
