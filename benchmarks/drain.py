"""The no-op drain alone, quickly: what one changes in a worker shows here first.

python -m benchmarks.drain                                   # sqsjobs, its plain path, a bare loop; 20,000 jobs
python -m benchmarks.drain sqsjobs bare --rounds 3 --jobs 5000
"""

from __future__ import annotations

import argparse
from statistics import median

from benchmarks.contestants import CONTESTANTS, Setting
from benchmarks.house import server
from benchmarks.workloads.drain import Drained, drain, fill


def main() -> None:
    """Drain, and print a line for every round and contestant."""
    names = [contestant.name for contestant in CONTESTANTS]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contestants", nargs="*", metavar="CONTESTANT", help=", ".join(names))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=20_000)
    options = parser.parse_args()
    wanted = [it for it in CONTESTANTS if it.name in (options.contestants or ("sqsjobs", "sqsjobs-plain", "bare"))]
    results: dict[str, list[Drained]] = {it.name: [] for it in wanted}
    with server() as running:
        for contestant in wanted:
            fill(contestant, running, Setting(running.url, (contestant.name,)), options.jobs)
        for number in range(options.rounds):
            turn = number % len(wanted)
            for contestant in (*wanted[turn:], *wanted[:turn]):
                setting = Setting(running.url, (contestant.name,))
                result = drain(contestant, running, setting, options.jobs)
                results[contestant.name].append(result)
                print(f"round {number + 1} {told(contestant.name, result)}", flush=True)
    base = median(it.cpu for it in results[wanted[-1].name])
    for name, rounds in results.items():
        middle = sorted(rounds, key=lambda it: it.cpu)[len(rounds) // 2]
        print(f"median  {told(name, middle)}; CPU {middle.cpu / base:.3f} of {wanted[-1].name}'s")


def told(name: str, it: Drained) -> str:
    """Return a line about one drain."""
    calls = sum(it.calls.values()) / it.jobs
    return (
        f"{name:14} {it.cpu / it.jobs * 1e6:7.1f} µs CPU/job {it.jobs / it.seconds:8.0f} jobs/s  "
        f"worker {it.cpu / it.seconds:4.0%} server {it.server_cpu / it.seconds:4.0%} of a core  "
        f"{calls:.3f} calls/job  start {it.startup:.2f} s CPU  rest {it.resident:.0f} peak {it.peak:.0f} MiB"
    )


if __name__ == "__main__":
    main()
