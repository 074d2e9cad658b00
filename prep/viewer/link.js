// The part of the address after #: what is open, and the filters, so that a link opens the same list and clip again.

import { find } from "./ask.js";

// Of each key of a link, the control with its value. Parts are those of the split, so the split comes first.
const CONTROLS = [
  ["class", "label"], ["split", "split"], ["part", "part"], ["subject", "subject"], ["camera", "camera"],
  ["flag", "flag"], ["order", "order"], ["true", "true"], ["answered", "answered"],
];
const OTHERS = ["clip", "frame", "store", "name", "marked", "page"];
const LONGEST = 80; // characters of a wrong value that are shown

// A link to these: {clip, frame, store, page} and the filters as they stand.
export function linkOf({ clip, frame, store, page }, classes) {
  const link = new URLSearchParams();
  for (const [key, id] of CONTROLS) {
    const { value, selectedIndex } = find(id);
    if (selectedIndex > 0) link.set(key, key === "class" ? classes[Number(value)].name : value);
  }
  if (find("name").value) link.set("name", find("name").value);
  if (find("marked").checked) link.set("marked", "1");
  if (page) link.set("page", page + 1);
  if (clip) link.set("clip", clip);
  if (store) link.set("store", store);
  if (frame) link.set("frame", frame);
  return link;
}

// What a link opens, with what is wrong with its numbers: {clip, frame, store, page, wrong: [...]}.
export function readLink(hash, stores) {
  const link = new URLSearchParams(hash.replace(/^#/, "")), wrong = [];
  const number = (key, least, most) => {
    const text = link.get(key);
    if (text === null) return 0;
    if (/^\d{1,9}$/.test(text) && Number(text) >= least && Number(text) <= most) return Number(text) - least;
    wrong.push([key, text]);
    return 0;
  };
  for (const [key, text] of link) {
    if (!OTHERS.includes(key) && !CONTROLS.some(([known]) => known === key)) wrong.push([key, text]);
  }
  if (link.has("marked") && link.get("marked") !== "1") wrong.push(["marked", link.get("marked")]);
  const store = number("store", 0, stores - 1), frame = number("frame", 0, 1e9), page = number("page", 1, 1e9);
  return { link, store, frame, page, clip: link.get("clip") ?? "", wrong };
}

// Set the filters as a link says, all others to their first choice. Returns the values that no control offers.
export function setFilters({ link }, classes, offerParts) {
  const wrong = [];
  for (const [key, id] of CONTROLS) {
    const select = find(id), wanted = link.get(key);
    const value = key === "class" ? String(classes.findIndex((one) => one.name === wanted)) : wanted;
    const place = wanted === null ? 0 : [...select.options].findIndex((option) => option.value === value);
    select.selectedIndex = Math.max(place, 0);
    if (place < 0) wrong.push([key, wanted]);
    if (key === "split") offerParts();
  }
  find("name").value = link.get("name") ?? "";
  find("marked").checked = link.get("marked") === "1";
  return wrong;
}

export function sayIgnored(wrong) {
  const values = wrong.map(([key, text]) => `${key.slice(0, LONGEST)} \`${text.slice(0, LONGEST)}\``);
  find("ignored").hidden = !wrong.length;
  find("ignored").textContent = wrong.length ? `Unknown here, and ignored in the link: ${values.join(", ")}.` : "";
}
