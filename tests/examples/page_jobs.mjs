// What examples/inference/page/jobs.js does, in Node, with streams and answers that this file makes up: node page_jobs.mjs jobs.js
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

const source = readFileSync(process.argv[2], "utf8");
const { following, state } = await import(`data:text/javascript,${encodeURIComponent(source)}`);

class Stream extends EventTarget {
  static CONNECTING = 0;
  static CLOSED = 2;
  static all = [];
  readyState = 1;

  constructor(url) {
    super();
    this.url = url;
    Stream.all.push(this);
  }

  close() { this.readyState = Stream.CLOSED; }

  tell(status, more = {}) {
    const ended_at = ["succeeded", "cancelled"].includes(status) ? "2026-11-21T10:00:02Z" : null;
    const job = { id: this.url.split("/")[2], status, ended_at, enqueued_at: "2026-11-21T10:00:00Z", ...more };
    this.dispatchEvent(Object.assign(new Event(status), { data: JSON.stringify(job) }));
  }

  fail(readyState) {
    this.readyState = readyState;
    this.dispatchEvent(new Event("error"));
  }
}

const answers = [], timers = [], problems = [];
globalThis.EventSource = Stream;
globalThis.fetch = async () => answers.shift();
globalThis.setTimeout = (act, after) => timers.push([act, after]);
process.on("uncaughtException", problem => { // a listener that throws, which a browser logs; or a check that failed here
  if (problem.message === "no such element") return problems.push(problem);
  console.error(problem);
  process.exit(1);
});
const soon = () => new Promise(resolve => setImmediate(resolve));
const urls = () => Stream.all.map(stream => stream.url);
const fresh = () => { Stream.all.length = timers.length = problems.length = 0; };

// Three at a time, and the next with the end of each.
let shown = [], gone = [];
let follow = following(job => shown.push([job.id, job.status]), id => gone.push(id));
for (const id of ["a", "b", "c", "d", "e"]) follow(id);
assert.deepEqual(urls(), ["/jobs/a/events", "/jobs/b/events", "/jobs/c/events"]);
Stream.all[0].tell("scheduled");
Stream.all[0].tell("running");
Stream.all[0].tell("succeeded", { result: { width: 2, height: 1 } });
assert.deepEqual(shown, [["a", "scheduled"], ["a", "running"], ["a", "succeeded"]]);
assert.equal(Stream.all[0].readyState, Stream.CLOSED);
assert.equal(urls().at(-1), "/jobs/d/events");

// A stream that breaks off is the browser's affair; one that is refused makes room, and its job is asked for.
Stream.all[1].fail(Stream.CONNECTING);
assert.equal(Stream.all.length, 4);
answers.push({ ok: false, status: 404 }, { ok: false, status: 503 });
Stream.all[1].fail(Stream.CLOSED);
Stream.all[2].fail(Stream.CLOSED);
assert.equal(urls().at(-1), "/jobs/e/events");
await soon();
assert.deepEqual(gone, ["b"]);
assert.deepEqual(timers.map(([, after]) => after), [5000]);
timers[0][0]();
assert.equal(urls().at(-1), "/jobs/c/events");

// A page that cannot show one job follows the others.
fresh();
follow = following(() => { throw new Error("no such element"); }, () => {});
for (const id of ["a", "b", "c", "d", "e", "f"]) follow(id);
for (let place = 0; place < 6; place += 1) Stream.all[place].tell("succeeded");
assert.ok(Stream.all.every(stream => stream.readyState === Stream.CLOSED));
await soon();
assert.equal(problems.length, 6);

// A success whose result has expired has words, too.
const old = { status: "succeeded", enqueued_at: "2026-11-21T10:00:00Z", ended_at: "2026-11-21T10:00:02Z" };
assert.match(state(old), /no longer there/);
assert.match(state({ ...old, result: null }), /no longer there/);
assert.equal(state({ ...old, result: { width: 4, height: 3 } }), "4 × 3 pixels looked at, done 2.0 s after it was sent");
