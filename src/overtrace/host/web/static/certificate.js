// Checks a certificate in the browser, where no host answers: as overtrace.host.certificates does.
(function () {
  "use strict";
  const SIGNED = /<script type="application\/json" id="signed">\n([\s\S]*?)\n<\/script>/g;
  const place = document.getElementById("check");
  const verdict = document.getElementById("verdict");
  const field = place.querySelector("textarea");

  // As json.dumps writes it with keys in order, without blanks and in ASCII.
  function write(facts) {
    const ordered = Object.fromEntries(Object.keys(facts).sort().map((key) => [key, facts[key]]));
    return JSON.stringify(ordered).replace(/[\u007f-\uffff]/g, (letter) =>
      "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0"));
  }
  function decode(text) {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  }
  async function digest(text) {
    const sum = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
  async function verify(text) {
    text = text.replaceAll("\r\n", "\n").trim();
    const isFile = text.startsWith("<");
    const parts = Array.from(text.matchAll(SIGNED));
    if (isFile && parts.length !== 1) throw new Error("this is no certificate: give the file as it was downloaded");
    const json = isFile ? parts[0][1].replaceAll("\\u003c", "<") : text;
    const facts = JSON.parse(json);
    if (facts.kind !== "overtrace certificate 1") throw new Error("this is no certificate");
    if (isFile !== "page" in facts) throw new Error("this is only a part of a certificate: give the whole file");
    const same = write(facts) === json;
    const signature = decode(facts.signature);
    delete facts.signature;
    const key = await crypto.subtle.importKey("raw", decode(place.dataset.key), "Ed25519", false, ["verify"]);
    const good = await crypto.subtle.verify("Ed25519", key, signature, new TextEncoder().encode(write(facts)));
    if (!good || !same) throw new Error("it was not signed by this host, or was changed since");
    if (isFile && facts.page !== await digest(text.replace(parts[0][0], () => "").trim())) {
      throw new Error("the page was changed since the host signed it");
    }
    return facts;
  }
  function say(facts) {
    const parts = [facts.name + (facts.affiliation ? ", " + facts.affiliation : "")];
    parts.push("member " + facts.position + " of " + facts.members + " of the team " + facts.team);
    if ("rank" in facts) parts.push("rank " + facts.rank + " of " + facts.ranked + " by " + facts.board);
    if ("verdict" in facts) parts.push("container " + facts.verdict);
    if (facts.awards) parts.push(facts.awards);
    if (facts.delivered) parts.push("delivered what was asked");
    return parts.join("; ") + ": " + facts.title + ", announced " + facts.announced;
  }
  async function check(text) {
    if (!text.trim()) return;
    try {
      verdict.textContent = "Signed by this host, and unchanged. " + say(await verify(text));
      verdict.className = "said";
    } catch (error) {
      const old = error.name === "NotSupportedError" || !globalThis.crypto || !crypto.subtle;
      verdict.textContent = old ? "This browser cannot check Ed25519: use a newer one, or the command below."
        : "Not genuine: " + error.message;
      verdict.className = "line";
    }
  }
  place.querySelector("input").addEventListener("change", async (event) => {
    if (event.target.files.length) check(await event.target.files[0].text());
  });
  field.addEventListener("input", () => check(field.value));
})();
