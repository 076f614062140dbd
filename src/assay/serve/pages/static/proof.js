"use strict";
// Checks in the browser that an event is in the log: its entry is fetched and hashed here (RFC 6962, section 2.1), the path of the proof
// (c2sp.org/tlog-proof) is followed to a root, and that must be the root which the checkpoint names and the ledger's key has signed.
// The key stands in the page: who does not trust the server with it compares it with the one they were given.

const WIDTH = 256; // entries a bundle holds (c2sp.org/tlog-tiles)
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const same = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);
const join = (...parts) => Uint8Array.from(parts.flatMap((part) => [...part]));
const hash = async (...parts) => new Uint8Array(await crypto.subtle.digest("SHA-256", join(...parts)));

async function get(url) {
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`the server answered ${answer.status} for ${url}`);
  return answer;
}

async function entry(log, index, size) {
  const number = Math.floor(index / WIDTH);
  const digits = String(number).padStart(Math.ceil(String(number).length / 3) * 3, "0").match(/.{3}/g);
  const path = `tile/entries/${digits.map((part, i) => (i + 1 < digits.length ? `x${part}` : part)).join("/")}`;
  const width = Math.min(WIDTH, size - number * WIDTH);
  let answer;
  try {
    answer = await get(`${log}${path}${width < WIDTH ? `.p/${width}` : ""}`);
  } catch (error) {
    if (width === WIDTH) throw error;
    answer = await get(`${log}${path}`); // the bundle has filled up since
  }
  const bundle = new DataView(await answer.arrayBuffer());
  for (let at = 0, n = number * WIDTH; at < bundle.byteLength; n++) {
    const length = bundle.getUint16(at);
    if (n === index) return new Uint8Array(bundle.buffer, at + 2, length);
    at += 2 + length;
  }
  throw new Error("the log does not hold this entry");
}

async function root(leaf, index, size, path) {
  // RFC 9162, section 2.1.3.2
  let [at, last, held] = [index, size - 1, leaf];
  for (const next of path) {
    if (last === 0) throw new Error("the proof is too long");
    if (at % 2 === 1 || at === last) {
      held = await hash([1], next, held);
      while (at % 2 === 0 && at !== 0) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else held = await hash([1], held, next);
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  if (last !== 0) throw new Error("the proof is too short");
  return held;
}

async function signed(note, key) {
  // c2sp.org/signed-note: name+hash+base64 of 1 and the Ed25519 key; the signature after the hash's four bytes
  const [, name, coded] = key.match(/^([^+ ]+)\+[0-9a-f]{8}\+(.+)$/);
  const text = note.slice(0, note.indexOf("\n\n") + 1);
  const line = note.split("\n").find((l) => l.startsWith(`— ${name} `));
  if (!line) throw new Error(`the checkpoint is not signed by ${name}`);
  const verifier = await crypto.subtle.importKey("raw", bytes(coded).slice(1), "Ed25519", false, ["verify"]);
  const signature = bytes(line.slice(line.lastIndexOf(" ") + 1)).slice(4);
  return crypto.subtle.verify("Ed25519", verifier, signature, new TextEncoder().encode(text));
}

async function check(button, ledger) {
  const index = Number(button.dataset.proof);
  const proof = await (await get(`${ledger.dataset.api}/ledger/events/${index}/proof`)).text();
  const cut = proof.indexOf("\n\n");
  const [head, named, ...path] = proof.slice(0, cut).split("\n");
  if (head !== "c2sp.org/tlog-proof@v1" || named !== `index ${index}`) throw new Error("this is no proof of that event");
  const note = proof.slice(cut + 2);
  const [origin, size, expected] = note.split("\n");
  const leaf = await hash([0], await entry(`${ledger.dataset.api}/log/`, index, Number(size)));
  if (!same(await root(leaf, index, Number(size), path.map(bytes)), bytes(expected))) throw new Error("it does not lead to the root");
  if (!(await signed(note, ledger.dataset.key))) throw new Error("the checkpoint's signature does not hold");
  return `holds: in ${origin} of ${Number(size).toLocaleString("en")} events, signed`;
}

const ledger = document.querySelector("[data-key]");
for (const button of ledger ? ledger.querySelectorAll("[data-proof]") : []) {
  button.hidden = false;
  button.addEventListener("click", () => {
    const said = button.nextElementSibling;
    said.textContent = "…";
    check(button, ledger).then(
      (held) => ([said.textContent, said.className] = [held, "good"]),
      (error) => ([said.textContent, said.className] = [`does NOT hold: ${error.message}`, "alert"]),
    );
  });
}
