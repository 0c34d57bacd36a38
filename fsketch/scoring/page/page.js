"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const data = JSON.parse($("scores").textContent);
  const value = (id) => ($(id) ? $(id).value : "");
  // Numbers by sign, null last, equal ones as they were.
  const by = (sign) => (a, b) =>
    a === null || b === null ? (a === null) - (b === null) : a === b ? 0 : a < b ? -sign : sign;

  // Tables: a click on a heading sorts, another turns the order.
  const names = new Intl.Collator("en", { numeric: true });
  for (const table of all("table")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      const key = (row) => row.cells[column].dataset.key || null;
      button.addEventListener("click", () => {
        const first = head.textContent.includes("↑") ? "descending" : "ascending";
        const turned = { ascending: "descending", descending: "ascending" };
        const order = turned[head.ariaSort] || first;
        const sign = order === "ascending" ? 1 : -1;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", order);
        const rows = [...table.tBodies[0].rows];
        const isText = rows.every((row) => key(row) === null);
        const text = (row) => row.cells[column].textContent;
        rows.sort((a, b) =>
          isText
            ? sign * names.compare(text(a), text(b))
            : by(sign)(key(a) && Number(key(a)), key(b) && Number(key(b)))
        );
        table.tBodies[0].append(...rows);
      });
    });
  }

  // Panels: of several, show the one that the choices name; "" fits any.
  const choices = ["metric", "output", "baseline"];
  const show = () => {
    for (const panel of all(".panel")) {
      panel.hidden = choices.some((id) => panel.dataset[id] && panel.dataset[id] !== value(id));
    }
  };

  // Pairs: in the chosen order, a few at a time.
  all(".grid").forEach((grid, board) => {
    const listed = [...grid.children];
    const more = grid.nextElementSibling;
    const { scores } = data.boards[board];
    let limit = Number(grid.dataset.first);
    const arrange = () => {
      const rows = [...listed];
      const order = value("order");
      const of = (label) => (scores[label] || {})[value("metric")] || [];
      const [own, other] = [of(value("output")), of(value("baseline"))];
      const key = ({ dataset: { index } }) => {
        const score = own[index] ?? null;
        if (score === null || !order.endsWith("baseline")) return score;
        return other[index] == null ? null : score - other[index];
      };
      // "Worst" and "best" know the metric's better side; "below" and "above" are of numbers.
      const isLow = order.startsWith("worst") === data.higher[value("metric")];
      const sign = (order.endsWith("first") ? isLow : order.startsWith("most below")) ? 1 : -1;
      if (order !== "as listed") rows.sort((a, b) => by(sign)(key(a), key(b)));
      grid.append(...rows);
      rows.forEach((row, i) => (row.hidden = i >= limit));
      more.lastElementChild.textContent = `${Math.min(limit, rows.length)} of ${rows.length}`;
      for (const button of all("button", more)) button.hidden = limit >= rows.length;
    };
    const steps = [12, listed.length];
    all("button", more).forEach((button, i) =>
      button.addEventListener("click", () => {
        limit += steps[i];
        arrange();
      })
    );
    for (const select of all("nav select")) select.addEventListener("change", arrange);
    more.hidden = false;
    arrange();
  });

  const resize = () => {
    for (const grid of all(".grid")) {
      grid.classList.toggle("sized", value("size") !== "");
      grid.style.setProperty("--width", value("size"));
    }
  };
  for (const select of all("nav select")) {
    select.addEventListener("change", show);
    select.addEventListener("change", resize);
  }
  $("choices").hidden = false;
  show();
  resize();
})();
