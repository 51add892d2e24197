// The latent explorer's page. State: the code of the picked image (`code`) and the latents as they stand
// (`values`, `on`); every change redraws its row and asks the server to decode what is on.
"use strict";

const PAGE = 24; // thumbnails at a time
const $ = (id) => document.getElementById(id);
const element = (tag, properties, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
};

let model, code, values, on;
let first = 0; // the first thumbnail
let rows = []; // by latent: the elements of its row
let seed = 0;

async function ask(path, body) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(path, body && { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error((await response.json()).error || response.statusText);
  return response;
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
      const blob = await (await ask("/api/decode", { z })).blob();
      const image = $("decoded"), before = image.src;
      image.className = blob.type === "image/png" ? "" : "curve";
      image.src = URL.createObjectURL(blob);
      if (before.startsWith("blob:")) URL.revokeObjectURL(before);
    }
  } finally { busy = false; }
});

function drawRow(latent) {
  const { item, check, slider, output } = rows[latent], value = values[latent];
  const end = 50 * (1 + Math.max(-1, Math.min(1, value / model.reach)));
  const text = on[latent] ? value.toFixed(2) : "off";
  item.classList.toggle("active", on[latent]);
  check.checked = on[latent];
  slider.value = value;
  slider.style.setProperty("--from", `${Math.min(50, end)}%`);
  slider.style.setProperty("--to", `${Math.max(50, end)}%`);
  slider.style.setProperty("--fill", value < 0 ? "var(--negative)" : "var(--bar)");
  slider.setAttribute("aria-valuetext", text);
  output.textContent = text.replace("-", "−");
  $("count").textContent = `${on.filter(Boolean).length} of ${model.latents} latents on`;
}

function change(latent, value, active) {
  values[latent] = value;
  on[latent] = active;
  drawRow(latent);
  decode();
}

function makeRow(latent) {
  const check = element("input", { type: "checkbox", ariaLabel: `latent ${latent} on` });
  const slider = element("input", {
    type: "range", min: -model.reach, max: model.reach, step: model.reach / 500, ariaLabel: `value of latent ${latent}`,
  });
  const output = element("output"), gamma = element("span", { className: "gamma" });
  const item = element("li", {}, element("label", {}, check, String(latent)), slider, output, gamma);
  item.dataset.latent = latent;
  check.onchange = () => change(latent, values[latent], check.checked);
  slider.oninput = () => change(latent, Number(slider.value), true);
  return { item, check, slider, output, gamma };
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
  place("off", "Off in this image", (latent) => code.z[latent] === 0 && model.used[latent]);
  place("unused", "Used by hardly any image", (latent) => code.z[latent] === 0 && !model.used[latent]);
}

function show(z) {
  values = z.map((value, latent) => (value !== 0 ? value : code.start[latent]));
  on = z.map((value) => value !== 0);
  rows.forEach((_, latent) => drawRow(latent));
  return decode();
}

const pick = run(async (index) => {
  code = await (await ask(`/api/example/${index}`)).json();
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
    const button = pictureButton(`/api/picture/${index}`, `test image ${index}`, () => pick(index));
    button.ariaPressed = String(code?.index === index);
    button.dataset.index = index;
    return button;
  }));
  $("thumbnails").scrollLeft = 0;
  $("previous").disabled = first === 0;
  $("next").disabled = last === model.examples;
}

run(async () => {
  model = await (await ask("/api/model")).json();
  $("name").textContent = model.name;
  document.title = `${model.name}: latent explorer`;
  $("data").textContent = model.data;
  $("notes").replaceChildren(...model.notes.map((note) => element("li", { textContent: note })));
  values = new Array(model.latents).fill(0);
  rows = values.map((_, latent) => makeRow(latent));
  $("sample").disabled = !model.samples;
  turn(0);
  await pick(0);
  $("previous").onclick = () => turn(first - PAGE);
  $("next").onclick = () => turn(first + PAGE);
  $("any").onclick = () => {
    const index = Math.floor(Math.random() * model.examples);
    turn(Math.floor(index / PAGE) * PAGE);
    pick(index);
  };
  $("reset").onclick = () => show(code.z);
  $("sample").onclick = run(async () => {
    seed += 1;
    const drawn = await (await ask("/api/sample", { on: on.map(Number), seed })).json();
    $("sample-help").hidden = false;
    $("samples").replaceChildren(...drawn.pictures.map(
      (picture, number) => pictureButton(picture, `sample ${number + 1}`, () => show(drawn.z[number])),
    ));
  });
  document.body.dataset.ready = "true";
})();
