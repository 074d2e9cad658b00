// The page: opens clips, joins the list and the player, and gives every control a key.

import { ask, clipButton, fillSelect, find, make } from "./ask.js";
import { linkOf, readLink } from "./link.js";
import { Matrix } from "./confusion.js";
import { ClipList } from "./list.js";
import { Player } from "./player.js";
import { Plot } from "./plot.js";

const player = new Player(find("stage"), find("pointed"));
const list = new ClipList((row) => open(row.name), report, toLink);
const plot = new Plot((name) => open(name), report);
const matrix = new Matrix((trueClass, answer) => list.chooseCell(trueClass, answer));
const page = { stores: [], store: 0, clip: null, opened: 0 };

function report(error) {
  find("problem").hidden = !error;
  find("problem").textContent = error ? error.message : "";
}

async function start() {
  try {
    const answer = await ask("stores");
    page.stores = answer.stores;
    showMarks(answer);
    find("store-choice").hidden = page.stores.length < 2;
    fillSelect(find("store"), page.stores.map((store, number) => [number, `${"AB"[number]}: ${store.title}`]));
    matrix.offer(answer.confusion);
    list.classes = answer.confusion?.names ?? [];
    const wanted = readLink(location.hash, page.stores.length);
    choose(wanted.store);
    await list.follow(wanted);
    if (wanted.clip) await open(wanted.clip, wanted.frame);
  } catch (error) {
    report(error);
  }
}

function choose(number) {
  page.store = number;
  const store = page.stores[number];
  find("store").value = number;
  find("about").textContent = `${store.title}: ${store.clips.toLocaleString("en")} clips, ${store.path}, `
    + `digest ${store.digest.slice(0, 12)}`;
  fillSelect(find("embedding"), store.embeddings.map((name) => [name, name]));
  find("near").hidden = store.embeddings.length === 0;
  find("no-vectors").hidden = store.embeddings.length > 0;
  plot.clear();
  find("video-choice").hidden = !store.videos;
  list.offer(store, number);
}

function toLink() {
  matrix.highlight(find("true").value, find("answered").value);
  const place = { store: page.store, page: list.page, clip: page.clip?.name, frame: page.clip ? player.frame : 0 };
  history.replaceState(null, "", `#${linkOf(place, page.stores[page.store].classes)}`);
}

async function open(name, frame = 0) {
  const opened = ++page.opened;
  try {
    const views = await viewsOf(name);
    if (opened !== page.opened) return;
    page.clip = views[0].facts;
    describe(page.clip);
    player.load(views, page.stores[page.store].fps, frame);
    find("confusion").open = false; // it would push the clip out of sight
    list.highlight(page.clip.clip);
    plot.highlight(page.clip.clip);
    find("neighbours").replaceChildren();
    toLink();
    report(null);
    await showVideo(opened);
  } catch (error) {
    if (opened === page.opened) report(error);
  }
}

// The clip as prepared, as recorded if wanted, and the clip of the same name in the other store.
async function viewsOf(name) {
  const views = [await viewOf(page.store, name, "prepared")];
  if (find("recorded").checked) views.push(await viewOf(page.store, name, "recorded"));
  for (let number = 0; number < page.stores.length; number++) {
    if (number === page.store) continue;
    try {
      views.push(await viewOf(number, name, "prepared"));
    } catch (error) {
      views.push({ title: error.message, names: [], clip: { joints: new Float32Array(0), frames: 0, bodies: 0, parts: [] } });
    }
  }
  return views;
}

async function viewOf(number, name, coordinates) {
  const store = page.stores[number];
  const facts = await ask("clip", { store: number, name, split: number === page.store ? find("split").value : "" });
  const joints = new Float32Array(await ask("joints", { store: number, clip: facts.clip, coordinates }));
  const way = coordinates === "recorded" ? `as recorded (${store.unit})` : "as prepared";
  return {
    title: page.stores.length > 1 ? `${"AB"[number]}: ${store.title}, ${way}` : way,
    names: store.joints,
    facts,
    clip: { joints, frames: facts.drawn_frames, bodies: store.bodies, parts: store.bones, up: facts.up[coordinates] },
  };
}

async function showVideo(opened) {
  if (!page.stores[page.store].videos || !find("video").checked) return;
  const parameters = { store: page.store, clip: page.clip.clip };
  try {
    const video = await ask("video", parameters);
    if (opened !== page.opened) return;
    if (video.reason) player.hideVideo(video.reason);
    else player.showVideo(video, parameters);
  } catch (error) {
    if (opened === page.opened) report(error);
  }
}

function describe(clip) {
  find("clip-name").textContent = clip.name;
  const known = ["subject", "camera", "setup", "repetition"].filter((key) => clip[key] >= 0);
  const facts = [clip.class, `${clip.frames} frames`, clip.bodies === 1 ? "1 body" : `${clip.bodies} bodies`,
    ...known.map((key) => `${key} ${clip[key]}`), ...clip.parts];
  if (clip.drawn_frames < clip.frames) facts.push(`the first ${clip.drawn_frames} frames are shown`);
  find("clip-about").textContent = facts.join(", ");
  const meanings = page.stores[page.store].flags.filter((flag) => clip.flags.includes(flag.name));
  find("clip-flags").replaceChildren(...meanings.map((flag) =>
    make("span", { className: "flag" }, `${flag.name}: ${flag.meaning}. `)));
  showFlagged(clip);
  showMark(clip.marked);
}

// Flagged frames in words, and as lines above the slider.
function showFlagged({ flagged, drawn_frames: frames }) {
  const words = Object.entries(flagged).map(([name, numbers]) => `${name} in frames ${rangesOf(numbers)}`);
  find("flagged").textContent = words.join("; ");
  const strip = find("strip"), context = strip.getContext("2d");
  strip.hidden = !words.length;
  strip.setAttribute("aria-label", `Flagged frames: ${words.join("; ")}`);
  context.clearRect(0, 0, strip.width, strip.height);
  context.fillStyle = "#c4161c";
  for (const number of new Set(Object.values(flagged).flat())) {
    const width = strip.width / Math.max(frames, 1);
    context.fillRect(number * width, 0, Math.max(width, 2), strip.height);
  }
}

// Frame numbers as on the page, from 1: [0, 1, 2, 6] is "1-3, 7".
function rangesOf(numbers) {
  const ranges = [];
  for (const number of numbers) {
    if (ranges.at(-1)?.[1] === number - 1) ranges.at(-1)[1] = number;
    else ranges.push([number, number]);
  }
  const words = ranges.map(([from, to]) => (from === to ? `${from + 1}` : `${from + 1}-${to + 1}`));
  return words.length > 8 ? `${words.slice(0, 8).join(", ")} and ${words.length - 8} more ranges` : words.join(", ");
}

// The first frame of the next flagged range, then the first of the clip.
function nextFlagged() {
  const numbers = [...new Set(Object.values(page.clip?.flagged ?? {}).flat())].sort((a, b) => a - b);
  const starts = numbers.filter((number, place) => numbers[place - 1] !== number - 1);
  const next = starts.find((number) => number > player.frame) ?? starts[0];
  if (next !== undefined) step(next - player.frame);
}

function showMark(marked) {
  find("mark").setAttribute("aria-pressed", String(marked));
  find("mark").textContent = marked ? "remove mark" : "mark";
}

function showMarks({ marked, marks_file }) {
  find("marks").textContent = marked ? `${marked} marked, in ${marks_file}` : "";
}

async function toggleMark() {
  if (!page.clip) return;
  const marked = !page.clip.marked, { clip } = page.clip;
  try {
    const query = { store: page.store, clip, marked: marked ? "1" : "", split: find("split").value };
    showMarks(await ask("mark", query, { method: "POST" }));
    page.clip.marked = marked;
    showMark(marked);
    await list.show(list.page);
  } catch (error) {
    report(error);
  }
}

async function showNeighbours() {
  if (!page.clip) return;
  try {
    const query = { store: page.store, clip: page.clip.clip, embedding: find("embedding").value };
    const { clips } = await ask("neighbours", query);
    find("neighbours").replaceChildren(...clips.map((row) =>
      make("li", {}, clipButton({ ...row, value: `similarity ${row.value}` }, (one) => open(one.name)))));
  } catch (error) {
    report(error);
  }
}

function togglePlay() {
  if (player.playing) player.pause();
  else player.play();
  if (page.clip) toLink();
}

function step(frames) {
  player.pause();
  player.show(player.frame + frames);
  if (page.clip) toLink();
}

function faster(places) {
  player.faster(places);
  find("speed").value = String(player.speed);
}

player.onFrame = (frame) => {
  find("frame").max = Math.max(0, player.frames - 1);
  find("frame").value = frame;
  find("frame-number").textContent = `${player.frames ? frame + 1 : 0} / ${player.frames}`;
  find("play").setAttribute("aria-pressed", String(player.playing));
  find("play").textContent = player.playing ? "pause" : "play";
};

const reopen = () => page.clip && open(page.clip.name, player.frame);
const KEYS = {
  " ": togglePlay, ",": () => step(-1), ".": () => step(1), "[": () => faster(-1), "]": () => faster(1),
  n: () => list.openAt(1), p: () => list.openAt(-1), j: () => player.pointAt(1), k: () => player.pointAt(-1),
  m: toggleMark, r: () => find("recorded").click(), "/": () => find("name").focus(),
  f: nextFlagged,
};

document.addEventListener("keydown", (event) => {
  const { target } = event, typing = target.matches("input:not([type=checkbox], [type=range]), select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
  if (event.key === " " && keepsSpace(target)) return;
  event.preventDefault();
  KEYS[event.key]();
});

// A focused button or checkbox keeps the space bar; in a list of clips Enter opens one, and space plays.
function keepsSpace(target) {
  return target.matches("button, summary, input[type=checkbox]") && !target.closest("#clips, #neighbours");
}

document.addEventListener("keyup", (event) => {
  if (event.key === " " && event.target.closest("#clips, #neighbours")) event.preventDefault();
});

find("play").addEventListener("click", togglePlay);
find("frame-back").addEventListener("click", () => step(-1));
find("frame-on").addEventListener("click", () => step(1));
find("frame").addEventListener("input", () => step(Number(find("frame").value) - player.frame));
find("speed").addEventListener("change", () => { player.speed = Number(find("speed").value); });
find("recorded").addEventListener("change", reopen);
find("video").addEventListener("change", reopen);
find("reset").addEventListener("click", () => player.reset());
find("mark").addEventListener("click", toggleMark);
find("find").addEventListener("click", showNeighbours);
find("draw").addEventListener("click", () => plot.show(page.store, page.stores[page.store], find("embedding").value));
find("embedding").addEventListener("change", () => plot.clear());
find("store").addEventListener("change", async () => {
  const clip = page.clip?.name;
  choose(Number(find("store").value));
  await list.show(0);
  if (clip) await open(clip, player.frame);
});
addEventListener("hashchange", async () => {
  const wanted = readLink(location.hash, page.stores.length);
  if (wanted.store !== page.store) choose(wanted.store);
  await list.follow(wanted);
  if (wanted.clip) await open(wanted.clip, wanted.frame);
});

start();
