"use strict";
(async () => {
const $ = (id) => document.getElementById(id);
const about = JSON.parse($("about").textContent);
const COLORS = ["#607d8b", "#1769aa", "#2e7d32", "#00897b", "#8e24aa", "#ef6c00", "#c62828", "#ad1457", "#8d9499", "#a1887f", "#5c6bc0", "#757575"];
const WRONG = "#c62828", KIND = { client: 0, command: 1, move: 2, signal: 3, event: 4, interrupt: 5, violation: 6, refused: 7, access: 8, config: 9, instruction: 10, note: 11 };
const NONE = 255, LABELS = 9, MIN_ROW = 3, MAX_ROW = 44;

// --- Unpacking -------------------------------------------------------------------------------
async function bytes(id) {
  const text = $(id).textContent;
  const raw = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Response(stream).arrayBuffer();
}
async function level(n) {
  const types = { at: Uint32Array, count: Uint32Array, time: Float64Array, kind: Uint8Array, from: Uint8Array, to: Uint8Array, dmb: Uint16Array, rule: Uint8Array };
  const entries = Object.entries(types).map(async ([name, type]) => [name, new type(await bytes(`c${n}-${name}`))]);
  return { ...Object.fromEntries(await Promise.all(entries)), length: about.levels[n], chunks: new Map() };
}
const levels = await Promise.all([0, 1, 2].map(level));

/** The lines of a chunk of text, once it is there; else asks for it. */
function lines(n, chunk, then) {
  const chunks = levels[n].chunks;
  const known = chunks.get(chunk);
  if (Array.isArray(known)) { chunks.delete(chunk); chunks.set(chunk, known); return known; }
  if (!known) {
    const promise = bytes(`t${n}-${chunk}`).then((data) => {
      const text = new TextDecoder().decode(data).split("\n");
      text.pop();
      chunks.set(chunk, text);
      if (chunks.size > 64) for (const [key, value] of chunks) if (Array.isArray(value) && key !== chunk) { chunks.delete(key); break; }
      return text;
    });
    chunks.set(chunk, promise);
    promise.then(then);
  } else known.then(then);
  return null;
}
const text = (n, row) => {
  const chunk = lines(n, Math.floor(row / about.chunk), draw);
  return chunk ? chunk[row % about.chunk] : null;
};

// --- State -----------------------------------------------------------------------------------
let now = 0;                       // level
let shown = new Uint32Array(0);    // rows that the filter leaves
let top_ = 0;                      // first row in view, a fraction
let rowHeight = 24;
let selected = -1;                 // row of the level
let hits = null, hitAt = -1;       // rows found
let binned = null;                 // the overview
const kinds = new Set(about.kinds.keys());
const hiddenLanes = new Set();

// Functions are on both sides of their fabric.
const order = [];
for (const file of new Set(about.lanes.map((lane) => lane.file))) {
  const of = (kind) => about.lanes.map((lane, at) => ({ ...lane, at })).filter((lane) => lane.file === file && lane.kind === kind);
  const functions = of("function").sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  const half = Math.ceil(functions.length / 2);
  order.push(...of("guest"), ...functions.slice(0, half), ...of("fabric"), ...functions.slice(half));
}
const several = about.files.length > 1;
const laneName = (lane) => (several && lane.kind !== "guest" ? `${lane.name} (${lane.file + 1})` : lane.name);

// --- Filter ----------------------------------------------------------------------------------
/** The rows of a level that the filter leaves. */
function filtered(data) {
  const out = new Uint32Array(data.length);
  const dmb = Number($("dmb").value), rule = Number($("rule").value), failed = $("failed").checked;
  let n = 0;
  // A row is hidden when all functions that take part in it are.
  const hidden = (lane) => lane === NONE || hiddenLanes.has(lane) || about.lanes[lane].kind === "fabric";
  for (let row = 0; row < data.length; row++) {
    const kind = data.kind[row];
    if (!kinds.has(kind & 0x7f) || (failed && kind < 0x80)) continue;
    if (dmb && data.dmb[row] !== dmb) continue;
    if (rule && data.rule[row] !== rule) continue;
    if (hiddenLanes.size && hidden(data.from[row]) && hidden(data.to[row])) continue;
    out[n++] = row;
  }
  return out.subarray(0, n);
}
function refilter(keepLine) {
  shown = filtered(levels[now]);
  binned = null;
  $("status").textContent = `${shown.length.toLocaleString("en")} of ${levels[now].length.toLocaleString("en")} rows · ${about.lines.toLocaleString("en")} lines`;
  hits = null; hitAt = -1; $("hits").textContent = "";
  if (keepLine !== undefined) top_ = Math.max(0, find(keepLine) - 3);
  layout();
}
/** The shown row that the line belongs to. */
function find(line) {
  const at = levels[now].at;
  let low = 0, high = shown.length;
  while (low < high) { const mid = (low + high) >> 1; if (at[shown[mid]] <= line) low = mid + 1; else high = mid; }
  return Math.max(0, low - 1);
}
function setLevel(n, line) {
  if (line === undefined) line = shown.length ? levels[now].at[shown[Math.min(shown.length - 1, Math.floor(top_) + 3)]] : 0;
  now = n;
  selected = -1;
  for (const button of document.querySelectorAll("[data-level]")) button.classList.toggle("on", Number(button.dataset.level) === n);
  refilter(line);
}

// --- Layout and scrolling --------------------------------------------------------------------
const scroll = $("scroll"), rows = $("rows"), head = $("head");
let width = 0, height = 0, setting = false;
const visible = () => height / rowHeight;
const last = () => Math.max(0, shown.length - visible());
function canvas(element, w, h) {
  const scale = window.devicePixelRatio || 1;
  if (element.width !== Math.round(w * scale) || element.height !== Math.round(h * scale)) {
    element.width = Math.round(w * scale); element.height = Math.round(h * scale);
  }
  element.style.height = h + "px";
  const g = element.getContext("2d");
  g.setTransform(scale, 0, 0, scale, 0, 0);
  g.clearRect(0, 0, w, h);
  g.font = "12px system-ui, sans-serif";
  g.textBaseline = "middle";
  return g;
}
function layout() {
  width = scroll.clientWidth; height = scroll.clientHeight;
  top_ = Math.min(Math.max(0, top_), last());
  const full = Math.min(shown.length * rowHeight, 4e6);
  $("spacer").style.height = Math.max(full, height) + "px";
  place();
  draw();
}
function place() {
  const room = $("spacer").offsetHeight - height;
  setting = true;
  scroll.scrollTop = last() > 0 ? (top_ / last()) * room : 0;
  requestAnimationFrame(() => { setting = false; });
}
scroll.addEventListener("scroll", () => {
  if (setting) return;
  const room = $("spacer").offsetHeight - height;
  top_ = room > 0 ? (scroll.scrollTop / room) * last() : 0;
  draw();
});
scroll.addEventListener("wheel", (event) => {
  event.preventDefault();
  if (event.ctrlKey || event.metaKey) { zoom(event.deltaY < 0 ? 1.25 : 0.8, (event.offsetY) / rowHeight); return; }
  const step = event.deltaMode === 1 ? event.deltaY * 3 : event.deltaY / rowHeight;
  go(top_ + step);
}, { passive: false });
function go(row) { top_ = Math.min(Math.max(0, row), last()); place(); draw(); }
function zoom(factor, at = visible() / 3) {
  const before = rowHeight, focus = shown[Math.min(shown.length - 1, Math.floor(top_ + at))];
  rowHeight = Math.min(MAX_ROW, Math.max(MIN_ROW, rowHeight * factor));
  if (rowHeight === before && shown.length) {
    const next = now + (factor > 1 ? 1 : -1);
    if (next >= 0 && next < 3) { rowHeight = factor > 1 ? 10 : 24; setLevel(next, levels[now].at[focus]); return; }
  }
  top_ = top_ + at - at * before / rowHeight;
  layout();
}

// --- Drawing ---------------------------------------------------------------------------------
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const seconds = (us) => (us / 1e6).toFixed(6);
const TIME = 92;
function lanePlaces() {
  const labelRoom = Math.max(220, Math.min(520, width * 0.42));
  const room = width - TIME - labelRoom;
  const step = room / order.length, x = new Map();
  order.forEach((lane, at) => x.set(lane.at, TIME + step * (at + 0.5)));
  return { x, labels: TIME + room + 6, step };
}
let due = false;
function draw() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => { due = false; drawHead(); drawRows(); drawOverview(); drawFill(); });
}
function drawHead() {
  const g = canvas(head, width, 30), { x, step } = lanePlaces();
  g.fillStyle = color("--text"); g.textAlign = "center";
  g.font = "600 12px system-ui, sans-serif";
  for (const lane of order) g.fillText(laneName(lane), x.get(lane.at), 15, step - 4);
  g.textAlign = "left"; g.font = "12px system-ui, sans-serif"; g.fillStyle = color("--faint");
  g.fillText("seconds", 8, 15);
  if (now < 2) { g.textAlign = "right"; g.fillText("lines", width - 6, 15); }
}
function drawRows() {
  const g = canvas(rows, width, height), data = levels[now], { x, labels } = lanePlaces();
  const text_ = color("--text"), faint = color("--faint"), line = color("--line"), panel = color("--panel"), hit = color("--hit"), mark = color("--mark");
  g.strokeStyle = line; g.lineWidth = 1;
  for (const lane of order) {
    const at = Math.round(x.get(lane.at)) + 0.5;
    g.setLineDash(lane.kind === "fabric" ? [] : [4, 3]);
    g.lineWidth = lane.kind === "fabric" ? 3 : 1;
    g.beginPath(); g.moveTo(at, 0); g.lineTo(at, height); g.stroke();
  }
  g.setLineDash([]);
  if (!shown.length) { g.fillStyle = faint; g.fillText("No row passes the filter.", TIME + 10, 24); return; }
  const found = hits && hits.set;
  for (let at = Math.floor(top_); at < shown.length; at++) {
    const y = (at - top_) * rowHeight;
    if (y > height) break;
    const row = shown[at], wrong = data.kind[row] >= 0x80, kind = data.kind[row] & 0x7f, mid = y + rowHeight / 2;
    if (row === selected) { g.fillStyle = panel; g.fillRect(0, y, width, rowHeight); g.fillStyle = mark; g.fillRect(0, y, 3, rowHeight); }
    else if (found && found.has(row)) { g.fillStyle = hit; g.fillRect(0, y, width, rowHeight); }
    const ink = wrong ? WRONG : COLORS[kind], from = x.get(data.from[row]), to = data.to[row] === NONE ? NaN : x.get(data.to[row]);
    const weight = Math.min(7, 1 + Math.log10(data.count[row]) * 1.2);
    g.strokeStyle = g.fillStyle = ink; g.lineWidth = Math.min(weight, rowHeight / 2);
    if (kind === KIND.violation || kind === KIND.note) {
      const r = Math.max(2, Math.min(6, rowHeight / 2 - 1));
      g.beginPath(); g.moveTo(from, mid - r); g.lineTo(from + r, mid + r); g.lineTo(from - r, mid + r); g.closePath(); g.fill();
    } else if (Number.isNaN(to) || from === to) {
      g.beginPath(); g.arc(from, mid, Math.max(1.5, Math.min(5, rowHeight / 4)), 0, 7); g.fill();
      if (from === to && rowHeight >= LABELS) { g.beginPath(); g.arc(from + 9, mid, 7, -2.4, 2.4); g.stroke(); }
    } else {
      const way = Math.sign(to - from), tip = Math.min(8, rowHeight * 0.45);
      if (kind === KIND.config || kind === KIND.access) g.setLineDash([3, 3]);
      g.beginPath(); g.moveTo(from, mid); g.lineTo(to - way * tip, mid); g.stroke();
      g.setLineDash([]);
      g.beginPath(); g.moveTo(to, mid); g.lineTo(to - way * tip, mid - tip * 0.55); g.lineTo(to - way * tip, mid + tip * 0.55); g.closePath(); g.fill();
      if (kind === KIND.signal && rowHeight >= LABELS) { g.beginPath(); g.arc(to, mid, 4, 0, 7); g.fill(); }
      if (kind === KIND.command && rowHeight >= LABELS) { g.beginPath(); g.arc(from, mid, 3, 0, 7); g.fill(); }
    }
    if (rowHeight < LABELS) continue;
    g.font = `${Math.min(12, rowHeight - 1)}px system-ui, sans-serif`;
    g.fillStyle = faint; g.fillText(seconds(data.time[row]), 8, mid);
    const told = text(now, row);
    g.fillStyle = wrong ? WRONG : text_;
    const label = told === null ? "…" : told.split("\x1f", 1)[0];
    const count = now < 2 && data.count[row] > 1 ? data.count[row].toLocaleString("en") : "";
    const room = width - labels - (count ? g.measureText(count).width + 16 : 4);
    g.save(); g.beginPath(); g.rect(labels, y, room, rowHeight); g.clip();
    g.fillText(label, labels, mid); g.restore();
    g.fillStyle = faint; g.textAlign = "right"; g.fillText(count, width - 6, mid); g.textAlign = "left";
  }
}

// The overview: time to the right, one bar for each bin, what went wrong on top.
const BINS = 600;
const first = levels[2].length ? levels[2].time[0] : 0;
const end = levels[2].length ? levels[2].time[levels[2].length - 1] : 1;
const span = Math.max(1, end - first);
function bin() {
  if (binned) return binned;
  // A row of the story is one bar for a long time: its acts are drawn.
  const data = levels[Math.max(1, now)], rows_ = now ? shown : filtered(data);
  const all = new Float64Array(BINS * 12), wrong = new Float64Array(BINS);
  for (const row of rows_) {
    const at = Math.min(BINS - 1, Math.floor((data.time[row] - first) / span * BINS));
    if (at < 0) continue;
    all[at * 12 + (data.kind[row] & 0x7f)] += data.count[row];
    if (data.kind[row] >= 0x80) wrong[at]++;
  }
  let most = 1;
  for (let at = 0; at < BINS; at++) { let sum = 0; for (let k = 0; k < 12; k++) sum += all[at * 12 + k]; most = Math.max(most, sum); }
  return (binned = { all, wrong, most });
}
function drawOverview() {
  const element = $("bins"), w = element.clientWidth, h = 56, g = canvas(element, w, h), { all, wrong, most } = bin();
  const size = w / BINS;
  for (let at = 0; at < BINS; at++) {
    let sum = 0;
    for (let k = 0; k < 12; k++) sum += all[at * 12 + k];
    if (!sum) continue;
    // A logarithm shows one command beside a thousand moves.
    let y = h; const tall = 6 + (h - 14) * Math.log1p(sum) / Math.log1p(most);
    for (let k = 0; k < 12; k++) {
      const part = all[at * 12 + k]; if (!part) continue;
      const d = tall * part / sum; g.fillStyle = COLORS[k]; g.fillRect(at * size, y - d, Math.max(1, size), d); y -= d;
    }
    if (wrong[at]) { g.fillStyle = WRONG; g.fillRect(at * size - 1, 0, Math.max(3, size), 6); }
  }
  if (shown.length) {
    const data = levels[now], a = data.time[shown[Math.floor(top_)]], b = data.time[shown[Math.min(shown.length - 1, Math.floor(top_ + visible()))]];
    g.fillStyle = color("--mark"); g.globalAlpha = 0.22;
    g.fillRect((a - first) / span * w - 1, 0, Math.max(3, (b - a) / span * w), h);
    g.globalAlpha = 1;
  }
  g.font = "11px system-ui, sans-serif"; g.fillStyle = color("--faint"); g.textAlign = "right";
  g.fillText(`${((end - first) / 1e6).toFixed(3)} s`, w - 6, 8);
}
const atTime = (event) => {
  const time = first + event.offsetX / event.target.clientWidth * span, data = levels[now];
  let low = 0, high = shown.length;
  while (low < high) { const mid = (low + high) >> 1; if (data.time[shown[mid]] < time) low = mid + 1; else high = mid; }
  go(low - 2);
};
for (const id of ["bins", "fill"]) {
  $(id).addEventListener("pointerdown", (event) => { $(id).setPointerCapture(event.pointerId); atTime(event); });
  $(id).addEventListener("pointermove", (event) => { if (event.buttons & 1) atTime(event); });
}

// The fill of rings: that of the chosen DMB, or of the one that moved most.
const fills = new Map();
const withRing = about.dmbs.map((dmb, at) => ({ ...dmb, at })).filter((dmb) => dmb.points > 1);
const busiest = [...withRing].sort((a, b) => b.points - a.points);
function lineTime(line) {
  const at = levels[2].at;
  return at[line] === line ? levels[2].time[line] : first;
}
function drawFill() {
  const element = $("fill");
  const chosen = Number($("dmb").value);
  const some = chosen ? withRing.filter((dmb) => dmb.at === chosen - 1) : busiest.slice(0, 4);
  element.hidden = !some.length;
  element.style.display = some.length ? "block" : "none";
  if (!some.length) return;
  const w = element.clientWidth, h = 64, g = canvas(element, w, h), size = h / some.length;
  some.forEach((dmb, n) => {
    if (!fills.has(dmb.at)) { fills.set(dmb.at, null); bytes(`f${dmb.at}`).then((data) => { fills.set(dmb.at, new Uint32Array(data)); draw(); }); }
    const points = fills.get(dmb.at);
    const base = (n + 1) * size - 1;
    if (points) {
      // Each pixel shows the least and the most of its time.
      g.fillStyle = COLORS[KIND.signal]; g.globalAlpha = 0.8;
      let x = -1, low = 0, high = 0, value = 0;
      const put = (until) => {
        if (x >= 0) g.fillRect(x, base - high * (size - 3), 1, Math.max(1, (high - Math.min(low, high)) * (size - 3)));
        for (let i = x + 1; i < until && value > 0; i++) g.fillRect(i, base - value * (size - 3), 1, 1);
      };
      for (let i = 0; i < points.length; i += 2) {
        const px = Math.floor((lineTime(points[i]) - first) / span * w), part = points[i + 1] / dmb.ring;
        if (px !== x) { put(px); x = px; low = Math.min(value, part); high = Math.max(value, part); }
        low = Math.min(low, part); high = Math.max(high, part); value = part;
      }
      put(x + 1);
      g.globalAlpha = 1;
    }
    g.font = "11px system-ui, sans-serif"; g.fillStyle = color("--faint"); g.textAlign = "left";
    const owner = about.lanes[dmb.owner].name;
    g.fillText(`ring of DMB ${dmb.at + 1} at ${owner}: at most ${Math.round(100 * dmb.fullest / dmb.ring)} % of ${dmb.ring.toLocaleString("en")} B`, 6, base - size / 2);
  });
}

// --- Details ---------------------------------------------------------------------------------
async function select(row) {
  selected = row; draw();
  const level_ = now;
  const all = await new Promise((done) => { const check = () => { const told = text(level_, row); if (told === null) setTimeout(check, 10); else done(told); }; check(); });
  const [label, ...fields] = all.split("\x1f"), data = levels[level_], panel = $("detail");
  panel.replaceChildren();
  const title = document.createElement("h2"), list = document.createElement("dl");
  title.textContent = label; title.classList.toggle("wrong", data.kind[row] >= 0x80);
  const put = (name, value, words) => {
    const dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name; dd.textContent = value; dd.classList.toggle("words", words); list.append(dt, dd);
  };
  put("kind", about.kinds[data.kind[row] & 0x7f], true);
  put("time", `${seconds(data.time[row])} s`);
  const to = data.to[row] === NONE ? "" : ` → ${about.lanes[data.to[row]].name}`;
  put("where", about.lanes[data.from[row]].name + to, true);
  if (data.dmb[row]) {
    const dmb = about.dmbs[data.dmb[row] - 1];
    put("DMB", `${data.dmb[row]}: token ${dmb.token}, ${dmb.len.toLocaleString("en")} B at ${about.lanes[dmb.owner].name}`, true);
  }
  const count = new Map();
  for (const field of fields) { const [name, value] = field.split("\x1e"); if (name === "interrupts") count.set(value, (count.get(value) || 0) + 1); else put(name, value, ["what it is", "why", "source", "detail", "reason"].includes(name)); }
  for (const [name, times] of count) put("interrupts", times > 1 ? `${name}, ${times} times` : name, true);
  panel.append(title, list);
  const button = (name, action) => { const b = document.createElement("button"); b.textContent = name; b.addEventListener("click", action); panel.append(b, " "); };
  if (level_ < 2) button("Show what it is made of", () => setLevel(level_ + 1, data.at[row]));
  if (data.dmb[row]) button("Only this DMB", () => { $("dmb").value = data.dmb[row]; refilter(data.at[row]); });
  if (data.rule[row]) button("Only this rule", () => { $("rule").value = data.rule[row]; refilter(data.at[row]); });
}
const rowOf = (event) => shown[Math.floor(top_ + (event.clientY - scroll.getBoundingClientRect().top) / rowHeight)];
scroll.addEventListener("click", (event) => { const row = rowOf(event); if (row !== undefined) select(row); });
scroll.addEventListener("dblclick", (event) => { const row = rowOf(event); if (row !== undefined && now < 2) setLevel(now + 1, levels[now].at[row]); });

// --- Search ----------------------------------------------------------------------------------
let searching = 0;
async function search(step) {
  const wanted = $("search").value.trim().toLowerCase();
  if (!wanted) { hits = null; $("hits").textContent = ""; draw(); return; }
  if (!hits || hits.wanted !== wanted || hits.level !== now) {
    const turn = ++searching, n = now, list = [], count = Math.ceil(levels[n].length / about.chunk);
    const passes = new Set(); for (const row of shown) passes.add(row);
    for (let chunk = 0; chunk < count; chunk++) {
      const known = lines(n, chunk, () => {}) || (await levels[n].chunks.get(chunk));
      known.forEach((line, at) => { const row = chunk * about.chunk + at; if (passes.has(row) && line.toLowerCase().includes(wanted)) list.push(row); });
      if (chunk % 16 === 15) { $("hits").textContent = `${Math.round(100 * chunk / count)} %`; await new Promise((r) => setTimeout(r)); }
      if (turn !== searching || n !== now) return;
    }
    hits = { wanted, level: n, list, set: new Set(list) };
    hitAt = -1;
  }
  const { list } = hits;
  if (!list.length) { $("hits").textContent = "no hit"; draw(); return; }
  if (hitAt < 0) { const from = shown[Math.floor(top_)] ?? 0; hitAt = list.findIndex((row) => row >= from); if (hitAt < 0) hitAt = 0; }
  else hitAt = (hitAt + step + list.length) % list.length;
  $("hits").textContent = `${hitAt + 1} of ${list.length}`;
  const at = shown.indexOf(list[hitAt]);
  if (at < top_ + 1 || at > top_ + visible() - 2) go(at - visible() / 3);
  select(list[hitAt]);
}
$("find").addEventListener("submit", (event) => { event.preventDefault(); search(1); });
$("previous").addEventListener("click", () => search(-1));
$("search").addEventListener("keydown", (event) => { if (event.key === "Enter" && event.shiftKey) { event.preventDefault(); search(-1); } });
$("search").addEventListener("input", () => { if (!$("search").value) search(1); });

// --- Controls --------------------------------------------------------------------------------
function choice(parent, name, checked, changed, ink) {
  const label = document.createElement("label"), box = document.createElement("input"), mark = document.createElement("span");
  box.type = "checkbox"; box.checked = checked; box.addEventListener("change", () => changed(box.checked));
  label.append(box);
  if (ink) { mark.className = "swatch"; mark.style.background = ink; label.append(mark); }
  label.append(" " + name); parent.append(label);
}
const line = () => (shown.length ? levels[now].at[shown[Math.min(shown.length - 1, Math.floor(top_) + 3)]] : 0);
about.kinds.forEach((name, kind) => choice($("kinds"), name, true, (on) => { on ? kinds.add(kind) : kinds.delete(kind); refilter(line()); }, COLORS[kind]));
order.filter((lane) => lane.kind !== "fabric").forEach((lane) => choice($("lanes"), laneName(lane), true, (on) => { on ? hiddenLanes.delete(lane.at) : hiddenLanes.add(lane.at); refilter(line()); }));
about.dmbs.slice(0, 65534).forEach((dmb, at) => $("dmb").add(new Option(`${at + 1}: ${dmb.token} at ${about.lanes[dmb.owner].name}`, at + 1)));
about.rules.forEach((rule, at) => { const option = new Option(rule.id, at + 1); option.title = rule.title; $("rule").add(option); });
for (const id of ["dmb", "rule", "failed"]) $(id).addEventListener("change", () => refilter(line()));
$("all").addEventListener("click", () => {
  kinds.clear(); about.kinds.forEach((_, kind) => kinds.add(kind)); hiddenLanes.clear();
  for (const box of document.querySelectorAll(".choices input")) box.checked = true;
  $("dmb").value = $("rule").value = 0; $("failed").checked = false; refilter(line());
});
for (const kind of [KIND.command, KIND.move, KIND.signal, KIND.event, KIND.violation]) {
  const mark = document.createElement("span"); mark.className = "swatch"; mark.style.background = COLORS[kind]; $("legend").append(mark, about.kinds[kind]);
}
for (const button of document.querySelectorAll("[data-level]")) button.addEventListener("click", () => setLevel(Number(button.dataset.level)));
$("in").addEventListener("click", () => zoom(1.4));
$("out").addEventListener("click", () => zoom(1 / 1.4));
document.addEventListener("click", (event) => { for (const open of document.querySelectorAll("#filters details[open]")) if (!open.contains(event.target)) open.open = false; });
document.addEventListener("keydown", (event) => {
  if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) { if (event.key === "Escape") event.target.blur(); return; }
  const page = Math.max(1, visible() - 2), at = selected < 0 ? -1 : shown.indexOf(selected);
  const pick = (n) => { if (n < 0 || n >= shown.length) return; if (n < top_) go(n); else if (n > top_ + visible() - 1) go(n - visible() + 1); select(shown[n]); };
  const keys = {
    ArrowDown: () => pick(at < 0 ? Math.ceil(top_) : at + 1), ArrowUp: () => pick(at < 0 ? Math.ceil(top_) : at - 1),
    PageDown: () => go(top_ + page), PageUp: () => go(top_ - page), Home: () => go(0), End: () => go(Infinity),
    "+": () => zoom(1.4), "=": () => zoom(1.4), "-": () => zoom(1 / 1.4), "1": () => setLevel(0), "2": () => setLevel(1), "3": () => setLevel(2),
    "/": () => $("search").focus(), Enter: () => { if (selected >= 0 && now < 2) setLevel(now + 1, levels[now].at[selected]); },
  };
  if (keys[event.key] && !event.ctrlKey && !event.metaKey) { event.preventDefault(); keys[event.key](); }
});
new ResizeObserver(layout).observe(scroll);
setLevel(0, 0);
top_ = 0; layout();
document.documentElement.dataset.ready = "yes";
})().catch((error) => { document.body.prepend(`This page cannot be shown: ${error.message}`); document.documentElement.dataset.ready = "failed"; });
