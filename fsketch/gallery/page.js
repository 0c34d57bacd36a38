"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const collator = new Intl.Collator("en", { numeric: true });

  // Tables: a click on a heading sorts, another turns the order; missing numbers stay last.
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    const key = (row, column) => {
      const { value } = row.cells[column].dataset;
      if (value === undefined) return row.cells[column].textContent;
      return value === "" ? null : Number(value);
    };
    heads.forEach((head, column) => {
      if (head.tagName === "TD") return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const turned = { ascending: "descending", descending: "ascending" };
        const order =
          turned[head.getAttribute("aria-sort")] || head.dataset.first || "ascending";
        const sign = order === "ascending" ? 1 : -1;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", order);
        const rows = [...table.tBodies[0].rows];
        rows.sort((one, other) => {
          const [a, b] = [key(one, column), key(other, column)];
          if (a === null || b === null) return (a === null) - (b === null);
          if (typeof a === "string") return sign * collator.compare(a, b);
          return a === b ? 0 : a < b ? -sign : sign;
        });
        table.tBodies[0].append(...rows);
      });
    });
  }

  for (const controls of document.querySelectorAll(".controls")) controls.hidden = false;

  // Panels: of several, show the one that the selects name.
  for (const picks of document.querySelectorAll(".picks")) {
    const selects = [...picks.querySelectorAll("select")];
    const show = () => {
      for (const panel of picks.querySelectorAll(".panel")) {
        panel.hidden = selects.some((select) => panel.dataset[select.dataset.key] !== select.value);
      }
    };
    for (const select of selects) select.addEventListener("change", show);
    show();
  }

  // Pairs: sorted and shown a dozen at a time.
  const grid = $("grid");
  const listed = [...grid.children];
  const data = JSON.parse($("scores").textContent);
  const DOZEN = 12;
  let limit = DOZEN;

  const scoresOf = () => data.scores[$("output").value][$("metric").value];
  const arrange = () => {
    const rows = [...listed];
    const order = $("order") ? Number($("order").value) : 0;
    if (order) {
      const scores = scoresOf();
      const isAscending = data.higher_is_better[$("metric").value] === (order === 1);
      rows.sort((one, other) => {
        const [a, b] = [scores[one.dataset.index], scores[other.dataset.index]];
        if (a === null || b === null) return (a === null) - (b === null);
        return a === b ? 0 : a < b === isAscending ? -1 : 1;
      });
    }
    if ($("order")) for (const id of ["metric", "output"]) $(id).disabled = !order;
    grid.append(...rows);
    rows.forEach((row, i) => (row.hidden = i >= limit));
    const shown = Math.min(limit, rows.length);
    $("position").textContent = `${shown} of ${rows.length} pairs`;
    $("more").hidden = $("all").hidden = shown === rows.length;
  };
  for (const id of ["order", "metric", "output"]) {
    if ($(id)) $(id).addEventListener("change", arrange);
  }
  $("more").addEventListener("click", () => {
    limit += DOZEN;
    arrange();
  });
  $("all").addEventListener("click", () => {
    limit = listed.length;
    arrange();
  });
  $("width").addEventListener("change", () => {
    const px = 100 * Number($("width").value);
    grid.classList.toggle("sized", px > 0);
    grid.style.setProperty("--width", `${px}px`);
  });
  arrange();
  // A browser that goes back to the page may keep the choice.
  $("width").dispatchEvent(new Event("change"));
})();
