// Drawing a zone: corners by click, touch or arrow keys; corners that are there can be moved.

import { fit, placed } from "./draw.js";

const NEAR = 22;

export class ZoneEditor {
  constructor(view, corners, changed) {
    this.view = view;
    this.canvas = view.overlay;
    this.corners = corners.map((corner) => [...corner]);
    this.closed = corners.length > 2;
    this.changed = changed;
    this.held = -1;
    this.cross = [0.5, 0.5];
    this.stopping = new AbortController();
    const signal = this.stopping.signal;
    this.canvas.classList.add("drawing");
    this.canvas.tabIndex = 0;
    for (const kind of ["pointerdown", "pointermove", "pointerup", "pointercancel", "keydown"]) {
      this.canvas.addEventListener(kind, (event) => this[kind](event), { signal });
    }
    view.editor = this;
    view.paint();
  }

  stop() {
    this.stopping.abort();
    this.canvas.classList.remove("drawing");
    this.canvas.removeAttribute("tabindex");
    this.view.editor = null;
    this.view.paint();
  }

  undo() {
    this.corners.pop();
    this.closed = false;
    this.told();
  }

  told() { this.changed(this.corners.length); this.view.paint() }

  size() { return this.view.result || { width: this.view.picture.width, height: this.view.picture.height } }

  // A place in the window as fractions of the picture.
  fraction(event) {
    const ratio = fit(this.canvas), box = this.canvas.getBoundingClientRect(), { width, height } = this.size();
    const at = placed(this.canvas, width, height);
    const x = ((event.clientX - box.left) * ratio - at.x) / (width * at.scale);
    const y = ((event.clientY - box.top) * ratio - at.y) / (height * at.scale);
    return [x, y].map((side) => Math.round(Math.min(1, Math.max(0, side)) * 10000) / 10000);
  }

  nearest(event) {
    const ratio = fit(this.canvas), box = this.canvas.getBoundingClientRect(), { width, height } = this.size();
    const at = placed(this.canvas, width, height);
    const distances = this.corners.map(([x, y]) => Math.hypot(
      (at.x + x * width * at.scale) / ratio - (event.clientX - box.left),
      (at.y + y * height * at.scale) / ratio - (event.clientY - box.top)));
    const best = distances.indexOf(Math.min(...distances));
    return best >= 0 && distances[best] < NEAR ? best : -1;
  }

  pointerdown(event) {
    if (event.button || !event.isPrimary) return; // a menu, or a second finger
    event.preventDefault();
    this.canvas.setPointerCapture(event.pointerId);
    this.held = this.nearest(event);
    if (this.held < 0) this.add(this.fraction(event));
  }

  pointermove(event) {
    if (this.held < 0) return;
    this.corners[this.held] = this.fraction(event);
    this.told();
  }

  pointerup() { this.held = -1 }

  pointercancel() { this.held = -1 }

  keydown(event) {
    const step = event.shiftKey ? 0.1 : 0.02;
    const move = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] }[event.key];
    if (move) this.cross = this.cross.map((side, n) => Math.min(1, Math.max(0, side + move[n])));
    else if (event.key === " " || event.key === "Enter") this.add(this.cross.map((side) => Math.round(side * 10000) / 10000));
    else if (event.key === "Backspace") this.undo();
    else return;
    event.preventDefault();
    this.keys = true;
    this.view.paint();
  }

  add(corner) {
    if (this.corners.length >= 64) return;
    this.corners.push(corner);
    this.told();
  }

  paint() {
    const ratio = fit(this.canvas), context = this.canvas.getContext("2d"), { width, height } = this.size();
    const at = placed(this.canvas, width, height);
    const points = this.corners.map(([x, y]) => [at.x + x * width * at.scale, at.y + y * height * at.scale]);
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.setLineDash([]);
    context.lineWidth = 2.5 * ratio;
    context.strokeStyle = "#ffd166";
    context.fillStyle = "rgb(255 209 102 / .2)";
    context.beginPath();
    points.forEach(([x, y], n) => (n ? context.lineTo(x, y) : context.moveTo(x, y)));
    if (points.length > 2) { context.closePath(); context.fill() }
    context.stroke();
    for (const [x, y] of points) {
      context.beginPath();
      context.arc(x, y, 6 * ratio, 0, 7);
      context.fillStyle = "#fff";
      context.fill();
      context.stroke();
    }
    if (this.keys) {
      const x = at.x + this.cross[0] * width * at.scale, y = at.y + this.cross[1] * height * at.scale;
      context.beginPath();
      context.moveTo(x - 12 * ratio, y); context.lineTo(x + 12 * ratio, y);
      context.moveTo(x, y - 12 * ratio); context.lineTo(x, y + 12 * ratio);
      context.stroke();
    }
  }
}
