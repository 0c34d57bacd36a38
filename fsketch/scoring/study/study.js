"use strict";
// Shows the faces in a random order and the choices in random places; keeps the answers.

const { study, faces } = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
const participant = [...crypto.getRandomValues(new Uint8Array(8))]
  .map((byte) => byte.toString(16).padStart(2, "0")).join("");
const answers = [];

// 0 ... length - 1 in an order drawn evenly (Fisher and Yates).
function shuffled(length) {
  const order = [...Array(length).keys()];
  for (let last = length - 1; last > 0; last--) {
    const other = below(last + 1);
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

// An even whole number below a limit: draws that would favour small ones are drawn again.
function below(limit) {
  const draw = new Uint32Array(1);
  do crypto.getRandomValues(draw); while (draw[0] >= 2 ** 32 - (2 ** 32 % limit));
  return draw[0] % limit;
}

const order = shuffled(faces.length);

function show(name) {
  for (const id of ["start", "trial", "end"]) at(id).hidden = id !== name;
  scrollTo(0, 0);
}

function next() {
  if (answers.length === faces.length) return finish();
  const face = order[answers.length];
  const { reference, choices } = faces[face];
  const places = shuffled(choices.length);
  at("count").textContent = `${answers.length + 1} of ${faces.length}`;
  at("bar").firstElementChild.style.width = `${(100 * answers.length) / faces.length}%`;
  at("reference").src = reference;
  at("choices").style.setProperty("--columns", choices.length);
  const began = performance.now();
  at("choices").replaceChildren(...places.map((choice, place) => {
    const button = document.createElement("button");
    button.type = "button";
    const image = document.createElement("img");
    image.src = choices[choice];
    image.alt = `Picture ${place + 1}`;
    button.append(image, `${place + 1}`);
    button.addEventListener("click", () => {
      answers.push({ face, order: places, place, ms: Math.round(performance.now() - began) });
      next();
    });
    return button;
  }));
  show("trial");
}

function finish() {
  const content = JSON.stringify({ study, participant, answers });
  at("text").value = content;
  at("save").href = URL.createObjectURL(new Blob([content], { type: "application/json" }));
  at("save").download = `choices-${participant}.json`;
  show("end");
}

// The keys 1, 2, ... choose, too; a key held down chooses once.
addEventListener("keydown", (event) => {
  if (event.repeat || at("trial").hidden || event.ctrlKey || event.metaKey || event.altKey) return;
  at("choices").children[Number(event.key) - 1]?.click();
});
addEventListener("beforeunload", (event) => {
  if (answers.length && at("end").hidden) event.preventDefault();
});
at("start").querySelector("button").addEventListener("click", next);
show("start");
