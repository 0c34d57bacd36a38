// Small pieces of the panel: rows of choices, and the strip of faces.

/** Fills a fieldset with radio buttons; choices: {value: words}; hidden when there is one only. */
export function segments(fieldset, choices, chosen, changed) {
  fieldset.querySelector(".row")?.remove();
  const row = document.createElement("div");
  row.className = "row";
  for (const [value, words] of Object.entries(choices)) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: fieldset.id, value, checked: value === chosen });
    input.addEventListener("change", () => changed(value));
    const text = document.createElement("span");
    text.textContent = words;
    label.append(input, text);
    row.append(label);
  }
  fieldset.append(row);
  fieldset.hidden = Object.keys(choices).length < 2;
}

/** A button for each face; picked: Set of indices, changed in place, never empty. */
export function strip(root, frames, faces, picked, changed) {
  const buttons = frames.map((frame, i) => {
    const button = document.createElement("button");
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [frame.width, frame.height];
    canvas.getContext("2d").putImageData(frame, 0, 0);
    button.append(canvas);
    const notes = faces[i].notes.join(", ");
    button.classList.toggle("noted", Boolean(notes));
    button.setAttribute("aria-label", `Face ${i + 1}${notes && `: ${notes}`}`);
    button.addEventListener("click", () => {
      const all = picked.size === frames.length;
      if (all) picked.clear(); // from all to this one
      if (picked.has(i)) picked.delete(i);
      else picked.add(i);
      if (!picked.size) picked.add(i);
      update();
      changed();
    });
    return button;
  });
  const all = document.createElement("button");
  all.className = "all";
  all.textContent = "All";
  all.addEventListener("click", () => {
    frames.forEach((_, i) => picked.add(i));
    update();
    changed();
  });
  const update = () => {
    buttons.forEach((button, i) => button.setAttribute("aria-pressed", picked.has(i)));
    all.setAttribute("aria-pressed", picked.size === frames.length);
  };
  update();
  root.replaceChildren(all, ...buttons);
}

/** What the page says of its models, from the manifest. */
export function terms(root, models) {
  const list = document.createElement("dl");
  for (const model of models) {
    const name = document.createElement("dt");
    const text = document.createElement("dd");
    name.textContent = model.name;
    text.textContent = [model.summary, model.terms].filter(Boolean).join(" ");
    list.append(name, text);
  }
  root.replaceChildren(list);
}
