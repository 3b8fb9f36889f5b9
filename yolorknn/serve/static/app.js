// The page: all cameras in a grid, or one of them alone with what can be changed.

import { CameraView } from "./camera.js";
import { el, plural, say } from "./dom.js";
import { Panel } from "./panel.js";
import { follow } from "./stream.js";

const LAYERS = [["boxes", "Boxes"], ["labels", "Labels"], ["shapes", "Shapes"], ["zones", "Zones"]];
const at = (id) => document.getElementById(id);
const layers = { boxes: true, labels: true, shapes: true, zones: true, ...remembered("layers") };
const views = new Map();
let hello = null, status = null, panel = null, following = null, shownEvents = "";

function remembered(key) {
  try { return JSON.parse(localStorage.getItem(key)) || {} } catch { return {} }
}

function chosen() {
  const found = /^#\/camera\/(.+)$/.exec(location.hash);
  if (!found) return null;
  try { return decodeURIComponent(found[1]) } catch { return null }
}

function makeLayers() {
  for (const [key, text] of LAYERS) {
    const button = el("button", { type: "button", onclick: () => {
      layers[key] = !layers[key];
      button.setAttribute("aria-pressed", layers[key]);
      try { localStorage.setItem("layers", JSON.stringify(layers)) } catch { /* it is not kept */ }
      for (const view of views.values()) view.paint();
    } }, text);
    button.setAttribute("aria-pressed", layers[key]);
    at("layers").append(button);
  }
}

function show() {
  const name = chosen(), about = hello && hello.about.find((camera) => camera.name === name);
  if (panel) panel.endZone();
  panel = null;
  if (!hello) return;
  const names = hello.about.map((camera) => camera.name);
  for (const each of [...views.keys()]) if (!names.includes(each)) views.delete(each);
  for (const { name: each } of hello.about) if (!views.has(each)) views.set(each, new CameraView(each, layers));
  if (about) {
    const view = views.get(name), settings = status && status.settings[name];
    view.alone(true);
    if (settings) panel = new Panel(view, about, structuredClone(settings));
    const left = hello.about.length > 1 ? [el("a", { className: "back", href: "#" }, "← All cameras")] : [];
    at("view").replaceChildren(...left, el("div", { className: "one" }, view.element, panel ? panel.element : ""));
  } else {
    const grid = el("div", { className: "grid" });
    grid.dataset.count = hello.about.length;
    for (const view of views.values()) { view.alone(false); grid.append(view.element) }
    at("view").replaceChildren(grid);
  }
  scrollTo(0, 0);
  if (status) showStatus();
}

function connect() {
  if (following) following.abort();
  following = null;
  if (document.hidden) return;
  following = new AbortController();
  const found = chosen(), name = hello && !hello.about.some((camera) => camera.name === found) ? null : found;
  follow(name ? [name] : [], {
    hello: (said) => {
      const same = hello && JSON.stringify(hello) === JSON.stringify(said);
      hello = said;
      say(at("host"), said.host || "yolorknn");
      document.title = `${said.host || "yolorknn"} · yolorknn`;
      at("logout").hidden = !said.login;
      if (!same) show();
    },
    status: (said) => {
      const first = !status, names = (cameras) => JSON.stringify(cameras.map((camera) => camera.name));
      if (hello && names(said.cameras) !== names(hello.about)) { connect(); return }
      status = said;
      if (first || (chosen() && !panel)) show();
      else showStatus();
    },
    shot: (result, data) => { const view = result && views.get(result.camera); return view && view.shot(result, data) },
    lost: () => { say(at("summary"), "no connection to the board"); at("summary").classList.add("bad") },
  }, following.signal);
}

function showStatus() {
  const up = status.cameras.filter((camera) => camera.up).length, all = status.cameras.length;
  say(at("summary"), up === all ? `${all === 1 ? "camera" : `all ${all} cameras`} live` : `${up} of ${plural(all, "camera")} live`);
  at("summary").classList.toggle("bad", up < all);
  for (const how of status.cameras) {
    const view = views.get(how.name), settings = status.settings[how.name];
    if (!view) continue;
    if (settings && !(panel && panel.view === view)) view.places = settings;
    view.status(how);
    if (panel && panel.view === view) { panel.status(how); if (settings) panel.follow(structuredClone(settings)) }
  }
  showMachine(status.system);
  showEvents(status.events);
}

function showMachine(system) {
  const node = at("machine"), busy = system.cores.map((core) => core.busy);
  if (node.dataset.cores !== `${busy.length}`) {
    node.dataset.cores = busy.length;
    node.replaceChildren(el("span", { className: "cores" }, ...busy.map(() => el("i"))), el("span"), el("span"));
    node.setAttribute("role", "group");
  }
  const [cores, share, heat] = node.children;
  busy.forEach((value, n) => cores.children[n].style.setProperty("--busy", value));
  say(share, `NPU ${Math.round((100 * busy.reduce((sum, value) => sum + value, 0)) / Math.max(1, busy.length))} %`);
  const degrees = Object.values(system.temperatures);
  say(heat, degrees.length ? `${Math.round(Math.max(...degrees))} °C` : "");
}

function showEvents(events) {
  const said = JSON.stringify(events);
  if (said === shownEvents) return;
  shownEvents = said;
  const shown = [...events].reverse().map((event) => el("li", {},
    el("time", { dateTime: new Date(event.time * 1000).toISOString() }, new Date(event.time * 1000).toLocaleString()), event.camera ? `${event.camera}: ${event.text}` : event.text));
  at("events-list").replaceChildren(...(shown.length ? shown : [el("li", { className: "none" }, "Nothing happened.")]));
}

at("events-button").addEventListener("click", () => {
  const open = at("events").hidden;
  at("events").hidden = !open;
  at("events-button").setAttribute("aria-expanded", open);
});
addEventListener("hashchange", () => { show(); connect() });
document.addEventListener("visibilitychange", connect);
addEventListener("pagehide", () => following && following.abort());
addEventListener("pageshow", (event) => { if (event.persisted) connect() });
makeLayers();
connect();
