// Two hundred requests (or ?burst=number), and one stream of events that tells what becomes of them.
export const MANY = Math.min(1000, Number(new URLSearchParams(location.search).get("burst")) || 200);
const find = id => document.getElementById(id);

export async function burst(button) {
  button.disabled = true;
  try {
    const name = crypto.getRandomValues(new Uint32Array(4)).join("-");
    const run = { began: performance.now(), latencies: [], points: [[0, 0, 0]], finished: 0, tiles: tiles(), places: new Map() };
    find("burst").hidden = false;
    find("burst-said").textContent = "";
    const pictures = await Promise.all(Array.from({ length: MANY }, (_, number) => drawn(number)));
    run.began = performance.now();
    const told = followed(name, run);
    await Promise.all(pictures.map((picture, number) => sent(picture, number, name, run)));
    await told;
    find("burst-said").textContent = `${MANY} pictures finished in ${seconds(run).toFixed(1)} seconds`;
  } finally { button.disabled = false; }
}

async function sent(picture, number, name, run) {
  const answer = await fetch(`/pictures?name=${number}&burst=${name}`, { method: "POST", body: picture });
  if (!answer.ok) throw new Error(`the service answered ${answer.status}`);
  run.places.set((await answer.json()).id, number);
  run.tiles[number].classList.add("accepted");
}

function followed(name, run) {
  return new Promise((resolve, reject) => {
    const events = new EventSource(`/bursts/${name}/events?of=${MANY}`);
    const close = then => { events.close(); then(); };
    events.onerror = () => close(() => reject(new Error("the connection was lost")));
    events.onmessage = event => {
      const level = JSON.parse(event.data);
      run.finished += level.ended.length;
      run.points.push([seconds(run), level.accepted, run.finished]);
      for (const job of level.ended) setTimeout(() => paint(run, job), 60); // its answer may be on the way still
      draw(run, level.accepted);
      if (run.finished >= MANY) close(resolve);
    };
  });
}

function paint(run, job) {
  const place = run.places.get(job.job);
  if (place === undefined) return setTimeout(() => paint(run, job), 200);
  run.tiles[place].style.background = job.colour ?? "var(--bad)";
  run.tiles[place].classList.add("ended");
}

function draw(run, accepted) {
  measure(run);
  const last = Math.max(5, seconds(run));
  const line = column => run.points.map(point => `${(600 * point[0]) / last},${156 - (150 * point[column]) / MANY}`).join(" ");
  find("line-accepted").setAttribute("points", line(1));
  find("line-finished").setAttribute("points", line(2));
  find("accepted").textContent = accepted;
  find("finished").textContent = run.finished;
  find("seconds").textContent = seconds(run).toFixed(1);
}

// From when a request has its connection to its answer: a browser has six, and lets the others wait.
function measure(run) {
  const posts = performance.getEntriesByType("resource").filter(entry => entry.name.includes("&burst=") && entry.startTime >= run.began);
  const times = posts.map(entry => entry.responseStart - entry.requestStart).sort((one, other) => one - other);
  if (!times.length) return;
  find("median").textContent = `${Math.round(times[Math.floor(times.length / 2)])} ms`;
  find("slowest").textContent = `${Math.round(times[Math.floor(0.99 * (times.length - 1))])} ms`;
}

function tiles() {
  find("tiles").replaceChildren(...Array.from({ length: MANY }, () => document.createElement("i")));
  performance.setResourceTimingBufferSize(5000);
  return [...find("tiles").children];
}

function drawn(number) {
  const canvas = Object.assign(document.createElement("canvas"), { width: 120, height: 75 });
  const pen = canvas.getContext("2d"), hue = (number * 360) / MANY;
  const sky = pen.createLinearGradient(0, 0, 0, 75);
  sky.addColorStop(0, `hsl(${hue} 70% 52%)`);
  sky.addColorStop(1, `hsl(${hue + 50} 75% 78%)`);
  pen.fillStyle = sky;
  pen.fillRect(0, 0, 120, 75);
  pen.fillStyle = "#fff6d8";
  pen.beginPath();
  pen.arc(20 + ((number * 37) % 80), 18 + (number % 14), 8, 0, 7);
  pen.fill();
  pen.fillStyle = `hsl(${hue + 180} 35% 25%)`;
  pen.fillRect(0, 52 + (number % 9), 120, 30);
  return new Promise(resolve => canvas.toBlob(resolve, "image/jpeg", 0.9));
}

function seconds(run) {
  return (performance.now() - run.began) / 1000;
}
