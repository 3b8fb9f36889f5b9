// A camera as it is seen: its picture, what was found drawn over it, and how it does.

import { el, plural, say, seconds, STATES } from "./dom.js";
import { objects, paint } from "./draw.js";

export class CameraView {
  constructor(name, layers) {
    this.name = name;
    this.layers = layers;
    this.places = { zones: {}, lines: {} };
    this.result = null;
    this.how = null;
    this.shots = 0;
    this.picture = el("canvas", { className: "picture", width: 16, height: 9 });
    this.overlay = el("canvas", { className: "overlay" });
    this.overlay.setAttribute("role", "img");
    this.overlay.setAttribute("aria-label", `Picture of ${name}`);
    this.veil = el("div", { className: "veil", hidden: true }, el("strong"), el("span"));
    this.screen = el("a", { className: "screen", href: `#/camera/${encodeURIComponent(name)}` });
    this.screen.append(this.picture, this.overlay, this.veil);
    this.state = el("span", { className: "state" });
    this.figures = el("div", { className: "figures" });
    for (const key of ["fps", "latency", "found"]) this.figures.append(el("span", { className: key }, el("b")));
    this.element = el("article", { className: "camera" },
      this.screen, el("div", { className: "strip" }, el("h2", {}, name), this.state, this.figures));
    this.element.dataset.camera = name;
    new ResizeObserver(() => this.paint()).observe(this.screen);
  }

  // Alone on the page it is no link any more, so that zones can be drawn on it.
  alone(is) {
    if (is) this.screen.removeAttribute("href");
    else this.screen.setAttribute("href", `#/camera/${encodeURIComponent(this.name)}`);
  }

  async shot(result, data) {
    const bitmap = await createImageBitmap(new Blob([data], { type: "image/jpeg" })).catch(() => null);
    if (!bitmap) return;
    if (this.picture.width !== bitmap.width || this.picture.height !== bitmap.height) {
      this.picture.width = bitmap.width;
      this.picture.height = bitmap.height;
      this.screen.style.aspectRatio = `${bitmap.width} / ${bitmap.height}`;
    }
    this.picture.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    this.result = result;
    if (!performance.getEntriesByName("first picture").length) performance.mark("first picture");
    this.shots += 1;
    this.element.dataset.shots = this.shots;
    this.unveil();
    this.paint();
  }

  unveil() {
    this.veil.hidden = this.shots > 0 && (!this.how || this.how.state === "live");
  }

  paint() {
    paint(this.overlay, this.result, this.places, this.layers);
    if (this.editor) this.editor.paint();
  }

  status(how) {
    this.how = how;
    this.element.dataset.state = how.state;
    this.state.dataset.state = how.state;
    say(this.state, STATES[how.state] || how.state);
    const [fps, latency, found] = this.figures.children;
    say(fps.firstChild, `${how.detect_fps.toFixed(1)} fps`);
    say(latency.firstChild, how.up && how.latency !== null ? seconds(how.latency) : `${seconds(how.age)} old`);
    latency.classList.toggle("late", how.up && how.detect_age !== null && how.detect_age > 2);
    const number = objects(this.result).length;
    say(found.firstChild, how.up && this.shots ? plural(number, "object") : "");
    this.unveil();
    const since = how.age === null ? "nothing came yet" : `no picture for ${seconds(how.age)}`;
    say(this.veil.firstChild, how.state === "live" ? "Waiting for a picture" : `${STATES[how.state] || how.state} · ${since}`);
    say(this.veil.lastChild, how.why);
    const names = new Map();
    for (const object of objects(this.result)) names.set(object.name, (names.get(object.name) || 0) + 1);
    const said = [...names].map(([name, many]) => `${many} ${name}`).join(", ") || "nothing found";
    this.overlay.setAttribute("aria-label", `Picture of ${this.name}: ${how.up ? said : `${STATES[how.state] || how.state}. ${how.why}`}`);
  }
}
