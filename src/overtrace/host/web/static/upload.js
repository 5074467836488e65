// Sends a file in parts, so that it goes on after a break where it stopped. Without this script the form sends it
// in one piece.
(function () {
  "use strict";
  const first = document.querySelector("form[data-part-bytes]");
  if (!first) return;
  const PART = Math.min(4194304, Number(first.dataset.partBytes));
  const WAITS = [1, 2, 4, 8, 15, 30, 30, 30, 30, 30];

  // Of the form that is sent: its fields, and where it says how far it is.
  let form, bar, line;

  document.addEventListener("submit", (event) => {
    if (!event.target.matches("form[data-part-bytes]")) return;
    form = event.target;
    bar = form.querySelector("progress");
    line = form.querySelector("[role=status]");
    if (event.submitter && event.submitter.formAction.endsWith("/check")) return;
    const file = form.elements.file.files[0];
    if (!file) return;
    event.preventDefault();
    for (const button of form.querySelectorAll("button")) button.disabled = true;
    send(file).then((done) => {
      line.textContent = done.number ? "Accepted as submission " + done.number + "." : "It is here.";
      location.assign(form.dataset.then);
    }).catch((error) => {
      line.textContent = error.message;
      line.className = "line";
      line.focus();
      for (const button of form.querySelectorAll("button")) button.disabled = false;
    });
  });

  async function send(file) {
    line.className = "";
    line.hidden = bar.hidden = false;
    line.textContent = "Reading the file";
    const sha256 = await digest(file, (share) => { bar.value = share; });
    const what = form.dataset.kind ? { kind: form.dataset.kind } : { phase: form.elements.phase.value };
    const offer = Object.assign(what, { name: file.name, size: file.size, sha256: sha256 });
    const upload = await ask("POST", "/api/v1/uploads", JSON.stringify(offer));
    let offset = upload.received;
    while (offset < file.size) {
      line.textContent = "Sending: " + Math.floor(100 * offset / file.size) + " %";
      bar.value = offset / file.size;
      const part = file.slice(offset, offset + PART);
      offset = await sendPart("/api/v1/uploads/" + upload.id, offset, part);
    }
    bar.value = 1;
    line.textContent = "Checking that all bytes are there";
    const note = JSON.stringify({ note: form.elements.note ? form.elements.note.value : "" });
    return ask("POST", "/api/v1/uploads/" + upload.id + "/complete", note);
  }

  async function sendPart(address, offset, part) {
    const answer = await ask("PUT", address + "?offset=" + offset, part).catch((error) => {
      if (error.received === undefined) throw error;
      return error;
    });
    return answer.received;
  }

  async function ask(method, address, body) {
    const headers = { "X-Form-Token": form.elements.form_token.value };
    if (typeof body === "string") headers["Content-Type"] = "application/json";
    for (let i = 0; ; i++) {
      let answer = null;
      try {
        answer = await fetch(address, { method: method, headers: headers, body: body });
      } catch (error) {
        line.textContent = "The host cannot be reached; trying again";
      }
      if (answer && answer.ok) return answer.json();
      if (answer && answer.status !== 429 && answer.status < 500) {
        const said = await answer.json();
        throw Object.assign(new Error(said.error), { received: said.received });
      }
      if (i >= WAITS.length) throw new Error("The host cannot be reached: send the same file again later, it goes on");
      await new Promise((wake) => setTimeout(wake, 1000 * WAITS[i]));
    }
  }

  // SHA-256 (FIPS 180-4) piece by piece: the browser's own wants the whole file in memory.
  const K = new Uint32Array(64);
  const START = new Uint32Array(8);
  (function () {
    const root = (x) => ((x - Math.floor(x)) * 4294967296) >>> 0;
    for (let n = 2, i = 0; i < 64; n++) {
      let prime = true;
      for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false;
      if (!prime) continue;
      if (i < 8) START[i] = root(Math.sqrt(n));
      K[i++] = root(Math.cbrt(n));
    }
  })();

  function mix(state, bytes, count) {
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    const w = new Uint32Array(64);
    for (let at = 0; at + 64 <= count; at += 64) {
      for (let i = 0; i < 16; i++) w[i] = view.getUint32(at + 4 * i);
      for (let i = 16; i < 64; i++) {
        const a = w[i - 15], b = w[i - 2];
        const s = (a >>> 7 | a << 25) ^ (a >>> 18 | a << 14) ^ a >>> 3;
        const t = (b >>> 17 | b << 15) ^ (b >>> 19 | b << 13) ^ b >>> 10;
        w[i] = w[i - 16] + s + w[i - 7] + t;
      }
      let [a, b, c, d, e, f, g, h] = state;
      for (let i = 0; i < 64; i++) {
        const s = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
        const x = h + s + (e & f ^ ~e & g) + K[i] + w[i] | 0;
        const t = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
        const y = t + (a & b ^ a & c ^ b & c) | 0;
        h = g; g = f; f = e; e = d + x | 0; d = c; c = b; b = a; a = x + y | 0;
      }
      state[0] += a; state[1] += b; state[2] += c; state[3] += d;
      state[4] += e; state[5] += f; state[6] += g; state[7] += h;
    }
  }

  async function digest(file, tell) {
    const state = START.slice();
    for (let at = 0; at < file.size; at += PART) {
      const part = new Uint8Array(await file.slice(at, at + PART).arrayBuffer());
      const whole = part.length - part.length % 64;
      mix(state, part, whole);
      if (at + part.length >= file.size) {
        const rest = part.length - whole;
        const end = new Uint8Array(rest < 56 ? 64 : 128);
        end.set(part.subarray(whole));
        end[rest] = 128;
        const view = new DataView(end.buffer);
        view.setUint32(end.length - 8, Math.floor(file.size / 536870912));
        view.setUint32(end.length - 4, file.size * 8 >>> 0);
        mix(state, end, end.length);
      }
      tell(at / file.size);
    }
    return Array.from(state, (word) => word.toString(16).padStart(8, "0")).join("");
  }
})();
