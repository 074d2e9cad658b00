// The buttons of a matrix: one is reached by Tab, the others from it by arrow keys. No imports: any page may load or
// inline this file.

const STEPS = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

// table: its buttons have data-cell "row-column". Returns a function that makes one button that of Tab.
export function moveByArrows(table) {
  const buttons = () => [...table.querySelectorAll("button[data-cell]")];
  const reach = (target) => buttons().forEach((one) => { one.tabIndex = one === target ? 0 : -1; });
  table.addEventListener("keydown", (event) => {
    const step = STEPS[event.key], from = event.target.dataset.cell, size = table.rows.length;
    if (!step || !from || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const byPlace = new Map(buttons().map((one) => [one.dataset.cell, one]));
    const inside = (place) => place >= 0 && place < size;
    let [row, column] = from.split("-").map(Number);
    do {
      row += step[0];
      column += step[1];
    } while (inside(row) && inside(column) && !byPlace.has(`${row}-${column}`));
    const target = byPlace.get(`${row}-${column}`);
    if (!target) return;
    reach(target);
    target.focus();
  });
  return reach;
}
