// The filters and the list of clips.

import { ask, clipButton, fillSelect, find, make } from "./ask.js";
import { sayIgnored, setFilters } from "./link.js";

const ORDERS = [
  ["store", "as in the store"], ["longest", "longest first"], ["shortest", "shortest first"],
  ["length-outliers", "unusual lengths first"], ["stillest", "stillest first"], ["jerkiest", "jerkiest first"],
];
const SELECTS = ["label", "part", "subject", "camera", "flag", "order", "true", "answered"];
const WAIT = 150; // milliseconds after the last letter of a name

export class ClipList {
  // open: called with a row; report: with an error or null; shown: after a page of the list is asked for.
  constructor(open, report, shown) {
    this.open = open;
    this.report = report;
    this.shown = shown;
    this.page = 0;
    this.rows = [];
    this.current = -1;
    this.classes = []; // those of the confusion matrix
    this.asked = 0;
    for (const id of [...SELECTS, "split", "marked"]) find(id).addEventListener("change", () => this.changed(id));
    find("name").addEventListener("input", () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.changed("name"), WAIT);
    });
    find("filters").addEventListener("submit", (event) => {
      event.preventDefault();
      this.changed("name");
    });
    find("clear").addEventListener("click", () => this.clear());
    find("page-back").addEventListener("click", () => this.show(this.page - 1));
    find("page-on").addEventListener("click", () => this.show(this.page + 1));
    find("clips").addEventListener("keydown", (event) => this.move(event));
  }

  offer(store, number) {
    this.store = store;
    this.number = number;
    const all = ["", "all"], unknown = (value) => (value < 0 ? "unknown" : String(value));
    fillSelect(find("label"), [all, ...store.classes.flatMap((one, label) =>
      one.clips ? [[label, `${one.name} (${one.clips})`]] : [])]);
    fillSelect(find("split"), store.splits.length
      ? store.splits.map((split) => [split.name, split.name]) : [["", "none ships"]]);
    fillSelect(find("subject"), [all, ...store.subjects.map((value) => [value, unknown(value)])]);
    fillSelect(find("camera"), [all, ...store.cameras.map((value) => [value, unknown(value)])]);
    fillSelect(find("flag"), [["", "all clips"], ["any", "any flag"], ...store.flags.map((flag) =>
      [flag.name, `${flag.name} (${flag.clips}): ${flag.meaning}`])]);
    fillSelect(find("order"), ORDERS);
    for (const id of ["true", "answered"]) fillSelect(find(id), [all, ...this.classes.map((name) => [name, name])]);
    this.offerParts();
  }

  offerParts() {
    const split = this.store.splits.find((one) => one.name === find("split").value);
    fillSelect(find("part"), [["", "all"], ...(split ? split.parts.map((part) => [part, part]) : [])]);
    find("part").disabled = !split;
  }

  clear() {
    for (const id of SELECTS) find(id).selectedIndex = 0;
    find("name").value = "";
    find("marked").checked = false;
    sayIgnored([]);
    this.show(0);
  }

  // Filter as a link says; what it says wrongly is named on the page.
  follow(link) {
    const wrong = setFilters(link, this.store.classes, () => this.offerParts());
    sayIgnored([...link.wrong, ...wrong]);
    return this.show(link.page);
  }

  // The clips of one cell of the confusion matrix; the other filters stay.
  chooseCell(trueClass, answer) {
    find("true").value = trueClass;
    find("answered").value = answer;
    return this.changed("true");
  }

  changed(id) {
    if (id === "split") this.offerParts();
    sayIgnored([]);
    return this.show(0);
  }

  async show(page) {
    const asked = ++this.asked;
    const values = Object.fromEntries([...SELECTS, "split", "name"].map((id) => [id, find(id).value]));
    const marked = find("marked").checked ? "1" : "";
    try {
      const answer = await ask("clips", { ...values, marked, store: this.number, page });
      if (asked !== this.asked) return;
      if (answer.measuring) return void this.wait(answer.measuring, asked, page);
      const last = Math.max(0, Math.ceil(answer.total / answer.page_size) - 1);
      if (page > last) return void await this.show(last);
      this.fill(answer);
      this.shown();
    } catch (error) {
      if (asked === this.asked) this.report(error);
    }
  }

  wait({ done, total }, asked, page) {
    find("count").textContent = `measuring the motion of every clip: ${done} of ${total}`;
    setTimeout(() => { if (asked === this.asked) this.show(page); }, 400);
  }

  fill(answer) {
    this.page = answer.page;
    this.rows = answer.clips;
    this.pages = Math.max(1, Math.ceil(answer.total / answer.page_size));
    const clips = answer.total === 1 ? "1 clip" : `${answer.total.toLocaleString("en")} clips`;
    const note = answer.note ? `; ${answer.note}` : "";
    find("count").textContent = `${clips}, page ${answer.page + 1} of ${this.pages}${note}`;
    find("clips").replaceChildren(...this.rows.map((row) => make("li", {}, clipButton(row, this.open))));
    find("clips").scrollTop = 0;
    find("page-back").disabled = this.page === 0;
    find("page-on").disabled = this.page + 1 >= this.pages;
    this.highlight(this.current);
    this.report(null);
  }

  // Mark the row of the open clip; one row at a time is reached by Tab.
  highlight(clip) {
    this.current = clip;
    const buttons = this.buttons(), place = this.rows.findIndex((row) => row.clip === clip);
    buttons.forEach((button, index) => {
      button.setAttribute("aria-current", String(index === place));
      button.tabIndex = index === Math.max(place, 0) ? 0 : -1;
    });
  }

  buttons() {
    return [...find("clips").querySelectorAll("button")];
  }

  // The clip `step` places after the open one; the next page where this one ends.
  async openAt(step) {
    let place = this.rows.findIndex((row) => row.clip === this.current) + step;
    if (this.current < 0 || !this.rows.some((row) => row.clip === this.current)) place = 0;
    if (place >= this.rows.length && this.page + 1 < this.pages) {
      await this.show(this.page + 1);
      place = 0;
    } else if (place < 0 && this.page > 0) {
      await this.show(this.page - 1);
      place = this.rows.length - 1;
    }
    if (this.rows[place]) {
      await this.open(this.rows[place]);
      this.buttons()[place]?.scrollIntoView({ block: "nearest" });
    }
  }

  move(event) {
    const buttons = this.buttons(), at = buttons.indexOf(document.activeElement);
    const target = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: buttons.length - 1 }[event.key];
    if (target === undefined || !buttons[target]) return;
    event.preventDefault();
    buttons.forEach((button, index) => { button.tabIndex = index === target ? 0 : -1; });
    buttons[target].focus();
  }
}
