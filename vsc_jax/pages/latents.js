// The index: a click on a heading sorts it, the field above it leaves the latents whose line has the words.
"use strict";
const table = document.querySelector("#index table"), field = document.querySelector("#search");
const rows = [...table.tBodies[0].rows];
const key = (row, column) => {
  const { value } = row.cells[column].dataset;
  return value === undefined ? row.cells[column].textContent : Number(value);
};
[...table.tHead.rows[0].cells].forEach((heading, column) => {
  heading.querySelector("button").onclick = () => {
    const sign = heading.ariaSort === "descending" ? 1 : -1;
    for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
    heading.ariaSort = sign < 0 ? "descending" : "ascending";
    rows.sort((a, b) => {
      const [x, y] = [key(a, column), key(b, column)];
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    });
    table.tBodies[0].append(...rows);
  };
});
field.oninput = () => {
  const words = field.value.toLowerCase().split(/\s+/);
  for (const row of rows) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
    document.getElementById(row.dataset.card).hidden = row.hidden;
  }
};
