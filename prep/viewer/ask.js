// Questions to the server, and elements of the page. Texts from a store become text nodes, never HTML.

export class Refused extends Error {}

export async function ask(question, parameters = {}, options = {}) {
  let response;
  try {
    response = await fetch(addressOf(question, parameters), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("`fsprep view` does not answer. Look at its terminal, or start it again.");
  }
  const kind = response.headers.get("Content-Type") ?? "";
  if (response.ok) return kind.startsWith("application/json") ? response.json() : response.arrayBuffer();
  throw new Refused(kind.startsWith("application/json") ? (await response.json()).error : await response.text());
}

export function addressOf(question, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  return `/api/${question}?${new URLSearchParams(given)}`;
}

export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("aria-") || name === "role") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
}

export function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, text]) => make("option", { value, textContent: text })));
}

export const find = (id) => document.getElementById(id);

// One row of a list of clips: a button with the clip's facts.
export function clipButton(row, open) {
  const facts = [row.class, `${row.frames} frames`];
  if (row.bodies > 1) facts.push(`${row.bodies} bodies`);
  if (row.value) facts.push(row.value);
  if (row.marked) facts.push("marked");
  const about = make("span", { className: "facts" }, facts.join(", "));
  if (row.flags.length) about.append(make("span", { className: "flag" }, `; ${row.flags.join(", ")}`));
  const button = make("button", { type: "button" }, make("span", { className: "name" }, row.name), about);
  button.addEventListener("click", () => open(row));
  return button;
}
