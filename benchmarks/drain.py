"""The no-op drain alone, quickly: what one changes in a worker shows here first.

    python -m benchmarks.drain                                   # sqsjobs, its plain path, a bare loop; 20,000 jobs
    python -m benchmarks.drain sqsjobs bare --rounds 5 --jobs 5000

A line for every round and contestant, then the medians; ratios of CPU are to the contestant named last, round by round.
"""

from __future__ import annotations

import argparse
from statistics import median

from benchmarks.contestants import CONTESTANTS
from benchmarks.house import server
from benchmarks.workloads.draining import Drained, drain
from benchmarks.workloads.workload import Bench


def main() -> None:
    """Drain, and print."""
    by_name = {contestant.name: contestant for contestant in CONTESTANTS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contestants", nargs="*", metavar="CONTESTANT", help=", ".join(by_name))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=20_000)
    options = parser.parse_args()
    names = options.contestants or ["sqsjobs", "sqsjobs-plain", "bare"]
    rounds: list[dict[str, Drained]] = []
    with server() as running:
        bench = Bench(running)
        for number in range(options.rounds):
            turn = number % len(names)
            done = {}
            for name in (*names[turn:], *names[:turn]):
                contestant = by_name[name]
                done[name] = drain(bench, contestant, bench.setting(contestant), options.jobs)
                print(f"round {number + 1} {told(name, done[name])}", flush=True)
            rounds.append(done)
    for name in names:
        middle = sorted((done[name] for done in rounds), key=lambda it: it.cpu)[len(rounds) // 2]
        ratio = median(done[name].cpu_per_job / done[names[-1]].cpu_per_job for done in rounds)
        print(f"median  {told(name, middle)}  {ratio:.3f} of {names[-1]}'s CPU")


def told(name: str, it: Drained) -> str:
    """Return a line about one drain."""
    return (
        f"{name:14} {it.cpu_per_job:7.1f} µs CPU/job {it.rate:8.0f} jobs/s  worker {it.cpu / it.seconds:4.0%} "
        f"server {it.server_cpu / it.seconds:4.0%} of a core  {it.calls_per_job:.3f} calls/job"
    )


if __name__ == "__main__":
    main()
