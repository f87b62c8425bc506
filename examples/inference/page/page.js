// Sends pictures, follows their jobs, shows what was found. Nothing here asks again and again: the server tells.
import { burst, MANY } from "/page/burst.js";
import { following, state } from "/page/jobs.js";

const LARGEST = 12_000_000;
const SIMILAR = 10; // bits of 64 that may differ between the fingerprints of one picture in two versions

const find = (selector, within = document) => within.querySelector(selector);
const cardOf = job => find(`[data-job="${job}"]`);
const listen = following(job => show(cardOf(job.id), job), job => gone(cardOf(job)));
const seen = new Map(); // fingerprints by job
const drop = find("#drop"), file = find("#file");

file.addEventListener("change", () => { send(file.files); file.value = ""; });
for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, event => { event.preventDefault(); drop.classList.add("over"); });
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, event => { event.preventDefault(); drop.classList.remove("over"); });
drop.addEventListener("drop", event => send(event.dataTransfer.files));
find("#send-many").textContent = `Send ${MANY}`;
find("#send-many").addEventListener("click", event => burst(event.target).catch(error => problem(`The burst broke off: ${error.message}`)));

for (const sent of (await (await fetch("/pictures")).json()).reverse()) follow(sent.job, sent.name);

async function send(files) {
  problem("");
  for (const each of files) {
    if (each.size > LARGEST) { problem(`${each.name} is larger than 12 MB. Send a smaller one.`); continue; }
    try {
      const answer = await fetch(`/pictures?name=${encodeURIComponent(each.name.slice(0, 200))}`, { method: "POST", body: each });
      const told = await answer.json();
      if (answer.ok) follow(told.id, each.name, URL.createObjectURL(each));
      else problem(`${each.name}: ${typeof told.detail === "string" ? told.detail : "it was refused."}`);
    } catch { problem(`${each.name} could not be sent: the service does not answer.`); }
  }
}

function problem(text) {
  find("#problem").textContent = text;
  find("#problem").hidden = !text;
}

function follow(job, name, preview) {
  const card = find("#card").content.cloneNode(true).firstElementChild;
  card.dataset.job = job;
  find("h3", card).textContent = name;
  const image = find(".thumbnail", card);
  image.addEventListener("error", () => image.removeAttribute("src")); // a file that is no picture
  if (preview) image.src = preview;
  image.alt = name;
  find(".cancel", card).addEventListener("click", event => cancel(card, event.target));
  find("#pictures").prepend(card);
  find("#none").hidden = true;
  find(".state", card).textContent = state({ status: "queued" });
  listen(job);
}

async function cancel(card, button) {
  button.disabled = true;
  const answer = await fetch(`/jobs/${card.dataset.job}`, { method: "DELETE" }).catch(() => null);
  if (answer?.ok) show(card, await answer.json());
  else button.disabled = false; // it may be that the service does not answer now
}

function show(card, job) {
  card.dataset.status = job.status;
  const ended = Boolean(job.ended_at), progress = find("progress", card);
  progress.hidden = find(".cancel", card).hidden = ended;
  progress.value = job.progress?.done ?? 0;
  find(".state", card).textContent = job.cancelling && !ended ? "being cancelled" : state(job);
  card.classList.toggle("failed", ["failed", "discarded"].includes(job.status));
  if (job.result) found(card, job.id, job.result);
}

function gone(card) {
  find("progress", card).hidden = find(".cancel", card).hidden = true;
  find(".state", card).textContent = "This picture is no longer known here.";
}

function found(card, job, result) {
  find(".thumbnail", card).src = `/pictures/${job}/thumbnail`;
  find(".attention", card).src = `/pictures/${job}/attention`;
  find(".sentence", card).textContent = result.sentence;
  find(".palette", card).replaceChildren(...result.palette.map(colour => {
    const part = document.createElement("li");
    part.style.background = colour.hex;
    part.style.flexGrow = colour.share;
    part.title = `${colour.name} ${colour.hex}, ${Math.round(100 * colour.share)} %`;
    part.append(Object.assign(document.createElement("span"), { className: "unseen", textContent: part.title }));
    return part;
  }));
  find(".measures", card).replaceChildren(...Object.entries(result.measures).map(([name, value]) => {
    const row = document.createElement("div"), term = document.createElement("dt"), bar = document.createElement("dd");
    const length = document.createElement("i"), percent = Math.round(100 * value);
    term.textContent = name;
    length.style.width = `${percent}%`;
    bar.setAttribute("aria-label", `${percent} %`);
    bar.append(length);
    row.append(term, bar);
    return row;
  }));
  find(".print", card).replaceChildren("fingerprint ", Object.assign(document.createElement("code"), { textContent: result.fingerprint }), alike(job, result));
  for (const part of [".attention", ".sentence", ".palette", ".measures", ".print"]) find(part, card).hidden = false;
}

function alike(job, result) {
  seen.set(job, BigInt(`0x${result.fingerprint}`));
  for (const [other, bits] of seen) {
    const name = find("h3", cardOf(other)).textContent;
    if (other !== job && differing(bits, seen.get(job)) <= SIMILAR) return `, looks like ${name}`;
  }
  return "";
}

function differing(one, other) {
  return (one ^ other).toString(2).replaceAll("0", "").length;
}
