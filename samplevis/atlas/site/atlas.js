"use strict";
// The page of an atlas. Data arrives as scripts that call `atlas.index`, `atlas.layer`, `atlas.map` and `atlas.images`. Whatever a
// name holds, it is set as text: no HTML is made of data.
const atlas = (() => {
  const VIEW_NAMES = { optimized: "optimised", samples: "sampled", means: "mean of a chain", examples: "examples" };
  const KEYS = [
    ["/", "search"], ["1 to 4", "optimised, sampled, mean of a chain, examples"], ["arrows", "move between tiles"],
    ["Enter", "open"], ["[ and ]", "previous and next unit or layer"], ["s", "star"], ["c", "add to the comparison"],
    ["m", "map"], ["h", "overview"], ["?", "this list"],
  ];
  const PREVIEW = 12, BLOCK = 126;
  let index = null;
  let view = "optimized";
  const layers = new Map(), maps = new Map(), images = new Map(), waiting = new Map();
  let stars = stored("stars", []), compared = stored("compared", []);

  // --- Small tools --------------------------------------------------------------------------------------------------------------

  function stored(name, otherwise) {
    try { return JSON.parse(localStorage.getItem("atlas-" + name)) ?? otherwise; } catch { return otherwise; }
  }
  function store(name, value) {
    try { localStorage.setItem("atlas-" + name, JSON.stringify(value)); } catch { /* Private windows have no storage. */ }
  }
  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "onclick" || name === "onchange") node[name] = value;
      else if (name === "style") Object.assign(node.style, value);
      else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return node;
  }
  const short = (text, most = 80) => (text.length > most ? text.slice(0, most - 1) + "…" : text);
  const figure = (value) => (value === null || value === undefined ? "–" : Math.abs(value) >= 1e5 ? value.toExponential(2) : String(+value.toPrecision(4)));
  const link = (...parts) => "#/" + parts.map((part) => encodeURIComponent(part)).join("/");
  const say = (text) => { document.getElementById("status").textContent = text; };
  const main = () => document.getElementById("main");

  function script(path) {
    if (!waiting.has(path)) {
      waiting.set(path, new Promise((done, failed) => {
        const node = el("script", { src: path });
        node.onload = done;
        node.onerror = () => { waiting.delete(path); failed(new Error(path)); };
        document.head.append(node);
      }));
    }
    return waiting.get(path);
  }
  async function loadLayer(entry) {
    if (!layers.has(entry.id)) await script(`data/layer-${entry.id}.js`);
    return layers.get(entry.id);
  }
  async function loadMap(m) {
    if (!maps.has(m)) await script(`data/map-${m}.js`);
    return maps.get(m);
  }
  async function loadImages(m) {
    if (!images.has(m)) await script(`data/images-${m}.js`);
    return images.get(m);
  }

  // --- Names and places ---------------------------------------------------------------------------------------------------------

  const modelNames = () => index.models.map((model, m) =>
    index.models.filter((other) => other.name === model.name).length > 1 ? `${model.name} ${m + 1}` : model.name);
  function findLayer(modelName, layerName) {
    const m = modelNames().indexOf(modelName);
    const entry = m < 0 ? null : index.models[m].layers.find((layer) => layer.name === layerName);
    return entry ? { m, model: index.models[m], modelName, entry } : null;
  }
  const keyOf = (place, unit) => [place.modelName, place.entry.name, ...(unit === undefined ? [] : [String(unit)])];
  const title = (place, unit) => `${place.entry.name}:${unit.unit}` + (unit.name ? ` ${unit.name}` : "");
  function everyLayer() {
    const names = modelNames();
    return index.models.flatMap((model, m) => model.layers.map((entry) => ({ m, model, modelName: names[m], entry })));
  }

  // --- Pictures -----------------------------------------------------------------------------------------------------------------

  function tileStyle(place, name, n, side) {
    const [columns, rows] = place.model.columns, per = columns * rows, scale = side / place.model.tile;
    const sheet = Math.floor(n / per), at = n % per;
    return {
      width: side + "px", height: side + "px",
      backgroundImage: `url("sheets/${name}-${sheet}.webp")`,
      backgroundSize: `${columns * side}px auto`,
      backgroundPosition: `-${(at % columns) * side}px -${Math.floor(at / columns) * side}px`,
      imageRendering: scale >= 2 ? "pixelated" : "auto",
    };
  }
  const hasView = (unit, which) => which === "examples" ? !!(unit.examples && unit.examples.top.length) : unit.pictures[which] > 0;
  function tile(place, units, n, side, which = view) {
    const unit = units[n], there = hasView(unit, which);
    const style = there ? tileStyle(place, `${place.entry.id}-${which}`, n, side) : { width: side + "px", height: side + "px" };
    const text = short(`${title(place, unit)}, ${unit.status}, level ${figure(unit.level)}`);
    const bad = unit.status !== "reached";
    return el("a", {
      class: `tile ${unit.status}${there ? "" : " none"}`, href: link(...keyOf(place, unit.unit)), style, title: text,
      "aria-label": `${VIEW_NAMES[which]} picture of ${text}`, "data-unit": unit.unit,
    }, bad ? el("span", { class: "mark" }, unit.status) : stars.includes(keyOf(place, unit.unit).join("\n")) ? el("span", { class: "mark" }, "★") : null);
  }
  function named(place, units, n, side) {
    const unit = units[n], words = unit.name ? `${unit.unit} ${unit.name}` : String(unit.unit);
    return el("figure", { style: { width: side + "px" } }, tile(place, units, n, side), el("figcaption", { title: short(words, 200) }, short(words, 40)));
  }
  function strip(place, unit, from, count, captions, what) {
    const total = Object.values(unit.pictures).reduce((sum, each) => sum + each, 0), side = innerWidth < 480 ? 86 : 112;
    return el("ul", { class: "row" }, Array.from({ length: count }, (_, n) => el("li", {}, el("figure", {},
      el("div", { class: "picture", role: "img", "aria-label": short(`${what} ${n + 1} of ${title(place, unit)}`), style: {
        width: side + "px", height: side + "px", backgroundImage: `url("units/${place.entry.id}/${unit.unit}.webp")`,
        backgroundSize: `${total * side}px ${side}px`, backgroundPosition: `-${(from + n) * side}px 0`,
      } }), captions ? el("figcaption", {}, captions[n]) : null))));
  }
  function exampleRow(place, pairs, names) {
    const side = 80, [count] = place.model.thumbs;
    return el("ul", { class: "row" }, pairs.filter(([n]) => n < count).map(([n, value]) => el("li", {}, el("figure", {},
      el("div", { class: "picture", role: "img", "aria-label": short(`image ${names[n]}, activation ${figure(value)}`), title: short(names[n], 200),
        style: tileStyle(place, `thumbs-${place.m}`, n, side) }), el("figcaption", {}, figure(value))))));
  }

  // --- Pages --------------------------------------------------------------------------------------------------------------------

  function show(heading, ...children) {
    document.title = short(heading, 60);
    main().replaceChildren(el("h1", { class: heading.length > 200 ? "long" : null }, heading), ...children.flat().filter(Boolean));
  }

  function overview() {
    const names = modelNames();
    const parts = index.models.flatMap((model, m) => {
      const units = model.layers.reduce((sum, layer) => sum + layer.units, 0);
      const planned = model.layers.reduce((sum, layer) => sum + layer.planned, 0);
      return [
        el("h2", {}, names[m]),
        el("p", { class: "soft" }, `${units.toLocaleString("en")} units of ${model.layers.length} ${model.layers.length === 1 ? "layer" : "layers"}` +
          (planned > units ? `, ${(planned - units).toLocaleString("en")} still to come` : "") +
          `. Weights ${model.sha256.slice(0, 12)}, pictures of ${model.settings.size} pixels, level ${model.settings.level}.`),
        el("ul", { class: "cards" }, model.layers.map((entry) => layerCard({ m, model, modelName: names[m], entry }))),
      ];
    });
    show(names.length === 1 ? `Atlas of ${names[0]}` : "Atlas of " + names.join(", "), viewButtons(overview), parts, legend(true));
  }
  function legend(open) {
    const rows = (entries) => entries.flatMap(([name, meaning]) => [el("dt", {}, name), el("dd", {}, meaning)]);
    return el("details", { class: "legend", open }, el("summary", {}, "What the pictures and words mean"), el("dl", {},
      rows([
        ["optimised", "the picture that gradient ascent finds: one extreme answer"],
        ["sampled", "pictures drawn at random among those that excite the unit to the level; drafts, without an accept step"],
        ["mean of a chain", "the mean of the draws that began at one picture: what stayed the same"],
        ["examples", "your images that excite the unit most"],
      ]),
      rows(Object.entries(index.statuses)), rows(Object.values(index.figures))));
  }
  function layerCard(place) {
    const { entry, model } = place, statuses = Object.entries(entry.statuses).map(([status, count]) => `${count} ${status}`).join(", ");
    const which = view === "examples" && !model.thumbs[0] ? "optimized" : view;
    return el("li", { class: "card" }, el("a", { href: link(...keyOf(place)) },
      el("div", { class: "preview" }, Array.from({ length: Math.min(PREVIEW, entry.units) }, (_, n) =>
        el("div", { class: "picture", style: tileStyle(place, `${entry.id}-${which}`, n, 64) }))),
      el("strong", { title: short(entry.name, 200) }, short(entry.name)),
      el("span", { class: "soft" }, counted(entry)),
      el("span", { class: "soft", title: statuses }, statuses)));
  }
  function counted(entry) {
    const count = entry.units.toLocaleString("en");
    if (entry.name !== entry.layer) return `${count} directions in ${short(entry.layer)}`;
    const all = entry.shape ? entry.shape[entry.shape.length - 1] : entry.units;
    return all > entry.units ? `${count} of ${all.toLocaleString("en")} units` : `${count} units`;
  }
  function viewButtons(again) {
    return el("div", { class: "tools" }, el("div", { class: "group", role: "group", "aria-label": "Picture" }, index.views.map((each, n) =>
      el("button", { type: "button", "aria-pressed": String(view === each), title: `key ${n + 1}`, onclick: () => { setView(each); again(); } }, VIEW_NAMES[each]))));
  }
  function setView(which) { view = which; say(`showing ${VIEW_NAMES[which]} pictures`); }

  const sheetState = { sort: "unit", down: true, status: "", starred: false };
  async function layerPage(place) {
    const data = await loadLayer(place.entry);
    const again = () => layerPage(place);
    show(`${place.entry.name}`, el("p", { class: "soft" }, `${place.modelName}, ${data.units.length} units`,
      neighbourLinks(everyLayer(), place)), sheetTools(data, again), sheetOf(place, data, tileSide(place, data.units.length)), legend(false));
  }
  // As large as fills the window, unless that only enlarges pixels.
  function tileSide(place, count) {
    const room = (Math.min(innerWidth, 1500) - 32) * (innerHeight - 200), most = Math.min(Math.max(128, 2.5 * place.model.tile), (innerWidth - 40) / 3);
    return Math.round(Math.max(64, Math.min(most, Math.sqrt(room / Math.max(count, 1)) - 20)));
  }
  function neighbourLinks(all, place) {
    const at = all.findIndex((each) => each.entry === place.entry), links = [];
    if (at > 0) links.push(el("a", { href: link(...keyOf(all[at - 1])), rel: "prev" }, "previous layer"));
    if (at < all.length - 1) links.push(el("a", { href: link(...keyOf(all[at + 1])), rel: "next" }, "next layer"));
    return el("span", {}, links.flatMap((each) => [" · ", each]));
  }
  function sheetTools(data, again) {
    const statuses = [...new Set(data.units.map((unit) => unit.status))];
    const tools = viewButtons(again);
    tools.append(
      el("label", {}, "sort by ", el("select", { id: "sort", onchange: (event) => { sheetState.sort = event.target.value; again(); } },
        [["unit", "number"], ["status", "status"], ...Object.entries(index.figures).map(([name, [label]]) => [name, label])].map(([name, words]) => el("option", { value: name, selected: sheetState.sort === name }, words)))),
      el("button", { type: "button", onclick: () => { sheetState.down = !sheetState.down; again(); } }, sheetState.down ? "largest first" : "smallest first"),
      el("label", {}, "show ", el("select", { id: "filter", onchange: (event) => { sheetState.status = event.target.value; again(); } },
        ["", ...statuses].map((each) => el("option", { value: each, selected: sheetState.status === each }, each || "all")))),
      el("label", {}, el("input", { type: "checkbox", checked: sheetState.starred, onchange: (event) => { sheetState.starred = event.target.checked; again(); } }), " stars only"));
    return tools;
  }
  function order(place, units) {
    const { sort, down, status, starred } = sheetState;
    const value = (n) => units[n][sort];
    const chosen = units.map((_, n) => n).filter((n) => (!status || units[n].status === status) &&
      (!starred || stars.includes(keyOf(place, units[n].unit).join("\n"))));
    if (sort === "unit") return chosen;
    if (sort === "status") return chosen.sort((a, b) => value(a).localeCompare(value(b)) || a - b);
    // Units without the figure come last.
    return chosen.sort((a, b) => (value(a) === null) - (value(b) === null) || (down ? value(b) - value(a) : value(a) - value(b)) || a - b);
  }
  function sheetOf(place, data, side) {
    const chosen = order(place, data.units), blocks = [];
    for (let first = 0; first < chosen.length; first += BLOCK) {
      blocks.push(el("div", { class: "block" }, chosen.slice(first, first + BLOCK).map((n) => named(place, data.units, n, side))));
    }
    const sheet = el("div", { class: "sheet", role: "group", "aria-label": "units" }, blocks);
    const tiles = sheet.querySelectorAll(".tile");
    tiles.forEach((each, n) => { each.tabIndex = n ? -1 : 0; });
    sheet.addEventListener("keydown", (event) => moveAmong(event, tiles));
    return chosen.length ? sheet : el("p", {}, "No units.");
  }
  function moveAmong(event, tiles) {
    const at = [...tiles].indexOf(document.activeElement);
    if (at < 0) return;
    const first = tiles[0].getBoundingClientRect().top;
    const across = [...tiles].findIndex((each) => each.getBoundingClientRect().top > first);
    const columns = across < 0 ? tiles.length : across;
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -at, End: tiles.length - 1 - at }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = Math.min(tiles.length - 1, Math.max(0, at + step));
    tiles[at].tabIndex = -1;
    tiles[next].tabIndex = 0;
    tiles[next].focus();
  }

  async function unitPage(place, number) {
    const data = await loadLayer(place.entry), at = data.units.findIndex((unit) => String(unit.unit) === number);
    if (at < 0) return nothing();
    const unit = data.units[at], around = el("p", { class: "soft" }, el("a", { href: link(...keyOf(place)) }, short(place.entry.name)), ` of ${place.modelName}`);
    for (const [step, words, rel] of [[-1, "previous unit", "prev"], [1, "next unit", "next"]]) {
      const other = data.units[at + step];
      if (other) around.append(" · ", el("a", { href: link(...keyOf(place, other.unit)), rel }, words));
    }
    show(title(place, unit), around, unitTools(place, unit), await unitBody(place, unit));
  }
  function unitTools(place, unit) {
    const key = keyOf(place, unit.unit), starred = stars.includes(key.join("\n"));
    return el("div", { class: "tools" },
      el("button", { type: "button", id: "star", "aria-pressed": String(starred), onclick: () => { toggleStar(key); route(); } }, starred ? "★ starred" : "☆ star"),
      el("button", { type: "button", id: "compare", onclick: () => addCompared(key) }, "compare"));
  }
  function toggleStar(key) {
    const text = key.join("\n");
    stars = stars.includes(text) ? stars.filter((each) => each !== text) : [...stars, text];
    store("stars", stars);
    say(stars.includes(text) ? "starred" : "star removed");
  }
  function addCompared(key) {
    compared = [...compared.filter((each) => each.join("\n") !== key.join("\n")), key].slice(-2);
    store("compared", compared);
    if (compared.length === 2) location.hash = link("compare", ...compared.map((each) => each.map(encodeURIComponent).join("/")));
    else say("open another unit or layer and compare it, too");
  }
  async function unitBody(place, unit) {
    const { optimized, samples, means, exact_samples: exact } = unit.pictures, parts = [];
    if (unit.error) parts.push(el("p", { class: unit.status }, short(unit.error, 500)));
    if (optimized) parts.push(el("h2", {}, "Optimised"), strip(place, unit, 0, 1, [`activation ${figure(unit.optimum)}`], "optimised picture"));
    if (samples) {
      parts.push(el("h2", {}, "Sampled (draft: approximate)"), strip(place, unit, optimized, samples, unit.levels.map((level) => `level ${figure(level)}`), "sample"));
      parts.push(el("h2", {}, "Means of the chains"), strip(place, unit, optimized + samples, means, null, "mean of chain"));
    }
    if (unit.exact[0]) {
      parts.push(el("h2", {}, `Sampled exactly: ${unit.exact[0]}`), exact ? strip(place, unit, optimized + samples + means, exact, null, "exact sample") : null,
        el("pre", { tabindex: 0 }, unit.exact[2]));
    }
    const rows = Object.entries(index.figures).filter(([name]) => unit[name] !== null && unit[name] !== undefined);
    parts.push(el("h2", {}, "Figures"), el("table", {}, el("tbody", {},
      el("tr", {}, el("th", { scope: "row" }, "status"), el("td", { class: unit.status }, unit.status), el("td", { class: "soft meaning" }, index.statuses[unit.status])),
      rows.map(([name, [label, meaning]]) => el("tr", {}, el("th", { scope: "row" }, label), el("td", {}, figure(unit[name])), el("td", { class: "soft meaning" }, meaning))))));
    if (unit.examples) {
      const { names } = await loadImages(place.m);
      parts.push(el("h2", {}, `Most active of ${unit.examples.count} images`), exampleRow(place, unit.examples.top, names),
        el("h2", {}, "Least active"), exampleRow(place, unit.examples.bottom, names), histogram(unit.examples));
    }
    parts.push(...(await weightList(place, unit)), ...(await nearList(place, unit)), ...(await elsewhereList(unit)));
    return parts.filter(Boolean);
  }
  function histogram(examples) {
    const svg = (tag, attributes) => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
      return node;
    };
    const width = 400, height = 80, [low, high] = examples.edges, most = Math.max(...examples.counts, 1);
    const marks = examples.marks.filter((value) => value !== null), best = examples.optimized;
    const first = Math.min(low, ...marks), last = Math.max(high, ...marks), x = (value) => ((value - first) / (last - first || 1)) * (width - 4) + 2;
    const node = svg("svg", { width: "100%", viewBox: `0 0 ${width} ${height}`, role: "img", style: "max-width:400px",
      "aria-label": `histogram of the images' activations from ${figure(low)} to ${figure(high)}, with the samples at ${marks.map(figure).join(", ")}` });
    examples.counts.forEach((count, n) => {
      const left = x(low + ((high - low) * n) / examples.counts.length), tall = (count / most) * (height - 8);
      node.append(svg("rect", { class: "bar", x: left, y: height - tall, height: tall, width: Math.max(1, x(low + (high - low) / examples.counts.length) - x(low) - 1) }));
    });
    for (const value of marks) node.append(svg("line", { class: "tick", x1: x(value), x2: x(value), y1: 0, y2: height }));
    return el("figure", {}, el("h2", {}, "Activations of the images, and of the samples (red)"), node,
      el("p", { class: "soft" }, `Images from ${figure(low)} to ${figure(high)}; samples ${marks.map(figure).join(", ") || "none"}; optimised ${figure(best)}.`));
  }
  async function weightList(place, unit) {
    const { linked } = await loadLayer(place.entry), parts = [];
    for (const [n, words] of [[0, "Strongest weights in"], [1, "Strongest weights out"]]) {
      const items = [];
      for (const [layer, number, weight] of (unit.weights || [])[n] || []) {
        const other = findLayer(place.modelName, linked[layer]), text = (weight < 0 ? "−" : "+") + figure(Math.abs(weight));
        const data = other ? await loadLayer(other.entry) : null, at = data ? data.units.findIndex((each) => each.unit === number) : -1;
        const name = `${linked[layer]}:${number}`;
        items.push(el("li", {}, el("figure", {}, at < 0 ? null : tile(other, data.units, at, 80), el("figcaption", { title: short(name, 200) }, short(name, 40)),
          el("figcaption", {}, text))));
      }
      if (items.length) parts.push(el("h2", {}, `${words}: + excites, − inhibits`), el("ul", { class: "row" }, items));
    }
    return parts;
  }
  async function nearList(place, unit) {
    if (!place.model.map) return [];
    const { points } = await loadMap(place.m), parts = [];
    for (const [n, words] of [[0, "Nearest in this layer"], [1, "Nearest in other layers"]]) {
      const found = unit.near[n];
      if (!found.length) continue;
      const items = [];
      for (const [point, value] of found) {
        const [group, number] = points[point], other = findLayer(place.modelName, group);
        if (!other) continue;
        const data = await loadLayer(other.entry), at = data.units.findIndex((each) => each.unit === number);
        if (at < 0) continue;
        items.push(tileItem(other, data, at, `r = ${value.toFixed(2)}`));
      }
      parts.push(el("h2", {}, words + ", by response to the same images"), el("ul", { class: "row" }, items));
    }
    return parts;
  }

  async function elsewhereList(unit) {
    const names = modelNames(), parts = [];
    for (const m of new Set((unit.elsewhere || []).map(([model]) => model))) {
      const items = [];
      for (const [, group, number, value] of unit.elsewhere.filter(([model]) => model === m)) {
        const other = findLayer(names[m], group), data = await loadLayer(other.entry), at = data.units.findIndex((each) => each.unit === number);
        items.push(tileItem(other, data, at, `r = ${value.toFixed(2)}`));
      }
      parts.push(el("h2", {}, `Nearest in ${names[m]}, by response to the same images`), el("ul", { class: "row" }, items));
    }
    return parts;
  }
  function tileItem(place, data, at, caption) {
    const name = title(place, data.units[at]);
    return el("li", {}, el("figure", {}, tile(place, data.units, at, 80), el("figcaption", { title: short(name, 200) }, short(name, 40)), el("figcaption", {}, caption)));
  }

  async function mapPage(modelName) {
    const names = modelNames(), m = Math.max(0, names.indexOf(modelName)), model = index.models[m];
    if (!model.map) return show("Map", el("p", {}, "A map needs dataset examples: units that respond to the same images are near each other."));
    const { points } = await loadMap(m), side = 900, canvas = el("canvas", { width: side, height: side, role: "img",
      "aria-label": `map of ${points.length} units; the nearest units of each are listed on its page` });
    const groups = [...new Set(points.map(([group]) => group))], hue = (group) => Math.round((360 * groups.indexOf(group)) / groups.length);
    const pen = canvas.getContext("2d"), dark = matchMedia("(prefers-color-scheme: dark)").matches;
    const at = ([, , x, y]) => [20 + x * (side - 40), 20 + y * (side - 40)];
    for (const point of points) {
      pen.fillStyle = `hsl(${hue(point[0])} 70% ${dark ? 65 : 40}%)`;
      pen.beginPath();
      pen.arc(...at(point), points.length > 3000 ? 2.5 : 5, 0, 7);
      pen.fill();
    }
    const chosen = el("p", { "aria-live": "polite" }, "Click or tap a point."), picture = el("div", { class: "row" });
    canvas.onclick = async (event) => {
      const box = canvas.getBoundingClientRect(), x = ((event.clientX - box.left) / box.width) * side, y = ((event.clientY - box.top) / box.height) * side;
      const far = (point) => { const [a, b] = at(point); return (a - x) ** 2 + (b - y) ** 2; };
      const near = points.slice().sort((a, b) => far(a) - far(b)).slice(0, 6), tiles = [];
      for (const [group, number] of near) {
        const place = findLayer(names[m], group), data = await loadLayer(place.entry), n = data.units.findIndex((unit) => unit.unit === number);
        tiles.push(tile(place, data.units, n, 80));
      }
      chosen.textContent = `The units nearest to this point: ${near.map(([group, number]) => short(`${group}:${number}`, 40)).join(", ")}`;
      picture.replaceChildren(...tiles);
    };
    show(`Map of ${names[m]}`, el("p", { class: "soft" }, "Units that respond alike to the same images are near each other."),
      names.length > 1 ? el("p", {}, names.map((name) => el("a", { href: link("map", name) }, name + " "))) : null, canvas, chosen, picture,
      el("ul", { class: "row" }, groups.map((group) => el("li", {}, el("span", { style: { color: `hsl(${hue(group)} 70% ${dark ? 65 : 40}%)` }, "aria-hidden": "true" }, "● "),
        el("a", { href: link(names[m], group) }, short(group, 40))))));
  }

  async function comparePage(parts) {
    if (parts.length < 2) {
      return show("Compare", el("p", {}, "Open a unit or a layer and press “compare” (key c), then another one. Layers and models can be compared, too."),
        compared.length ? el("p", {}, "Chosen so far: " + compared.map((each) => short(each.join(" / "))).join(", ")) : null);
    }
    const columns = [];
    for (const part of parts.slice(0, 2)) {
      const [modelName, layerName, number] = part.split("/").map(decodeURIComponent), place = findLayer(modelName, layerName);
      if (!place) { columns.push(el("div", {}, el("p", {}, "Not in this atlas."))); continue; }
      const data = await loadLayer(place.entry), unit = data.units.find((each) => String(each.unit) === number);
      columns.push(el("section", {}, el("h2", {}, el("a", { href: link(...keyOf(place, unit && unit.unit)) }, unit ? title(place, unit) : place.entry.name)),
        el("p", { class: "soft" }, modelName), unit ? await unitBody(place, unit) : sheetOf(place, data, 64)));
    }
    show("Compare", viewButtons(route), el("div", { class: "two" }, columns));
  }

  async function searchPage(query) {
    const words = query.toLowerCase().split(/\s+/).filter(Boolean), found = [];
    for (const place of everyLayer()) {
      const { entry } = place, layerName = entry.name.toLowerCase();
      if (words.length && words.every((word) => layerName.includes(word))) found.push({ place });
      entry.numbers.forEach((number, n) => {
        const text = `${layerName}:${number} ${(entry.names && entry.names[n] || "").toLowerCase()}`;
        const named = entry.names && words.every((word) => text.includes(word)) && words.some((word) => !layerName.includes(word));
        if (words.length && (named || (words.length === 1 && words[0].includes(":") && `${layerName}:${number}`.includes(words[0])))) found.push({ place, n });
      });
    }
    await showFound(`Search: ${query}`, found);
  }
  async function starPage() {
    const found = [];
    for (const star of stars) {
      const [modelName, layerName, number] = star.split("\n"), place = findLayer(modelName, layerName);
      const n = place ? place.entry.numbers.indexOf(Number(number)) : -1;
      if (n >= 0) found.push({ place, n });
    }
    await showFound("Stars", found);
  }
  async function showFound(heading, found) {
    const most = 300, list = [];
    for (const { place, n } of found.slice(0, most)) {
      if (n === undefined) { list.push(el("li", {}, "layer ", el("a", { href: link(...keyOf(place)) }, short(place.entry.name)))); continue; }
      const data = await loadLayer(place.entry);
      list.push(el("li", {}, el("figure", {}, tile(place, data.units, n, 96), el("figcaption", {}, title(place, data.units[n])))));
    }
    show(heading, el("p", { class: "soft" }, `${found.length} found` + (found.length > most ? `, ${most} shown` : "")), el("ul", { class: "row" }, list));
  }

  function keysPage() {
    show("Keys", el("table", {}, el("tbody", {}, KEYS.map(([key, words]) => el("tr", {}, el("th", { scope: "row" }, el("kbd", {}, key)), el("td", {}, words))))));
  }
  function nothing() { show("Not in this atlas", el("p", {}, "There is no such layer or unit here. It may not be finished yet.")); }

  // --- Routes and keys ----------------------------------------------------------------------------------------------------------

  async function route() {
    if (!index) return;
    const parts = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
    const [first, second, third] = parts;
    const pages = { map: () => mapPage(second), stars: starPage, compare: () => comparePage(parts.slice(1)), keys: keysPage, search: () => searchPage(second || "") };
    for (const each of document.querySelectorAll("nav a")) {
      if ((each.hash.replace(/^#\/?/, "") || "") === (first || "")) each.setAttribute("aria-current", "page"); else each.removeAttribute("aria-current");
    }
    try {
      if (!first) return overview();
      const place = second === undefined ? null : findLayer(first, second);
      if (place && third !== undefined) return await unitPage(place, third);
      if (place) return await layerPage(place);
      return pages[first] ? await pages[first]() : nothing();
    } catch (error) {
      show("Not in this atlas", el("p", {}, `A file is missing: ${error.message}`));
    }
  }
  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "Escape" && typing) return event.target.blur();
    if (typing) return;
    const go = (selector) => { const node = document.querySelector(selector); if (node) node.click(); };
    const number = Number(event.key);
    if (number >= 1 && number <= index.views.length) { setView(index.views[number - 1]); return route(); }
    const actions = {
      "/": () => { event.preventDefault(); document.getElementById("search").focus(); },
      "[": () => go("[rel=prev]"), "]": () => go("[rel=next]"), m: () => { location.hash = "#/map"; }, h: () => { location.hash = "#/"; },
      "?": () => { location.hash = "#/keys"; },
      s: () => starFocused(), c: () => compareFocused(),
    };
    if (actions[event.key]) actions[event.key]();
  }
  function focusedKey() {
    const node = document.activeElement.closest && document.activeElement.closest(".tile");
    const hash = node ? node.hash : location.hash, parts = hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
    return parts.length >= 2 && findLayer(parts[0], parts[1]) ? parts.slice(0, 3) : null;
  }
  function starFocused() { const key = focusedKey(); if (key && key.length === 3) { toggleStar(key); if (!document.activeElement.closest(".tile")) route(); } }
  function compareFocused() { const key = focusedKey(); if (key) addCompared(key); }

  addEventListener("hashchange", () => { scrollTo(0, 0); route().then(() => main().focus({ preventScroll: true })); });
  addEventListener("keydown", pressed);
  document.getElementById("skip").onclick = (event) => { event.preventDefault(); main().focus(); };
  document.getElementById("search-form").onsubmit = (event) => {
    event.preventDefault();
    location.hash = link("search", document.getElementById("search").value);
  };
  return {
    index: (data) => { index = data; route(); },
    layer: (data) => layers.set(data.id, data),
    map: (data) => maps.set(data.model, data),
    images: (data) => images.set(data.model, data),
  };
})();
