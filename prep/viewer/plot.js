// A store's embedding in two dimensions: one point per clip, coloured by class.

import { ask, find } from "./ask.js";

const WAIT = 300, REACH = 8, MARGIN = 14; // milliseconds between questions; CSS pixels
const NEXT = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class Plot {
  constructor(open, report) {
    this.open = open;
    this.report = report;
    this.canvas = find("plot");
    this.current = -1; // the clip that is open
    this.clear();
    this.canvas.addEventListener("pointermove", (event) => this.point(this.at(event)));
    this.canvas.addEventListener("click", (event) => this.choose(this.at(event)));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  clear() {
    this.asked = (this.asked ?? 0) + 1;
    this.points = null;
    this.canvas.hidden = true;
    find("point").textContent = "";
    find("plot-about").textContent = "";
  }

  // store: the number of a store, and its answer to the question `stores`.
  async show(number, store, embedding) {
    this.clear();
    const asked = this.asked;
    try {
      let answer = await ask("plane", { store: number, embedding });
      while (answer.computing !== undefined && asked === this.asked) {
        find("plot-about").textContent = `the plot is computed: ${answer.computing}`;
        await new Promise((resolve) => setTimeout(resolve, WAIT));
        answer = await ask("plane", { store: number, embedding });
      }
      if (asked === this.asked) this.fill(answer, store);
    } catch (error) {
      if (asked !== this.asked) return;
      this.clear();
      this.report(error);
    }
  }

  fill(answer, store) {
    this.points = answer;
    this.classes = store.classes;
    const used = [...new Set(answer.labels)].sort((a, b) => a - b);
    this.colours = new Map(used.map((label, place) => [label, colourOf(place)]));
    const shares = answer.explained.map((share) => `${(100 * share).toFixed(0)} %`).join(" and ");
    const some = answer.vectors > answer.clips.length ? `${answer.clips.length} of ${answer.vectors}` : answer.vectors;
    find("plot-about").textContent = `${some} clips on two principal components, with ${shares} of the variance; `
      + "the points of the named clip's class are larger";
    this.canvas.setAttribute("aria-label", `Plot of ${some} clips by embedding, coloured by class. `
      + "Arrow keys name the next or previous neighbour of the open clip, Enter opens it.");
    this.canvas.hidden = false;
    this.highlight(this.current);
  }

  // The clip that is open; its neighbours in the plot are in the order of their distance.
  highlight(clip) {
    this.current = clip;
    if (!this.points) return;
    this.anchor = Math.max(0, this.points.clips.indexOf(clip));
    const distance = (index) => Math.hypot(...this.points.positions[index].map(
      (value, axis) => value - this.points.positions[this.anchor][axis]));
    this.order = this.points.clips.map((_, index) => index).filter((index) => index !== this.anchor);
    this.order = [this.anchor, ...this.order.sort((a, b) => distance(a) - distance(b) || a - b)];
    this.pointed = -1;
    this.point(this.anchor);
  }

  point(index) {
    if (!this.points || index < 0 || index === this.pointed) return;
    this.pointed = index;
    const { names, labels } = this.points;
    find("point").textContent = `${names[index]}, ${this.classes[labels[index]].name}`;
    this.draw();
  }

  choose(index) {
    if (this.points && index >= 0) this.open(this.points.names[index]);
  }

  key(event) {
    if (!this.points || event.ctrlKey || event.metaKey || event.altKey) return;
    const { length } = this.order;
    if (NEXT[event.key]) this.point(this.order[(this.order.indexOf(this.pointed) + NEXT[event.key] + length) % length]);
    else if (event.key === "Enter") this.choose(this.pointed);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // The nearest point within reach of the pointer, or -1.
  at(event) {
    if (!this.points) return -1;
    const box = this.canvas.getBoundingClientRect();
    const places = this.places(box.width, box.height);
    let best = -1, least = REACH;
    places.forEach(([x, y], index) => {
      const distance = Math.hypot(x - (event.clientX - box.left), y - (event.clientY - box.top));
      if (distance < least) [best, least] = [index, distance];
    });
    return best;
  }

  // Pixels of every point; both axes have one scale.
  places(width, height) {
    const { positions } = this.points, axis = (number) => positions.map((position) => position[number]);
    const [low, high] = [[0, 1].map((a) => Math.min(...axis(a))), [0, 1].map((a) => Math.max(...axis(a)))];
    const scale = Math.min(...[width, height].map((side, a) => (side - 2 * MARGIN) / (high[a] - low[a] || 1)));
    return positions.map(([x, y]) => [
      width / 2 + (x - (low[0] + high[0]) / 2) * scale, height / 2 - (y - (low[1] + high[1]) / 2) * scale,
    ]);
  }

  draw() {
    if (!this.points || this.canvas.hidden) return;
    const ratio = globalThis.devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = this.canvas;
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const context = this.canvas.getContext("2d"), places = this.places(width, height), { labels } = this.points;
    context.scale(ratio, ratio);
    const dot = (index, radius) => {
      context.fillStyle = this.colours.get(labels[index]);
      context.beginPath();
      context.arc(...places[index], radius, 0, 2 * Math.PI);
      context.fill();
    };
    const named = labels[this.pointed];
    places.forEach((_, index) => { if (labels[index] !== named) dot(index, 2); });
    places.forEach((_, index) => { if (labels[index] === named) dot(index, 4); });
    for (const [index, colour] of [[this.points.clips.indexOf(this.current), "#1c2126"], [this.pointed, "#c4161c"]]) {
      if (index < 0) continue;
      context.strokeStyle = colour;
      context.lineWidth = 2;
      context.beginPath();
      context.arc(...places[index], 6.5, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

// Neighbouring classes get hues far apart, and every third one is darker.
function colourOf(place) {
  return `hsl(${(place * 137.5) % 360} 65% ${[50, 38, 62][place % 3]}%)`;
}
