"""A service with the X-Ray SDK for Python: ten requests per second until standard input ends, then one line of JSON."""

import json
import select
import sys

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.models.trace_header import TraceHeader
from aws_xray_sdk.ext.util import calculate_sampling_decision

xray_recorder.configure(service="python", sampling=True)
requests, sampled = 0, []
while not select.select([sys.stdin], [], [], 0.1)[0]:
    request = {"host": "localhost", "method": "GET", "path": "/", "service": "python"}
    decision = calculate_sampling_decision(TraceHeader(), xray_recorder, request)
    segment = xray_recorder.begin_segment("python", sampling=decision)
    requests += 1
    if segment.sampled:
        sampled.append(segment.trace_id)
    with xray_recorder.in_subsegment("step"):
        pass
    xray_recorder.end_segment()
print(json.dumps({"requests": requests, "sampled": sampled}))
