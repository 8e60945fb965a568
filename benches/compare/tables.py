"""The tables of benches/compare/run: medians over the rounds, with the least and the greatest value in parentheses."""

import collections
import re
import statistics

NAMES = {
    "A": "a request of four entities, recorded and sent",
    "B": "the same, not sampled",
    "C": "one trace of 10,001 entities",
    "C-default": "the same, with the receive buffer that a daemon has",
    "D1": "a decision over 20 rules",
    "D2": "parsing a trace header",
    "E": "a request to axum, and to Express",
    "F1": "annotations of one trace, by one thread and by two",
    "F2": "requests by one thread, and by 16 at a time",
    "G": "a call of the AWS SDK: what an interceptor adds",
    "S": "four spans of `tracing`, recorded and sent",
    "S0": "the same, not sampled",
}
# Segments, subsegments and spans that should arrive for each operation.
EXPECTED = {"A": 4, "C": 10_001, "C-default": 10_001, "F2": 4, "S": 4}
BEGIN, END = "<!-- benches/compare/run --write: begin -->", "<!-- benches/compare/run --write: end -->"


def median(results, key):
    values = [result[key] for result in results if key in result]
    return statistics.median(values) if values else None


def number(value):
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def spread(results, key):
    values = [result[key] for result in results if key in result]
    if len(values) < 2:
        return number(median(results, key))
    return f"{number(statistics.median(values))} ({number(min(values))}–{number(max(values))})"


def delivered(result):
    """Returns which share of a measurement's documents has arrived, or None where it sends none on purpose."""
    subject, work = result["subject"], result["work"]
    if work == "E":
        rate = int(subject.rsplit("-", 1)[1]) / 100 if re.search(r"-\d+$", subject) else 0
        return result["docs"] / rate if rate else None
    if work not in EXPECTED or (subject.startswith("f") and not result["docs"]):
        return None
    # A packed document repeats the head of its segment; the floors of C have no segment of their own.
    return 1.0 if result["docs"] >= EXPECTED[work] - 1 and work.startswith("C") else result["docs"] / EXPECTED[work]


def losses(results, tolerance=0.0005):
    """Returns the least share over all rounds, in bold if something was lost."""
    shares = [share for result in results if (share := delivered(result)) is not None]
    if not shares:
        return "–"
    least = min(shares)
    return "all" if least >= 1 - tolerance else f"**{least:.1%}**".replace("%", " %")


def table(head, rows):
    lines = ["| " + " | ".join(cells) + " |" for cells in [head, *rows]]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def operations(subjects):
    """Works whose operation is short."""
    threads = re.compile(r"-(\d+)-threads?$")
    several = any(threads.search(subject) for subject in subjects)
    rows = []
    for subject, results in sorted(subjects.items(), key=lambda item: median(item[1], "cpu_ns")):
        base = threads.sub("-1-thread", subject) if several else "ours"
        ratio = median(results, "cpu_ns") / median(subjects[base], "cpu_ns") if base in subjects else None
        rows.append([
            subject, spread(results, "call_ns"), number(min(result["call_ns_min"] for result in results)), spread(results, "cpu_ns"), number(ratio), number(median(results, "allocs")),
            number(median(results, "datagrams")), number(median(results, "out_bytes")), losses(results),
        ])
    against = "its one thread" if several else "ours"
    head = ["subject", "caller, ns", "best burst", "CPU of all threads, ns", f"CPU / {against}", "allocations", "datagrams", "bytes sent", "delivered"]
    return table(head, rows)


def large(subjects):
    """Work C."""
    rows = [
        [subject, spread(results, "cpu_ms"), number(median(results, "ms")), number(median(results, "peak_kib")),
         number(median(results, "allocs")), number(median(results, "datagrams")), number(median(results, "kernel_drops")), losses(results)]
        for subject, results in sorted(subjects.items(), key=lambda item: median(item[1], "cpu_ms"))
    ]
    return table(["subject", "CPU, ms", "until all is sent, ms", "peak, KiB", "allocations", "datagrams", "dropped by the kernel", "delivered"], rows)


def end_to_end(subjects):
    """Work E."""
    rows = [
        [subject, spread(results, "cpu_added_us"), number(median(results, "cpu_us")), spread(results, "rps_ratio"),
         number(median(results, "p50_us_ratio")), number(median(results, "p99_us_ratio")), number(median(results, "docs")),
         # Which requests are recorded at 5 % is random.
         losses(results, 0.25 if subject.endswith("-5") else 0.01)]
        for subject, results in sorted(subjects.items(), key=lambda item: median(item[1], "cpu_added_us"))
    ]
    return table(["server", "CPU added to a request, µs", "CPU of a request, µs", "throughput / bare", "p50 / bare", "p99 / bare",
                  "documents for each request", "delivered"], rows)


def calls(subjects):
    """Work G."""
    rows = [[subject, spread(results, "added_us"), number(median(results, "bare_us"))]
            for subject, results in sorted(subjects.items(), key=lambda item: item[0].split(", ")[::-1])]
    return table(["interceptor, server", "added, µs", "the call without it, µs"], rows)


def report(measurements, machine, rounds, seconds):
    """Returns all tables in Markdown."""
    works = collections.defaultdict(lambda: collections.defaultdict(list))
    for result in measurements:
        works[result["work"]][result["subject"]].append(result)
    load = lambda name: "/".join(map(str, machine[name]))
    parts = [f"Commit {machine['commit']}, {machine['date']}: {machine['cores']} cores, load {load('load')} before and "
             f"{load('load after')} after, Linux {machine['kernel']}, {machine['rustc']}; rounds: {rounds}, {seconds} s for each measurement."]
    for work in sorted(works):
        form = large if work.startswith("C") else {"E": end_to_end, "G": calls}.get(work, operations)
        parts.append(f"**{work}**: {NAMES[work]}\n\n{form(works[work])}")
    return "\n\n".join(parts)


def write(file, text):
    """Replaces the tables in a file, between two comments."""
    before, rest = file.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")
