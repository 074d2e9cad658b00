// The confusion matrix of a run: a cell sets the filters of true class and answer.

import { moveByArrows } from "./arrows.js";
import { find, make } from "./ask.js";

const FULL = [0, 90, 150]; // red, green and blue of a share of 1; a share of 0 is white

export class Matrix {
  // choose: called with the names of a true class and an answer.
  constructor(choose) {
    this.choose = choose;
    this.buttons = new Map(); // by "row-column"
    this.reach = moveByArrows(find("cells"));
  }

  // matrix: {names, counts, queries}, or null where none is shown.
  offer(matrix) {
    find("confusion").hidden = !matrix;
    for (const label of document.querySelectorAll("label.of-matrix")) label.hidden = !matrix;
    this.names = matrix?.names ?? [];
    if (!matrix) return;
    const head = this.names.map((name) => make("th", { scope: "col" }, make("span", { title: name }, name)));
    const rows = this.names.map((name, row) => make("tr", {}, make("th", { scope: "row", title: name }, name),
      ...this.names.map((_, column) => this.cell(matrix, row, column))));
    find("cells").replaceChildren(make("thead", {}, make("tr", {}, make("td"), ...head)), make("tbody", {}, ...rows));
    this.highlight("", "");
  }

  cell({ names, counts, queries }, row, column) {
    const asked = queries[row][column], count = counts[row][column], cell = make("td");
    if (!asked) return cell;
    const share = count / asked;
    cell.style.backgroundColor = `rgb(${FULL.map((full) => Math.round(255 + (full - 255) * share)).join(" ")})`;
    cell.style.color = share > 0.8 ? "#fff" : "#1c2126";
    if (!count) return cell;
    const answer = row === column ? "answered rightly" : `taken for ${names[column]}`;
    const words = `${names[row]} ${answer}: ${(100 * share).toFixed(1)} %, ${count} of ${asked} queries`;
    const button = make("button", { type: "button", title: words, "aria-label": words }, (100 * share).toFixed(0));
    button.dataset.cell = `${row}-${column}`;
    button.addEventListener("click", () => this.choose(names[row], names[column]));
    this.buttons.set(button.dataset.cell, button);
    cell.append(button);
    return cell;
  }

  // Mark the cell that the filters choose; one cell at a time is reached by Tab.
  highlight(trueClass, answer) {
    const chosen = this.buttons.get(`${this.names.indexOf(trueClass)}-${this.names.indexOf(answer)}`);
    for (const button of this.buttons.values()) button.setAttribute("aria-pressed", String(button === chosen));
    this.reach(chosen ?? this.buttons.values().next().value);
  }
}
