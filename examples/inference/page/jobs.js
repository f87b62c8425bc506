// Follows jobs by their events, a few at a time, and says in words how each is. Nothing here knows what the page looks like.
const STATUSES = ["scheduled", "queued", "running", "retrying", "succeeded", "failed", "discarded", "cancelled"];
const WORDS = {
  scheduled: "will begin later", queued: "waiting in the queue", retrying: "will be tried again", cancelled: "cancelled",
};
const STREAMS = 3; // a browser has six connections to a server: three leave some for pictures, cancelling and a burst
const AGAIN = 5000; // milliseconds until a job that could not be looked up is asked for again

// Returns a function that follows a job to its end: show(job) is called with each state of it, gone(id) if there is none.
export function following(show, gone) {
  const unheard = [];
  let open = 0;

  function follow(id) {
    unheard.push(id);
    while (open < STREAMS && unheard.length) listen(unheard.shift());
  }

  function listen(id) {
    const events = new EventSource(`/jobs/${id}/events`);
    open += 1;
    for (const status of STATUSES) events.addEventListener(status, event => {
      const job = JSON.parse(event.data);
      if (job.ended_at) leave(events); // before it is shown: whatever comes of that, the next one is followed
      show(job);
    });
    // A stream that has ended the browser begins again by itself. An answer that is no stream (404, 503) it takes for final.
    events.addEventListener("error", () => {
      if (events.readyState !== EventSource.CLOSED) return;
      leave(events);
      ask(id);
    });
  }

  function leave(events) {
    events.close();
    open -= 1;
    if (unheard.length) listen(unheard.shift());
  }

  async function ask(id) {
    const answer = await fetch(`/jobs/${id}`).catch(() => null);
    if (answer?.status === 404) return gone(id);
    const job = answer?.ok ? await answer.json() : null;
    if (job?.ended_at) return show(job);
    setTimeout(() => follow(id), AGAIN);
  }

  return follow;
}

export function state(job) {
  if (job.error && job.status !== "cancelled") return job.error.message || "This picture could not be looked at.";
  if (job.status === "running") return job.progress?.note || "a worker has it";
  if (job.status !== "succeeded") return WORDS[job.status];
  if (!job.result) return "done; what was found in it is kept for a day, and no longer there";
  const seconds = (new Date(job.ended_at) - new Date(job.enqueued_at)) / 1000;
  return `${job.result.width} × ${job.result.height} pixels looked at, done ${seconds.toFixed(1)} s after it was sent`;
}
