// Elements, their text always text, and how numbers are said.

export function el(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && key !== "list") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// Says a text only where it is another, so that nothing is laid out or read out anew.
export function say(node, text) { if (node.textContent !== text) node.textContent = text }

export function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  if (value < 60) return `${value.toFixed(1)} s`;
  if (value < 5400) return `${Math.round(value / 60)} min`;
  return value < 172800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86400)} days`;
}

export function count(value) { return value === undefined ? "–" : value.toLocaleString("en") }

export function plural(number, word) { return `${number} ${word}${number === 1 ? "" : "s"}` }

export const STATES = { live: "Live", opening: "Connecting", waiting: "Lost", stuck: "Stuck", ended: "Ended" };

export async function change(camera, values) {
  const answer = await fetch(`/api/v1/cameras/${encodeURIComponent(camera)}/settings`, {
    method: "PATCH", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values),
  });
  if (answer.ok) return answer.json();
  const said = await answer.json().catch(() => ({}));
  throw new Error(said.error || `it was not kept (${answer.status})`);
}
