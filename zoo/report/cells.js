// The cells of a confusion matrix: one of them at a time plays its query clips below the table.
// Follows player.js and arrows.js in the same script. Names become text nodes, never HTML.

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const counted = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

function clipFigure(key, [clip, times]) {
  const { name } = content[key].clips[clip], canvas = make("canvas", { width: 200, height: 200 });
  Object.assign(canvas.dataset, { run: key, clip });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `query clip ${name}`);
  return make("figure", {}, canvas, make("figcaption", {}, name, make("small", {}, counted(times, "time"))));
}

function amount(distinct, shown) {
  const all = `It has ${counted(distinct, "query clip")}`, left = (distinct - shown).toLocaleString("en");
  if (!shown) return `${all}; none of them is in this page.`;
  return left === "0" ? `${all}.` : `${all}: ${shown} play here, ${left} left out.`;
}

function chosenCell(key, place) {
  const run = content[key], { distinct, clips } = run.cells[place], [row, column] = place.split("-");
  const title = row === column
    ? [make("b", {}, run.classes[row]), " answered rightly"]
    : [make("b", {}, run.classes[row]), " taken for ", make("b", {}, run.classes[column])];
  const command = run.viewer
    ? make("p", {}, "To see more of them, start the viewer and choose the same cell: ", make("code", {}, run.viewer))
    : make("p", {}, "The run's confusion.json does not name the clips of its cells, so the viewer cannot open them. "
      + "Delete its result.json and run the same `fszoo train` again; only the test is repeated.");
  return [make("h3", {}, ...title), make("p", {}, amount(distinct, clips.length)),
    make("div", { className: "clips" }, ...clips.map((clip) => clipFigure(key, clip))), command];
}

function setUpMatrix(matrix) {
  const table = matrix.querySelector("table"), panel = matrix.querySelector(".cell");
  const buttons = [...table.querySelectorAll("button")], key = table.dataset.run, reach = moveByArrows(table);
  reach(buttons[0]);
  for (const button of buttons) {
    button.setAttribute("aria-pressed", "false");
    button.title = button.getAttribute("aria-label");
    if (!content[key].cells[button.dataset.cell]) button.disabled = true;
  }
  table.addEventListener("click", (event) => {
    const chosen = event.target.closest("button");
    if (!chosen) return;
    panel.querySelectorAll("canvas").forEach(removePlayer);
    panel.replaceChildren(...chosenCell(key, chosen.dataset.cell));
    panel.querySelectorAll("canvas").forEach(addPlayer);
    buttons.forEach((one) => one.setAttribute("aria-pressed", String(one === chosen)));
    reach(chosen);
  });
}

document.querySelectorAll(".matrix").forEach(setUpMatrix);
