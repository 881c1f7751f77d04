"use strict";
// Sorts every table of numbers; draws the episodes of #episodes with Observable Plot, if they are here.
(() => {
  const number = new Intl.NumberFormat("en", {maximumFractionDigits: 1});
  const brief = new Intl.NumberFormat("en", {notation: "compact"});
  const show = (value) => number.format(value).replace("-", "\u2212");
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const by = (id) => document.getElementById(id);
  const make = (tag, text, attributes = {}) => {
    const element = document.createElement(tag);
    element.textContent = text;
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };

  // Tables: a click on a column's head sorts its rows, within the headings that divide them.
  const worth = (row, column) => {
    const cell = row.cells[column];
    const text = ((cell?.querySelector("b") ?? cell)?.textContent ?? "").trim();
    const found = text.replace("\u2212", "-").replace(/,/g, "").match(/^[^\d+-]{0,2}([+-]?\d*\.?\d+)/);
    return found ? Number(found[1]) : text.toLowerCase();
  };
  const compare = (a, b) =>
    typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1;
  const sortTable = (table, column, direction) => {
    const rows = [...table.tBodies[0].rows];
    const parts = [[]];
    for (const row of rows) {
      if (row.classList.contains("heading")) parts.push([row]);
      else parts.at(-1).push(row);
    }
    for (const part of parts) {
      const heading = part[0]?.classList.contains("heading") ? [part.shift()] : [];
      part.sort((a, b) => direction * compare(worth(a, column), worth(b, column)));
      table.tBodies[0].append(...heading, ...part);
    }
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
  };
  const sortable = (table) => {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const button = make("button", "", {type: "button", class: "sort"});
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () =>
        sortTable(table, column, head.getAttribute("aria-sort") === "descending" ? 1 : -1));
    });
  };
  document.querySelectorAll("table.numbers:not(#now)").forEach(sortable);

  const block = by("episodes");
  if (!block) return;
  const data = JSON.parse(block.textContent);
  const {nodes, arcs, regions, coast, frame} = data.place;
  const last = data.labels.length - 1;
  const colour = (name) => `var(--${name})`;
  const ids = nodes.map((_, n) => n);
  const money = (value) => `${show(value)} ${data.currency}`;

  // What is shown.
  const chosen = {product: 0, left: 0, right: data.policies.length > 1 ? 1 : -1, t: 0};
  const options = (select, names, value, none) => {
    if (none) select.append(make("option", none, {value: -1}));
    names.forEach((name, i) => select.append(make("option", name, {value: i})));
    select.value = value;
  };
  options(by("product"), data.products, 0);
  // The last policy is what a reader wants to see; the first is what it is held against.
  if (data.policies.length > 1) [chosen.left, chosen.right] = [data.policies.length - 1, 0];
  options(by("left"), data.policies, chosen.left);
  options(by("right"), data.policies, chosen.right, "none");
  by("period").max = last;
  by("nodes").append(...nodes.map((node) => {
    const entry = make("li", "");
    entry.append(make("i", "", {class: "fill", style: `--c: ${colour(node.colour)}`}), node.name);
    return entry;
  }));

  const incoming = (moves, name, t) => {
    const found = nodes.map(() => 0);
    arcs.forEach(([, target], e) => (found[target] += moves[name][t][e]));
    return found;
  };
  const summary = (moves, t) =>
    `${data.labels[t]}: ${show(sum(moves.on_hand[t]))} on hand, ` +
    `${show(sum(moves.in_transit[t]))} on their way, ${show(sum(moves.sold[t]))} sold, ` +
    `${show(sum(moves.unmet[t]))} unmet, ` +
    `${money(sum(moves.reward.slice(0, t + 1)))} so far`;

  // The map. Sizes are the same for both policies and all periods of a product.
  const scaleOf = (product) => {
    const all = data.moves[product];
    const most = (values) => Math.max(1e-9, ...values);
    return {
      stock: most(all.flatMap((moves) => moves.on_hand.flatMap((row, t) => {
        const coming = incoming(moves, "in_transit", t);
        return row.map((units, n) => Math.max(units + coming[n], moves.unmet[t][n]));
      }))),
      flow: most(all.flatMap((moves) => moves.shipped.flat())),
      lane: most(all.flatMap((moves) => (moves.lanes ?? []).flat().map((lane) => lane[2]))),
      views: most((data.views[product] ?? []).flat()),
    };
  };
  const vendor = ([x, y]) => data.place.map
    ? [x, y + 0.13 * (frame[3] - frame[1])]
    : [x - 0.12 * (frame[2] - frame[0]), y];
  const drawMap = (moves, scale, name, width) => {
    const t = chosen.t;
    const rows = new Set(nodes.map((node) => node.at[1])).size;
    const shape = data.place.map ? (frame[3] - frame[1]) / (frame[2] - frame[0]) : rows > 1 ? 0.55 : 0.3;
    const largest = Math.max(12, 0.05 * width);
    const radius = (units, most = scale.stock) => largest * Math.sqrt(units / most);
    const coming = incoming(moves, "in_transit", t);
    const at = (n) => nodes[n].at;
    const flows = arcs
      .map(([s, n], e) => ({from: s < 0 ? vendor(at(n)) : at(s), to: at(n), units: moves.shipped[t][e]}))
      .filter((flow) => flow.units > 0);
    const lanes = (moves.lanes?.[t] ?? []).map(([n, z, units]) =>
      ({from: at(n), to: regions[z].at, units, colour: colour(nodes[n].colour)}));
    const seen = data.views[chosen.product]?.[t] ?? [];
    const title = (n) => [
      nodes[n].name,
      `${show(moves.on_hand[t][n])} on hand`,
      `${show(coming[n])} on their way here`,
      `${show(incoming(moves, "shipped", t)[n])} sent here`,
      `${show(moves.sold[t][n])} sold`,
      `${show(moves.unmet[t][n])} unmet`,
    ].join("\n");
    const line = (d) => ({x1: (f) => f.from[0], y1: (f) => f.from[1], x2: (f) => f.to[0],
      y2: (f) => f.to[1], strokeLinecap: "round", ...d});
    const where = {x: (n) => at(n)[0], y: (n) => at(n)[1]};
    const marks = [
      Plot.line(coast, {x: "0", y: "1", curve: "linear-closed", fill: colour("land"), stroke: colour("coast")}),
      Plot.dot(regions, {x: (z) => z.at[0], y: (z) => z.at[1], r: (_, z) => 0.5 * radius(seen[z] ?? 0, scale.views),
        fill: colour("muted"), fillOpacity: 0.22}),
      Plot.link(lanes, line({stroke: "colour", strokeWidth: (f) => 0.4 + 2.6 * Math.sqrt(f.units / scale.lane), strokeOpacity: 0.75})),
      Plot.link(flows, line({stroke: colour("orderupto"), strokeWidth: (f) => 0.8 + 7 * Math.sqrt(f.units / scale.flow), strokeOpacity: 0.55})),
      Plot.dot(ids, {...where, r: (n) => 3 + radius(moves.on_hand[t][n] + coming[n]), stroke: colour("ink"), strokeWidth: 0.9}),
      Plot.dot(ids, {...where, r: (n) => 3 + radius(moves.on_hand[t][n]), fill: (n) => colour(nodes[n].colour), stroke: colour("surface"), strokeWidth: 0.8}),
      Plot.dot(ids.filter((n) => moves.unmet[t][n] > 0), {...where, r: (n) => 5 + radius(moves.unmet[t][n]), stroke: colour("unmet"), strokeWidth: 2.5}),
      data.place.map ? [] : Plot.text(ids, {...where, text: (n) => nodes[n].name, dy: -0.75 * largest - 9, fill: colour("ink"),
        stroke: colour("surface"), strokeWidth: 4, fontSize: 11}),
      Plot.tip(ids, Plot.pointer({...where, title, fill: colour("surface"), stroke: colour("coast")})),
    ];
    return Plot.plot({
      width, height: Math.round(width * shape), margin: 0, marks,
      x: {axis: null, domain: [frame[0], frame[2]]},
      y: {axis: null, domain: [frame[1], frame[3]]},
      r: {type: "identity"}, color: {type: "identity"},
      ariaLabel: `Map of ${name}: stock, flows and unmet demand`,
      ariaDescription: summary(moves, t),
    });
  };

  // The curves over time: bands of the nodes, and the chosen period.
  const periods = data.labels.map((_, t) => t);
  const edges = [...periods, last + 1]; // a step's last value is drawn to its end
  const curves = (name, moves, width, what) => {
    const steps = (rows) => edges.flatMap((t) =>
      ids.map((n) => ({t, n, units: rows[Math.min(t, last)][n]})));
    const bands = (key) => Plot.areaY(steps(moves[key]), {x: "t", y: "units", z: "n", curve: "step-after",
      fill: (d) => colour(nodes[d.n].colour), order: "n"});
    let total = 0;
    const reward = periods.map((t) => ({t, units: (total += moves.reward[t])}));
    const drawn = {
      stock: [bands("on_hand")],
      flow: [bands("sold"), Plot.areaY(edges.map((t) => ({t, units: -sum(moves.unmet[Math.min(t, last)])})),
        {x: "t", y: "units", curve: "step-after", fill: colour("unmet")})],
      reward: [Plot.lineY(reward, {x: "t", y: "units", stroke: colour("ink"), strokeWidth: 1.6})],
    }[what];
    const most = {
      stock: (m) => m.on_hand.map(sum), flow: (m) => m.sold.map(sum), reward: (m) => partial(m.reward),
    }[what];
    const least = {stock: () => [0], flow: (m) => m.unmet.map((row) => -sum(row)), reward: (m) => partial(m.reward)}[what];
    const all = data.moves[chosen.product];
    const domain = [Math.min(0, ...all.flatMap(least)), Math.max(1e-9, ...all.flatMap(most))];
    const label = {stock: "units on hand", flow: "units sold; below 0: unmet", reward: `reward so far, ${data.currency}`}[what];
    return Plot.plot({
      width, height: what === "reward" ? 110 : 140, marginLeft: 46, marginRight: 8, marginBottom: 22, marginTop: 22,
      style: {color: colour("muted"), fontSize: "11px", overflow: "visible"},
      x: {domain: [0, last + 1], label: null, ticks: Math.min(5, data.labels.length), tickSize: 3,
        tickFormat: (t) => (Number.isInteger(t) && data.labels[t]) || ""},
      y: {domain, label, labelArrow: "none", ticks: 4, grid: true, tickSize: 0,
        tickFormat: (value) => brief.format(value).replace("-", "\u2212")},
      color: {type: "identity"},
      marks: [
        ...drawn, Plot.ruleY([0], {stroke: colour("ink"), strokeWidth: 0.8}),
        Plot.ruleX([chosen.t + 0.5], {stroke: colour("ink"), strokeWidth: 1.5, strokeDasharray: "3,2"}),
        Plot.tip(periods, Plot.pointerX({x: (t) => t + 0.5, y: () => domain[1], title: (t) => summary(moves, t).replaceAll(", ", "\n"),
          fill: colour("surface"), stroke: colour("coast"), anchor: "bottom"})),
      ],
      ariaLabel: `${label} over time, ${name}`,
      ariaDescription: `Total over all periods: ${show(sum(moves.sold.flat()))} sold, ${show(sum(moves.unmet.flat()))} unmet, ${money(sum(moves.reward))}`,
    });
  };
  const partial = (values) => {
    let total = 0;
    return values.map((value) => (total += value));
  };

  const drawSide = (side, policy) => {
    const name = data.policies[policy];
    const moves = data.moves[chosen.product][policy];
    const width = Math.max(240, Math.floor(side.clientWidth));
    const scale = scaleOf(chosen.product);
    const pictures = [drawMap(moves, scale, name, width),
      ...["stock", "flow", "reward"].map((what) => curves(name, moves, width, what))];
    pictures.forEach((picture, i) => {
      picture.setAttribute("role", "img");
      if (i) {
        picture.addEventListener("click", (event) => {
          const box = picture.getBoundingClientRect();
          const share = ((event.clientX - box.left) / box.width * width - 46) / (width - 54);
          go(Math.floor(share * (last + 1)));
        });
      }
    });
    const words = `${show(sum(moves.sold.flat()))} sold, ${show(sum(moves.unmet.flat()))} unmet, ${money(sum(moves.reward))}`;
    side.replaceChildren(make("h3", name), make("p", words, {class: "quiet"}), ...pictures);
  };

  const drawTable = (policies) => {
    const table = by("now");
    const columns = [
      ["on hand", (moves, n) => moves.on_hand[chosen.t][n]],
      ["on its way", (moves, n) => incoming(moves, "in_transit", chosen.t)[n]],
      ["sent here", (moves, n) => incoming(moves, "shipped", chosen.t)[n]],
      ["sold", (moves, n) => moves.sold[chosen.t][n]],
      ["unmet", (moves, n) => moves.unmet[chosen.t][n]],
    ];
    const sorted = [...(table.tHead.rows[0]?.cells ?? [])].findIndex((head) => head.ariaSort);
    const direction = sorted < 0 ? 0 : table.tHead.rows[0].cells[sorted].ariaSort === "ascending" ? 1 : -1;
    const head = make("tr", "");
    head.append(...["node", "policy", ...columns.map(([what]) => what)].map((what) =>
      make("th", what, {scope: "col"})));
    const rows = ids.flatMap((n) => policies.map((policy) => {
      const row = make("tr", "");
      row.append(make("th", nodes[n].name, {scope: "row"}), make("td", data.policies[policy], {class: "name"}),
        ...columns.map(([, of]) => make("td", show(of(data.moves[chosen.product][policy], n)))));
      return row;
    }));
    table.caption.textContent = `${data.products[chosen.product]}, ${data.labels[chosen.t]}`;
    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceChildren(...rows);
    sortable(table);
    if (direction && sorted < head.cells.length) sortTable(table, sorted, direction);
  };

  const draw = () => {
    const policies = [chosen.left, chosen.right].filter((policy, i, all) => policy >= 0 && all.indexOf(policy) === i);
    const sides = by("sides");
    while (sides.children.length > policies.length) sides.lastChild.remove();
    while (sides.children.length < policies.length) sides.append(make("div", "", {class: "side"}));
    policies.forEach((policy, i) => drawSide(sides.children[i], policy));
    drawTable(policies);
    by("label").textContent = `${data.labels[chosen.t]} (${chosen.t + 1} of ${last + 1})`;
    by("period").value = chosen.t;
    by("period").setAttribute("aria-valuetext", data.labels[chosen.t]);
  };
  const go = (t) => {
    chosen.t = Math.min(last, Math.max(0, t));
    draw();
  };

  // Controls.
  for (const name of ["product", "left", "right"]) {
    by(name).addEventListener("change", (event) => {
      chosen[name] = Number(event.target.value);
      draw();
    });
  }
  by("period").addEventListener("input", (event) => go(Number(event.target.value)));
  let running = 0;
  const stop = () => {
    clearInterval(running);
    running = 0;
    by("play").textContent = "Play";
  };
  by("play").addEventListener("click", () => {
    if (running) return stop();
    if (chosen.t === last) go(0);
    by("play").textContent = "Stop";
    running = setInterval(() => (chosen.t === last ? stop() : go(chosen.t + 1)), 500);
  });
  let width = 0;
  new ResizeObserver(() => {
    if (by("sides").clientWidth === width) return;
    width = by("sides").clientWidth;
    draw();
  }).observe(by("sides"));
  draw();
})();
