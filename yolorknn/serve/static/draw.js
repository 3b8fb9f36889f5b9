// What was found, on a canvas over the picture; colours and limbs are those of yolorknn's own drawings.

const LIMBS = [
  ["#3399ff", [[15, 13], [13, 11], [16, 14], [14, 12]]], ["#ff33ff", [[11, 12], [5, 11], [6, 12]]],
  ["#ff8000", [[5, 6], [5, 7], [6, 8], [7, 9], [8, 10]]], ["#00ff00", [[1, 2], [0, 1], [0, 2], [1, 3], [2, 4], [3, 5], [4, 6]]],
];
const SHADES = [[0.5, 1], [0.9, 0.6], [0.6, 0.8]];
const VISIBLE = 0.25;

export function colour(id) {
  const hue = (id * 0.618033988749895) % 1, [s, v] = SHADES[id % 3];
  const channel = (n) => { const k = (n + hue * 6) % 6; return Math.round(255 * (v - v * s * Math.max(0, Math.min(k, 4 - k, 1)))) };
  return `rgb(${channel(5)} ${channel(3)} ${channel(1)})`;
}

export function objects(result) { return (result && result.detections) || [] }

export function inside([x, y], polygon) {
  let odd = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
    const [xi, yi] = polygon[i], [xj, yj] = polygon[j];
    if ((yi > y) !== (yj > y) && x < ((xj - xi) * (y - yi)) / (yj - yi) + xi) odd = !odd;
  }
  return odd;
}

// Where an object stands: the middle of its lower edge, as fractions of the picture.
export function foot(object, result) {
  const [x1, , x2, y2] = object.xyxy;
  return [(x1 + x2) / 2 / result.width, y2 / result.height];
}

// How many are in a zone: as the board counts them, or else as they stand.
export function within(result, name, polygon) {
  if (!result) return 0;
  if (result.zones && name in result.zones) return Object.values(result.zones[name]).reduce((sum, many) => sum + many, 0);
  return objects(result).filter((object) => inside(foot(object, result), polygon)).length;
}

// How many crossed a line, each way; nothing where there is no tracker to say it.
function crossed(result, name) {
  const ways = Object.entries((result.lines || {})[name] || {});
  return ways.map(([way, counts]) => ` · ${way} ${Object.values(counts).reduce((sum, many) => sum + many, 0)}`).join("");
}

// The part of a canvas that the picture is shown in: all of it fits, in the middle.
export function placed(canvas, width, height) {
  const scale = Math.min(canvas.width / width, canvas.height / height);
  return { x: (canvas.width - width * scale) / 2, y: (canvas.height - height * scale) / 2, scale };
}

export function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
  if (width && (canvas.width !== width || canvas.height !== height)) { canvas.width = width; canvas.height = height }
  return ratio;
}

export function paint(canvas, result, { zones, lines }, layers) {
  const ratio = fit(canvas), context = canvas.getContext("2d");
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (!result) return;
  const at = placed(canvas, result.width, result.height);
  context.setTransform(at.scale, 0, 0, at.scale, at.x, at.y);
  const pixel = ratio / at.scale;
  if (layers.zones) {
    paintZones(context, result, zones, pixel);
    paintLines(context, result, lines, pixel);
  }
  for (const object of [...objects(result)].reverse()) paintObject(context, object, layers, pixel);
  if (layers.labels) paintLabels(context, result, pixel);
}

function path(context, points) {
  points.forEach(([x, y], n) => (n ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.closePath();
}

function paintZones(context, result, zones, pixel) {
  for (const [name, polygon] of Object.entries(zones)) {
    context.beginPath();
    path(context, polygon.map(([x, y]) => [x * result.width, y * result.height]));
    context.fillStyle = "rgb(70 211 179 / .16)";
    context.fill();
    context.lineWidth = 1.5 * pixel;
    context.setLineDash([6 * pixel, 4 * pixel]);
    context.strokeStyle = "#46d3b3";
    context.stroke();
    context.setLineDash([]);
    const [x, y] = polygon.reduce((best, corner) => (corner[1] < best[1] ? corner : best));
    tag(context, `${name} · ${within(result, name, polygon)}`, x * result.width, y * result.height, "#0b3b31", "#7af0d3", pixel, result);
  }
}

function paintLines(context, result, lines, pixel) {
  context.lineWidth = 2.5 * pixel;
  context.strokeStyle = "#7af0d3";
  for (const [name, ends] of Object.entries(lines)) {
    const [from, to] = ends.map(([x, y]) => [x * result.width, y * result.height]);
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...to);
    context.stroke();
    const [x, y] = to[1] < from[1] ? to : from;
    tag(context, name + crossed(result, name), x, y, "#0b3b31", "#7af0d3", pixel, result);
  }
}

function paintObject(context, object, layers, pixel) {
  const paintOf = colour(object.class_id);
  context.strokeStyle = context.fillStyle = paintOf;
  context.lineJoin = "round";
  if (layers.shapes && object.mask) {
    context.beginPath();
    for (const flat of object.mask.polygons) {
      path(context, Array.from({ length: flat.length / 2 }, (_, n) => [flat[2 * n] + 0.5, flat[2 * n + 1] + 0.5]));
    }
    context.globalAlpha = 0.3;
    context.fill();
    context.globalAlpha = 1;
    context.lineWidth = 1.5 * pixel;
    context.stroke();
  }
  if (layers.boxes) {
    context.lineWidth = 2 * pixel;
    context.beginPath();
    const [x1, y1, x2, y2] = object.xyxy;
    path(context, object.xyxyxyxy || [[x1, y1], [x2, y1], [x2, y2], [x1, y2]]);
    context.stroke();
  }
  if (layers.shapes && object.keypoints) paintKeypoints(context, Object.values(object.keypoints), pixel);
}

function paintKeypoints(context, points, pixel) {
  const seen = points.map((point) => point[2] >= VISIBLE);
  if (points.length === 17) {
    context.lineWidth = 2 * pixel;
    for (const [shade, limbs] of LIMBS) {
      context.strokeStyle = shade;
      context.beginPath();
      for (const [one, other] of limbs) {
        if (seen[one] && seen[other]) { context.moveTo(points[one][0], points[one][1]); context.lineTo(points[other][0], points[other][1]) }
      }
      context.stroke();
    }
  }
  points.forEach(([x, y], n) => {
    if (!seen[n]) return;
    context.fillStyle = colour(n);
    context.beginPath();
    context.arc(x, y, 3 * pixel, 0, 7);
    context.fill();
  });
}

function paintLabels(context, result, pixel) {
  const taken = [];
  for (const object of objects(result)) {
    const [x, y] = object.xyxyxyxy ? object.xyxyxyxy.reduce((best, at) => (at[1] < best[1] ? at : best)) : object.xyxy;
    const number = object.tracker_id !== undefined && object.tracker_id >= 0 ? ` #${object.tracker_id}` : "";
    tag(context, `${object.name}${number} ${object.confidence.toFixed(2)}`, x, y, "#000", colour(object.class_id), pixel, result, taken);
  }
  (result.classes || []).slice(0, 5).forEach((entry, n) => {
    tag(context, `${entry.name} ${entry.confidence.toFixed(2)}`, 8 * pixel, (30 + 22 * n) * pixel, "#000", colour(entry.class_id), pixel, result);
  });
}

// A text on its ground, above a point; where another's is, below it or further on, and nowhere where there is no room.
function tag(context, text, x, y, ink, ground, pixel, result, taken = []) {
  context.font = `600 ${12 * pixel}px system-ui, sans-serif`;
  const wide = context.measureText(text).width + 8 * pixel, tall = 18 * pixel;
  const left = Math.max(0, Math.min(x - pixel, result.width - wide));
  const top = [y - tall, y, y - 2 * tall, y + tall].find((at) => at >= 0 && at + tall <= result.height
    && !taken.some(([l, t, w]) => left < l + w && l < left + wide && at < t + tall && t < at + tall));
  if (top === undefined) return;
  taken.push([left, top, wide]);
  const [, r, g, b] = /rgb\((\d+) (\d+) (\d+)\)/.exec(ground) || [];
  context.fillStyle = ground;
  context.fillRect(left, top, wide, tall);
  context.fillStyle = r === undefined ? ink : 0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#000" : "#fff";
  context.textBaseline = "middle";
  context.fillText(text, left + 4 * pixel, top + tall / 2 + 0.5 * pixel);
}
