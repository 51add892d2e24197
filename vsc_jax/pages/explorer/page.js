// The latent explorer's page. State: the code of the picked image (`code`) and the latents as they stand
// (`values`, `on`); every change redraws its row and asks the server to decode what is on.
"use strict";

const PAGE = 24; // thumbnails at a time
const $ = (id) => document.getElementById(id);

let model, code, values, on;
let first = 0; // the first thumbnail
let rows = []; // by latent: the elements of its row
let seed = 0;

async function ask(path, body) {
  const options = body && {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  const response = await fetch(path, options);
  if (!response.ok) throw new Error((await response.json()).error || response.statusText);
  return response;
}

function complain(error) {
  const gone = error instanceof TypeError;
  $("problem").textContent = gone ? "The explorer has stopped; start it again to go on." : error.message;
  $("problem").hidden = false;
}

function run(task) {
  return async (...given) => {
    try { await task(...given); $("problem").hidden = true; } catch (error) { complain(error); }
  };
}

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// --- decoding: at most one request under way; the newest code is decoded when it returns ---------------
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

// --- rows ---------------------------------------------------------------------------------------------------
function drawRow(latent) {
  const { item, check, slider, output } = rows[latent];
  const share = (value) => 50 * (1 + Math.max(-1, Math.min(1, value / model.reach)));
  const middle = 50, end = share(values[latent]);
  item.classList.toggle("active", on[latent]);
  check.checked = on[latent];
  slider.value = values[latent];
  slider.style.setProperty("--from", `${Math.min(middle, end)}%`);
  slider.style.setProperty("--to", `${Math.max(middle, end)}%`);
  slider.style.setProperty("--fill", values[latent] < 0 ? "var(--negative)" : "var(--bar)");
  slider.setAttribute("aria-valuetext", on[latent] ? values[latent].toFixed(2) : "off");
  output.textContent = on[latent] ? values[latent].toFixed(2).replace("-", "−") : "off";
}

function drawCount() {
  const count = on.filter(Boolean).length;
  $("count").textContent = `${count} of ${model.latents} latents on`;
}

function change(latent, value, active) {
  values[latent] = value;
  on[latent] = active;
  drawRow(latent);
  drawCount();
  decode();
}

function makeRow(latent) {
  const check = element("input", { type: "checkbox", ariaLabel: `latent ${latent} on` });
  const slider = element("input", {
    type: "range", min: -model.reach, max: model.reach, step: model.reach / 500, ariaLabel: `value of latent ${latent}`,
  });
  const output = element("output");
  const gamma = element("span", { className: "gamma" });
  const item = element("li", {}, element("label", {}, check, String(latent)), slider, output, gamma);
  item.dataset.latent = latent;
  check.addEventListener("change", () => change(latent, values[latent], check.checked));
  slider.addEventListener("input", () => change(latent, Number(slider.value), true));
  return { item, check, slider, output, gamma };
}

function placeRows() {
  const all = [...values.keys()];
  const bySize = (a, b) => Math.abs(code.z[b]) - Math.abs(code.z[a]);
  const active = all.filter((latent) => code.z[latent] !== 0).sort(bySize);
  const rest = all.filter((latent) => code.z[latent] === 0);
  const items = (latents) => latents.map((latent) => rows[latent].item);
  const off = rest.filter((latent) => model.used[latent]), unused = rest.filter((latent) => !model.used[latent]);
  $("on").replaceChildren(...items(active));
  $("off").replaceChildren(...items(off));
  $("unused").replaceChildren(...items(unused));
  $("off-title").hidden = !off.length;
  $("off-title").textContent = `Off in this image (${off.length})`;
  $("unused-part").hidden = !unused.length;
  $("unused-title").textContent = `Used by hardly any image (${unused.length})`;
}

// --- pictures ---------------------------------------------------------------------------------------------
function show(z) {
  values = z.map((value, latent) => (value !== 0 ? value : code.start[latent]));
  on = z.map((value) => value !== 0);
  rows.forEach((_, latent) => drawRow(latent));
  drawCount();
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
  for (const button of $("thumbnails").children) {
    button.ariaPressed = String(Number(button.dataset.index) === index);
  }
  await show(code.z);
  placeRows();
});

function drawThumbnails() {
  const last = Math.min(first + PAGE, model.examples);
  const buttons = [];
  for (let index = first; index < last; index += 1) {
    const image = element("img", { src: `/api/picture/${index}`, alt: `test image ${index}` });
    const button = element("button", { type: "button", ariaPressed: String(code?.index === index) }, image);
    button.dataset.index = index;
    button.addEventListener("click", () => pick(index));
    buttons.push(button);
  }
  $("thumbnails").replaceChildren(...buttons);
  $("thumbnails").scrollLeft = 0;
  $("previous").disabled = first === 0;
  $("next").disabled = last === model.examples;
}

function turn(by) {
  first = Math.max(0, Math.min(first + by, model.examples - 1));
  drawThumbnails();
}

const sample = run(async () => {
  seed += 1;
  const drawn = await (await ask("/api/sample", { on: on.map(Number), seed })).json();
  $("sample-help").hidden = false;
  $("samples").replaceChildren(...drawn.pictures.map((picture, number) => {
    const image = element("img", { src: picture, alt: `sample ${number + 1}` });
    const button = element("button", { type: "button" }, image);
    button.addEventListener("click", () => show(drawn.z[number]));
    return button;
  }));
});

const start = run(async () => {
  model = await (await ask("/api/model")).json();
  $("name").textContent = model.name;
  document.title = `${model.name}: latent explorer`;
  $("data").textContent = model.data;
  $("notes").replaceChildren(...model.notes.map((note) => element("li", { textContent: note })));
  rows = Array.from({ length: model.latents }, (_, latent) => makeRow(latent));
  values = new Array(model.latents).fill(0);
  $("sample").disabled = !model.samples;
  drawThumbnails();
  await pick(0);
  $("previous").addEventListener("click", () => turn(-PAGE));
  $("next").addEventListener("click", () => turn(PAGE));
  $("any").addEventListener("click", () => {
    const index = Math.floor(Math.random() * model.examples);
    first = Math.floor(index / PAGE) * PAGE;
    drawThumbnails();
    pick(index);
  });
  $("reset").addEventListener("click", () => show(code.z));
  $("sample").addEventListener("click", sample);
  document.body.dataset.ready = "true";
});

start();
