// What stands beside a camera that is alone on the page: how it does, conf, classes, zones.

import { change, count, el, say, seconds } from "./dom.js";
import { colour, objects, within } from "./draw.js";
import { ZoneEditor } from "./zones.js";

const FEW = 12;
const HELD = 1500;

export class Panel {
  constructor(view, about, settings) {
    Object.assign(this, { view, about, settings, touched: 0, wanted: {}, find: "" });
    this.element = el("div", { className: "panel" });
    this.stats = el("dl", { className: "stats" });
    this.source = el("p", { className: "source" });
    this.wrong = el("p", { className: "wrong", hidden: true });
    this.wrong.setAttribute("role", "alert");
    const name = encodeURIComponent(view.name);
    this.element.append(
      el("section", {}, el("h3", {}, "Now"), this.stats, this.source),
      this.makeConf(), this.makeClasses(), this.makeZones(),
      el("section", {}, el("h3", {}, "For other programs"), el("p", { className: "links" },
        ...[["snapshot", "Snapshot"], ["snapshot?annotated=true", "with boxes"], ["mjpeg?annotated=true", "MJPEG"], ["detections", "Detections"]].map(
          ([path, text]) => el("a", { href: `/api/v1/cameras/${name}/${path}`, target: "_blank", rel: "noopener" }, text)))));
    this.show();
  }

  makeConf() {
    this.conf = el("input", { type: "range", id: "conf", min: 0.01, max: 0.99, step: 0.01,
      oninput: () => { say(this.confSaid, Number(this.conf.value).toFixed(2)); this.want({ conf: Number(this.conf.value) }) } });
    this.confSaid = el("output");
    return el("section", { hidden: this.about.task === "classify" },
      el("h3", {}, el("label", { htmlFor: "conf" }, "Least confidence"), this.confSaid), this.conf,
      el("div", { className: "ends" }, el("span", {}, "more is shown"), el("span", {}, "only what is sure")), this.wrong);
  }

  makeClasses() {
    this.chips = el("div", { className: "chips" });
    const find = el("input", { className: "find", type: "search", placeholder: `Find among ${this.about.classes.length} classes`,
      oninput: (event) => { this.find = event.target.value.trim().toLowerCase(); this.showClasses() } });
    find.setAttribute("aria-label", "Find a class");
    find.hidden = this.about.classes.length <= FEW;
    return el("section", { hidden: this.about.task === "classify" }, el("h3", {}, "Classes"), find, this.chips);
  }

  makeZones() {
    this.list = el("ul", { className: "zones" });
    this.hint = el("p", { className: "hint" });
    this.name = el("input", { maxLength: 60, onkeydown: (event) => { if (event.key === "Enter") this.keepZone() } });
    this.name.setAttribute("aria-label", "Name of the zone");
    this.keep = el("button", { className: "solid", onclick: () => this.keepZone() }, "Keep");
    this.undo = el("button", { className: "quiet", onclick: () => this.editor.undo() }, "Undo");
    this.form = el("div", { className: "row", hidden: true }, this.name, this.keep, this.undo,
      el("button", { className: "quiet", onclick: () => this.endZone() }, "Cancel"));
    this.draw = el("button", { className: "quiet", onclick: () => this.beginZone("", []) }, "Draw a zone");
    return el("section", { hidden: this.about.task === "classify" }, el("h3", {}, "Zones"), this.hint, this.list, this.form,
      el("div", { className: "row" }, this.draw));
  }

  // Sends what was changed last, a moment after it was, and one at a time.
  want(values) {
    this.touched = performance.now();
    Object.assign(this.settings, values);
    Object.assign(this.wanted, values);
    this.view.places = this.settings;
    this.view.paint();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), 150);
  }

  async send() {
    if (this.sending) { this.timer = setTimeout(() => this.send(), 100); return }
    const values = this.wanted;
    this.wanted = {};
    this.sending = true;
    try {
      await change(this.view.name, values);
      this.wrong.hidden = true;
    } catch (error) {
      say(this.wrong, error.message);
      this.wrong.hidden = false;
      this.touched = 0;
    }
    this.sending = false;
  }

  // What another page, or a program, changed; not while it is changed here.
  follow(settings) {
    if (performance.now() - this.touched < HELD || this.sending) return;
    if (JSON.stringify(settings) === JSON.stringify(this.settings)) return;
    this.settings = settings;
    this.show();
  }

  show() {
    this.conf.value = this.settings.conf;
    say(this.confSaid, this.settings.conf.toFixed(2));
    this.view.places = this.settings;
    this.showClasses();
    this.showZones();
    this.view.paint();
  }

  showClasses() {
    const { classes } = this.about, kept = this.settings.classes;
    const seen = new Map();
    for (const object of objects(this.view.result)) seen.set(object.name, (seen.get(object.name) || 0) + 1);
    const shown = classes.map((name, id) => [name, id]).filter(([name]) =>
      this.find ? name.toLowerCase().includes(this.find) : classes.length <= FEW || seen.has(name) || (kept && kept.includes(name)));
    const chip = (text, pressed, paint, number, onclick) => {
      const made = el("button", { className: "chip", onclick }, ...(paint ? [el("i")] : []), text, ...(number ? [el("b", {}, `${number}`)] : []));
      if (paint) made.style.setProperty("--paint", paint);
      made.setAttribute("aria-pressed", pressed);
      return made;
    };
    const wanted = [["All", kept === null], ...shown.slice(0, 60).map(([name]) => [name, kept !== null && kept.includes(name), seen.get(name) || 0])];
    const said = JSON.stringify(wanted);
    if (said === this.chipsSaid) return;
    this.chipsSaid = said;
    const focused = document.activeElement && this.chips.contains(document.activeElement) ? [...this.chips.children].indexOf(document.activeElement) : -1;
    this.chips.replaceChildren(
      chip("All", kept === null, "", 0, () => this.pick(null)),
      ...shown.slice(0, 60).map(([name, id]) => chip(name, kept !== null && kept.includes(name), colour(id), seen.get(name), () => this.pick(name))));
    if (focused >= 0 && this.chips.children[focused]) this.chips.children[focused].focus();
  }

  pick(name) {
    const kept = this.settings.classes || [];
    const now = name === null ? [] : kept.includes(name) ? kept.filter((other) => other !== name) : [...kept, name];
    this.want({ classes: now.length ? now : null });
    this.showClasses();
  }

  showZones() {
    const zones = Object.entries(this.settings.zones);
    this.hint.hidden = zones.length > 0 || Boolean(this.editor);
    say(this.hint, "A zone is a part of the picture in which objects are counted where they stand.");
    this.counts = new Map();
    this.list.replaceChildren(...zones.map(([name, corners]) => {
      const number = el("span", { className: "count" });
      this.counts.set(name, number);
      const edit = el("button", { className: "quiet", onclick: () => this.beginZone(name, corners) }, "Edit");
      const drop = el("button", { className: "quiet danger", onclick: () => this.dropZone(name) }, "Remove");
      edit.setAttribute("aria-label", `Edit ${name}`);
      drop.setAttribute("aria-label", `Remove ${name}`);
      return el("li", {}, el("span", { className: "name" }, name), number, edit, drop);
    }));
    this.countZones();
  }

  countZones() {
    for (const [name, node] of this.counts || []) {
      const polygon = this.settings.zones[name];
      say(node, `${polygon ? within(this.view.result, name, polygon) : 0} in it`);
    }
  }

  beginZone(name, corners) {
    this.endZone();
    let free = 1;
    while (`zone ${free}` in this.settings.zones) free += 1;
    this.editing = name;
    this.name.value = name || `zone ${free}`;
    this.form.hidden = false;
    this.draw.disabled = true;
    this.editor = new ZoneEditor(this.view, corners, (many) => {
      this.keep.disabled = many < 3;
      this.undo.disabled = many < 1;
      say(this.hint, many < 3 ? `Click or tap its corners on the picture: ${3 - many} more at least.` : "Corners can be dragged, and more added. Then keep it.");
    });
    this.editor.told();
    this.editor.changed(corners.length);
    this.hint.hidden = false;
    if (innerWidth <= 1000) this.view.element.scrollIntoView({ block: "start" });
  }

  keepZone() {
    if (!this.editor || this.editor.corners.length < 3) return;
    const name = this.name.value.trim();
    const { zones, lines } = this.settings;
    const taken = name !== this.editing && (Object.hasOwn(zones, name) || Object.hasOwn(lines, name));
    if (taken) say(this.hint, "This name is taken: give it another.");
    if (!name || taken) { this.name.focus(); return }
    const drawn = [name, this.editor.corners], all = Object.entries(zones);
    const now = Object.hasOwn(zones, this.editing) ? all.map((each) => (each[0] === this.editing ? drawn : each)) : [...all, drawn];
    this.want({ zones: Object.fromEntries(now) });
    this.endZone();
  }

  dropZone(name) {
    const zones = { ...this.settings.zones };
    delete zones[name];
    this.want({ zones });
    this.endZone();
  }

  endZone() {
    if (this.editor) this.editor.stop();
    this.editor = null;
    this.form.hidden = true;
    this.draw.disabled = false;
    this.showZones();
  }

  status(how) {
    const { frames } = how, dropped = (frames.dropped || 0) + (frames.replaced || 0);
    const values = [
      ["Camera", `${how.fps.toFixed(1)} fps`], ["Detected", `${how.detect_fps.toFixed(1)} fps`],
      ["Latency", how.latency === null ? "–" : seconds(how.latency)],
      ["Newest", how.detect_age === null ? "–" : `${seconds(how.detect_age)} ago`, how.detect_age > 2],
      ["Dropped", count(dropped)], ["Damaged", count(frames.corrupt || 0)],
      ["Size", how.width ? `${how.width}×${how.height}` : "–"], ["Frames", count(frames.detected)],
      ["Lost", `${Object.values(how.losses).reduce((sum, many) => sum + many, 0)}×`],
    ];
    if (!this.stats.children.length) {
      for (const [key] of values) this.stats.append(el("div", {}, el("dt", {}, key), el("dd")));
    }
    values.forEach(([, text, late], n) => {
      say(this.stats.children[n].lastChild, text);
      this.stats.children[n].lastChild.classList.toggle("late", Boolean(late));
    });
    say(this.source, how.source);
    this.showClasses();
    this.countZones();
  }
}
