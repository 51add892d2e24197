// The latent explorer's page. State: the code of the picked example (`code`) and the latents as they stand
// (`values`, `on`); every change redraws its row and asks the server to decode what is on.
"use strict";

const PAGE = 24; // thumbnails at a time
const ROOM = 0.25; // of a bar beyond the middle 90 % of its values, at each side, as a share of these
const $ = (id) => document.getElementById(id);
const element = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};
const number = (value) => value.toFixed(2).replace("-", "−");
const short = (value) => String(Number(value.toPrecision(3))).replace("-", "−");

let model, code, values, on;
let meanings = {}; // by latent, once they are measured
let first = 0; // the first thumbnail
let rows = []; // by latent: the elements of its row
let offered = null; // the latent whose row offers to switch others
let seed = 0;

async function ask(path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, body && { method: "POST", headers, body: JSON.stringify(body) });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error || response.statusText);
  return answer;
}

const run = (task) => async (...given) => {
  let problem = "";
  try {
    await task(...given);
  } catch (error) {
    const gone = error instanceof TypeError;
    problem = gone ? "The explorer has stopped; start it again to go on." : error.message;
  }
  $("problem").textContent = problem;
  $("problem").hidden = !problem;
};

// At most one request is under way; the newest code is decoded when it returns.
let busy = false, stale = false;

const decode = run(async () => {
  stale = true;
  if (busy) return;
  busy = true;
  try {
    while (stale) {
      stale = false;
      const z = values.map((value, latent) => (on[latent] ? value : 0));
      const shown = await ask("/api/decode", { z, example: code.index });
      $("decoded").src = shown.decoded;
      if (shown.difference) $("difference").src = shown.difference;
      $("changes").replaceChildren(...(shown.changes ?? []).map(({ name, value, change }) => element(
        "li", {}, element("span", { textContent: name, title: name }), short(value),
        element("b", { textContent: `(${change > 0 ? "+" : ""}${short(change)})` }),
      )));
    }
  } finally { busy = false; }
});

function drawRow(latent) {
  const { item, check, slider, output, low, high } = rows[latent], value = values[latent];
  const share = (at) => 100 * Math.max(0, Math.min(1, (at - low) / (high - low)));
  const text = on[latent] ? number(value) : "off";
  item.classList.toggle("active", on[latent]);
  check.checked = on[latent];
  slider.value = value;
  slider.style.setProperty("--from", `${share(Math.min(0, value))}%`);
  slider.style.setProperty("--to", `${share(Math.max(0, value))}%`);
  slider.style.setProperty("--fill", value < 0 ? "var(--negative)" : "var(--bar)");
  slider.setAttribute("aria-valuetext", text);
  output.textContent = text;
}

function count() {
  const active = [...on.keys()].filter((latent) => on[latent]);
  const idle = active.filter((latent) => meanings[latent]?.idle).length;
  $("count").textContent = `${active.length} of ${model.latents} latents on${idle ? `, ${idle} idle` : ""}`;
}

function change(latents, value, active) {
  for (const latent of latents) {
    if (value !== null) values[latent] = value;
    on[latent] = active;
    drawRow(latent);
  }
  count();
  decode();
}

function switched(latent, value, active) {
  const turned = on[latent] !== active;
  change([latent], value, active);
  if (turned) offer(latent, active);
}

// A latent that was switched off leaves others without the one that they need, or needs others itself.
function offer(latent, active) {
  if (offered !== null) rows[offered].offer.replaceChildren();
  offered = latent;
  const needs = (one, other) => meanings[one]?.needs.includes(other);
  const others = [...on.keys()].filter(
    (other) => on[other] !== active && (active ? needs(latent, other) : needs(other, latent)),
  );
  if (!others.length) return;
  const names = others.join(", "), them = others.length > 1 ? "them" : "it";
  const told = active ? `${latent} is hardly ever on without ${names}.` : `Hardly ever on without ${latent}: ${names}.`;
  const onclick = () => {
    rows[latent].offer.replaceChildren();
    rows[latent].check.focus();
    change(others, null, active);
  };
  const textContent = `Switch ${them} ${active ? "on" : "off"}, too`;
  rows[latent].offer.append(`${told} `, element("button", { textContent, onclick }));
}

function makeRow(latent) {
  const [from, to] = model.ranges[latent], room = ROOM * (to - from) || 1, low = from - room, high = to + room;
  const check = element("input", { type: "checkbox", ariaLabel: `latent ${latent} on` });
  const slider = element("input", {
    type: "range", min: low, max: high, step: (high - low) / 200, ariaLabel: `value of latent ${latent}`,
  });
  const edge = (at) => `${(100 * (at - low)) / (high - low)}%`;
  slider.style.setProperty("--low", edge(from));
  slider.style.setProperty("--high", edge(to));
  slider.style.setProperty("--zero", edge(0));
  const ever = model.median[latent] !== null, target = "latents";
  const name = ever ? element("a", { href: `/latents#latent-${latent}`, target, title: "Its card" }, `${latent}`) : `${latent}`;
  const output = element("output"), gamma = element("span", { className: "gamma" });
  const meaning = element("p", { className: "meaning" }, ever ? "…" : "On in no test example.");
  const range = element("span", { className: "range" }, ever ? `${number(from)} to ${number(to)}` : "");
  const offer = element("p", { className: "offer", role: "status" });
  const item = element("li", {}, check, element("span", {}, name), slider, output, gamma, meaning, range, offer);
  item.dataset.latent = latent;
  check.onchange = () => switched(latent, null, check.checked);
  slider.oninput = () => switched(latent, Number(slider.value), true);
  return { item, check, slider, output, gamma, meaning, offer, low, high };
}

function placeRows() {
  const latents = [...values.keys()].sort((a, b) => Math.abs(code.z[b]) - Math.abs(code.z[a]));
  const place = (id, title, belongs) => {
    const items = latents.filter(belongs).map((latent) => rows[latent].item);
    $(id).replaceChildren(...items);
    if (!title) return;
    $(`${id}-part`).hidden = !items.length;
    $(`${id}-title`).textContent = `${title} (${items.length})`;
  };
  place("on", "", (latent) => code.z[latent] !== 0);
  place("off", `Off in this ${model.thing}`, (latent) => code.z[latent] === 0 && model.used[latent]);
  place("unused", `Used by hardly any ${model.thing}`, (latent) => code.z[latent] === 0 && !model.used[latent]);
}

function show(z) {
  if (offered !== null) rows[offered].offer.replaceChildren();
  values = z.map((value, latent) => (value !== 0 ? value : code.start[latent]));
  on = z.map((value) => value !== 0);
  rows.forEach((_, latent) => drawRow(latent));
  count();
  return decode();
}

const pick = run(async (index) => {
  code = await ask(`/api/example/${index}`);
  history.replaceState(null, "", `#example=${index}`);
  $("original").src = `/api/picture/${index}`;
  $("caption").textContent = code.caption ? `(${index}, ${code.caption})` : `(${index})`;
  rows.forEach(({ gamma }, latent) => {
    gamma.textContent = model.gated ? `γ ${code.gamma[latent].toFixed(2)}` : "";
  });
  $("samples").replaceChildren();
  $("sample-help").hidden = true;
  for (const button of $("thumbnails").children) button.ariaPressed = String(button.dataset.index === String(index));
  await show(code.z);
  placeRows();
});

const pictureButton = (src, alt, onclick) => element("button", { onclick }, element("img", { src, alt }));

function turn(to) {
  first = Math.max(0, Math.min(to, model.examples - 1));
  const last = Math.min(first + PAGE, model.examples);
  $("thumbnails").replaceChildren(...Array.from({ length: last - first }, (_, place) => {
    const index = first + place;
    const button = pictureButton(`/api/picture/${index}`, `test ${model.thing} ${index}`, () => pick(index));
    button.ariaPressed = String(code?.index === index);
    button.dataset.index = index;
    return button;
  }));
  $("thumbnails").scrollLeft = 0;
  $("previous").disabled = first === 0;
  $("next").disabled = last === model.examples;
}

async function goTo(index) {
  turn(Math.floor(index / PAGE) * PAGE);
  await pick(index);
  const box = $("thumbnails"), { offsetLeft, offsetWidth } = box.children[index - first];
  box.scrollLeft = offsetLeft + (offsetWidth - box.clientWidth) / 2;
}

// What the address asks for: #example=12, or #latent=3 in the example in which its value is the median.
async function follow() {
  const asked = new URLSearchParams(location.hash.slice(1)), latent = Number(asked.get("latent") ?? NaN);
  const index = Number(asked.get("example") ?? model.median[latent] ?? 0);
  await goTo(Number.isInteger(index) && index >= 0 && index < model.examples ? index : 0);
  if (!rows[latent]) return;
  for (const { item } of rows) item.classList.remove("asked");
  const { item, slider } = rows[latent];
  $("unused-part").open ||= item.parentElement.id === "unused";
  item.classList.add("asked");
  item.scrollIntoView({ block: "center" });
  slider.focus({ preventScroll: true });
}

const readMeanings = run(async () => {
  meanings = await ask("/api/latents");
  for (const [latent, { meaning, idle }] of Object.entries(meanings)) {
    const badge = idle ? [element("span", { className: "idle", textContent: "idle" }), " "] : [];
    rows[latent].meaning.replaceChildren(...badge, meaning);
    rows[latent].meaning.title = meaning;
  }
  count();
});

run(async () => {
  model = await ask("/api/model");
  window.name = "explorer"; // where the page of latents leads back to
  $("name").textContent = model.name;
  document.title = `${model.name}: latent explorer`;
  document.body.dataset.thing = model.thing;
  $("pick-title").textContent = `Pick a test ${model.thing}`;
  $("difference-caption").textContent = {
    image: "Difference to its own code: red is brighter, blue darker",
    signal: "Difference to its own code",
    row: "Values that differ most from those of its own code",
  }[model.thing];
  $("data").textContent = model.data;
  $("notes").replaceChildren(...model.notes.map((note) => element("li", { textContent: note })));
  values = new Array(model.latents).fill(0);
  rows = values.map((_, latent) => makeRow(latent));
  $("sample").disabled = !model.samples;
  await follow();
  window.onhashchange = follow;
  $("previous").onclick = () => turn(first - PAGE);
  $("next").onclick = () => turn(first + PAGE);
  $("any").onclick = () => goTo(Math.floor(Math.random() * model.examples));
  $("reset").onclick = () => show(code.z);
  $("sample").onclick = run(async () => {
    seed += 1;
    const drawn = await ask("/api/sample", { on: on.map(Number), seed });
    $("sample-help").hidden = false;
    $("samples").replaceChildren(...drawn.pictures.map(
      (picture, place) => pictureButton(picture, `sample ${place + 1}`, () => show(drawn.z[place])),
    ));
  });
  document.body.dataset.ready = "true";
  await readMeanings();
})();
