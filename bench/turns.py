"""Engines that measure in turn, each in a process of its own: what peers.py and train.py share.

A process says one line, "ready ...", when it can begin; every line it is given, a number of
seconds, it answers with one line of JSON. So do the programs in C with --serve, and serve() below.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time


def serve(once, ready, more=dict):
    """The protocol, spoken by a Python engine: `once` is timed, more() adds to the answers."""
    print("ready", *ready, flush=True)
    for line in sys.stdin:
        times, end = [], time.perf_counter() + float(line)
        while len(times) < 3 or time.perf_counter() < end:
            begin = time.perf_counter_ns()
            once()
            times.append(time.perf_counter_ns() - begin)
        times.sort()
        result = {"least_ns": times[0], "median_ns": times[len(times) // 2], **more()}
        print(json.dumps(result), flush=True)


class Peer:
    """A process that holds one model in one engine, bound to as many processors as threads."""

    def __init__(self, engine, path, threads, argv, env):
        self.engine, self.medians = engine, []
        processors = sorted(os.sched_getaffinity(0))[:threads]
        if argv is None:
            argv = [sys.executable, os.path.abspath(sys.argv[0]), "--serve", engine, path,
                    str(threads)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True,
                                        env=env,
                                        preexec_fn=lambda: os.sched_setaffinity(0, processors))
        self.ready = [float(word) for word in self.line().split()[1:]]

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            said = self.process.stderr.read().strip().splitlines()[-1:]
            raise RuntimeError(f"{self.engine}: {said}")
        return line

    def measure(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        result = json.loads(self.line())
        self.medians.append(result["median_ns"])
        return result

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def take_turns(peers, rounds, slot):
    for n in range(rounds):
        for peer in peers if n % 2 == 0 else peers[::-1]:
            peer.measure(slot)
    for peer in peers:
        peer.close()
    return peers


def cells(model, threads, peers, mark):
    """Of a row: medians, marked by mark(peer), and ebb's divided by the others'."""
    ebb, others = peers[0], peers[1:]
    times = [f"{statistics.median(peer.medians) / 1e6:.4g}{mark(peer)}" for peer in peers]
    ratios = [statistics.median(a / b for a, b in zip(ebb.medians, other.medians))
              for other in others]
    return [model, str(threads), *times, *(f"{ratio:.2f}" for ratio in ratios)]


def heads(names):
    return ["model", "threads", "ebb ms", *(f"{n} ms" for n in names), *(f"ebb/{n}" for n in names)]


def show_row(row):
    print("| " + " | ".join(row) + " |", flush=True)


def show_table(options, titles, row_of):
    """row_of(model, threads) for all that was asked for."""
    print("| " + " | ".join(titles) + " |\n" + "|" + " --- |" * len(titles))
    for model in options.only.split(","):
        for threads in map(int, options.threads.split(",")):
            try:
                show_row(row_of(model, threads))
            except (RuntimeError, FileNotFoundError) as error:
                print(f"{model}: {error}", file=sys.stderr)


def parser(doc, program, script, models, engines, rounds, slot):
    p = argparse.ArgumentParser(description=doc,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--ebb", required=True, help=f"the program {program}")
    p.add_argument("--models", required=True, help=f"folder that {script} filled")
    p.add_argument("--only", default=",".join(models))
    p.add_argument("--engines", default=engines, help="'' for ebb alone")
    p.add_argument("--threads", default="1,2")
    p.add_argument("--rounds", type=int, default=rounds)
    p.add_argument("--slot", type=float, default=slot,
                   help="seconds an engine measures in each round")
    return p
