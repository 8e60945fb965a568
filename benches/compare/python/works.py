"""python works.py <A|B>: one measurement, one JSON line (docs/performance.md)."""
import json, os, subprocess, sys, time

work = sys.argv[1]
sink = subprocess.Popen([os.environ["COMPARE_SINK"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
address = sink.stdout.readline().strip()

from aws_xray_sdk.core import xray_recorder as x

x.configure(service="orders", sampling=False, daemon_address=address, context_missing="IGNORE_ERROR", plugins=())
sampling = 1 if work == "A" else 0


def op():
    s = x.begin_segment("orders", sampling=sampling)
    s.put_http_meta("method", "GET")
    s.put_http_meta("url", "http://shop.example.com/orders/12345?expand=items")
    s.put_http_meta("user_agent", "Mozilla/5.0 (X11; Linux x86_64) Bench/1.0")
    s.put_http_meta("client_ip", "203.0.113.7")
    s.put_annotation("tenant", "acme")
    s.put_annotation("items", 3)
    s.put_metadata("debug", {"plan": "pro", "retries": 1})
    x.begin_subsegment("checkout")
    x.begin_subsegment("price")
    x.end_subsegment()
    r = x.begin_subsegment("inventory.example.com", namespace="remote")
    r.put_http_meta("method", "POST")
    r.put_http_meta("url", "http://inventory.example.com/reserve")
    r.put_http_meta("status", 200)
    r.put_http_meta("content_length", 64)
    x.end_subsegment()
    x.end_subsegment()
    s.put_http_meta("status", 200)
    s.put_http_meta("content_length", 512)
    x.end_segment()


def take():
    sink.stdin.write("\n")
    sink.stdin.flush()
    return [int(v) for v in sink.stdout.readline().split()]


def run(limit):
    per, ops, start, cpu = [], 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - start < limit:
        t = time.perf_counter()
        for _ in range(64):
            op()
        per.append((time.perf_counter() - t) / 64 * 1e9)
        ops += 64
    return sorted(per), ops, (time.perf_counter() - start) * 1e9, (time.process_time() - cpu) * 1e9


run(0.2)
take()
per, ops, wall, cpu = run(float(os.environ.get("COMPARE_SECONDS", 0.7)))
seen = take()
print(json.dumps(dict(subject="python-xray-sdk", work=work, ops=ops, call_ns_min=per[0], call_ns=per[len(per) // 2],
    total_ns=wall / ops, cpu_ns=cpu / ops, datagrams=seen[0] / ops, out_bytes=seen[1] / ops, docs=seen[2] / ops, kernel_drops=seen[3])))
sink.kill()
