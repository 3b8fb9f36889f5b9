// One connection for all cameras: parts of multipart/mixed, JSON, and a JPEG behind each result.

const decoder = new TextDecoder();

class Bytes {
  constructor(stream) { this.reader = stream.getReader(); this.held = new Uint8Array(0) }

  async more() {
    const { value, done } = await this.reader.read();
    if (done) throw new Error("the connection ended");
    const joined = new Uint8Array(this.held.length + value.length);
    joined.set(this.held);
    joined.set(value, this.held.length);
    this.held = joined;
  }

  async exactly(count) {
    while (this.held.length < count) await this.more();
    const taken = this.held.slice(0, count);
    this.held = this.held.subarray(count);
    return taken;
  }

  async headers() {
    for (let from = 0; ;) {
      for (let at = from; at + 3 < this.held.length; at++) {
        if (this.held[at] === 13 && this.held[at + 1] === 10 && this.held[at + 2] === 13 && this.held[at + 3] === 10) {
          return decoder.decode(await this.exactly(at + 4));
        }
      }
      from = Math.max(0, this.held.length - 3);
      if (from > 65536) throw new Error("no part begins");
      await this.more();
    }
  }
}

async function* parts(body) {
  const bytes = new Bytes(body);
  while (true) {
    const headers = await bytes.headers();
    const length = Number(/content-length: *(\d+)/i.exec(headers)[1]);
    yield [/content-type: *([^\s;]+)/i.exec(headers)[1], await bytes.exactly(length)];
  }
}

// Follows these cameras until its signal is aborted; opens the connection again whenever it is lost.
export async function follow(cameras, on, signal) {
  const query = new URLSearchParams(cameras.map((camera) => ["camera", camera]));
  for (let wait = 500; !signal.aborted; wait = Math.min(2 * wait, 8000)) {
    try {
      const answer = await fetch(`/api/v1/stream?${query}`, { signal, cache: "no-store" });
      if (answer.status === 401) { location.assign("/login"); return }
      if (!answer.ok) throw new Error(`${answer.status}`);
      let result = null;
      for await (const [kind, data] of parts(answer.body)) {
        if (kind === "image/jpeg") { await on.shot(result, data); continue }
        const said = JSON.parse(decoder.decode(data));
        if (said.hello) on.hello(said.hello);
        if (said.status) on.status(said.status);
        if (said.result) result = said.result;
        wait = 500;
      }
    } catch (error) {
      if (signal.aborted) return;
      on.lost(error);
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}
