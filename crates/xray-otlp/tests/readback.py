"""Reads OTLP requests by the classes that OpenTelemetry generates, and compares them with the documents of X-Ray they
were made from.

    python readback.py FOLDER

For each `NAME.documents.json` in the folder there is a request in protobuf, `NAME.pb`, and one in JSON,
`NAME.otlp.json`. Documents and spans are both turned into plain entities, each by rules written from the descriptions
of the two formats and not from the Rust code.
"""

import base64
import json
import pathlib
import sys
from decimal import Decimal

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def nanoseconds(seconds):
    return int(Decimal(seconds) * 10**9)


def documents_to_entities(documents):
    found = {}

    def walk(entity, trace, parent, is_segment):
        if "end_time" in entity:
            key = (trace, entity["id"])
            assert key not in found, f"{key} is finished twice"
            found[key] = of_document(entity, parent, is_segment)
        for child in entity.get("subsegments", []):
            walk(child, trace, entity["id"], False)

    for document in documents:
        is_segment = document.get("type") != "subsegment"
        walk(document, document["trace_id"], document.get("parent_id", ""), is_segment)
    return found


def of_document(entity, parent, is_segment):
    http = entity.get("http", {})
    request, response = http.get("request", {}), http.get("response", {})
    aws = entity.get("aws", {})
    sql = entity.get("sql", {})
    cause = entity.get("cause")
    exceptions = cause.get("exceptions", []) if isinstance(cause, dict) else []
    error, fault = entity.get("error", False), entity.get("fault", False)
    status = response.get("status")
    refused = is_segment and status is not None and 400 <= status < 500
    length = response.get("content_length")
    return {
        "name": entity["name"],
        "parent": parent,
        "kind": "segment" if is_segment else entity.get("namespace", "local"),
        "start": nanoseconds(entity["start_time"]),
        "end": nanoseconds(entity["end_time"]),
        "flags": {flag for flag in ("error", "fault", "throttle") if entity.get(flag)},
        "failed": bool(fault or ((error or cause) and not refused)),
        "user": entity.get("user"),
        "method": request.get("method"),
        "url": request.get("url"),
        "agent": request.get("user_agent"),
        "client": request.get("client_ip"),
        "forwarded": request.get("x_forwarded_for"),
        "status": status,
        "length": length if length is None or length >= 0 else None,
        "traced": entity.get("traced", request.get("traced")),
        "operation": None if is_segment else aws.get("operation"),
        "region": None if is_segment else aws.get("region"),
        "request": None if is_segment else aws.get("request_id"),
        "retries": None if is_segment else aws.get("retries"),
        "table": None if is_segment else aws.get("table_name"),
        "query": sql.get("sanitized_query"),
        "sql_user": sql.get("user"),
        "database": sql["url"] if "url" in sql else None,
        "annotations": plain(entity.get("annotations", {})),
        "metadata": plain(entity.get("metadata", {})),
        "exceptions": [
            (e.get("id"), e.get("type"), e.get("message"), e.get("remote"), e.get("cause"), len(e.get("stack", [])))
            for e in exceptions
        ],
        "precursors": set(entity.get("precursor_ids", [])),
    }


def plain(value):
    """Numbers of both formats in one form."""
    if isinstance(value, dict):
        return {key: plain(of) for key, of in value.items()}
    if isinstance(value, list):
        return [plain(of) for of in value]
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return float(value)
    return value


def value_of(any_value):
    kind = any_value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(of) for of in any_value.array_value.values]
    return getattr(any_value, kind)


def attributes_of(attributes):
    keys = [attribute.key for attribute in attributes]
    assert len(keys) == len(set(keys)), f"keys are not unique: {keys}"
    return {attribute.key: value_of(attribute.value) for attribute in attributes}


def request_to_entities(request):
    found, services = {}, {}
    for group in request.resource_spans:
        resource = attributes_of(group.resource.attributes)
        for scope in group.scope_spans:
            for span in scope.spans:
                assert len(span.trace_id) == 16 and len(span.span_id) == 8
                trace = span.trace_id.hex()
                key = (f"1-{trace[:8]}-{trace[8:]}", span.span_id.hex())
                assert key not in found, f"{key} is there twice"
                found[key] = of_span(span)
                services[key] = resource.get("service.name")
    return found, services


def of_span(span):
    attributes = attributes_of(span.attributes)
    get = attributes.get
    for new, old in (
        ("http.request.method", "http.method"),
        ("url.full", "http.url"),
        ("http.response.status_code", "http.status_code"),
        ("db.query.text", "db.statement"),
    ):
        assert get(new) == get(old), f"{new} and {old} differ"
    kind = {Span.SPAN_KIND_SERVER: "segment", Span.SPAN_KIND_INTERNAL: "local"}.get(span.kind)
    if span.kind == Span.SPAN_KIND_CLIENT:
        kind = "aws" if get("rpc.system") == "aws-api" else "remote"
    prefix = "aws.xray.metadata."
    events = [attributes_of(event.attributes) for event in span.events if event.name == "exception"]
    for event in span.events:
        assert span.start_time_unix_nano <= event.time_unix_nano <= span.end_time_unix_nano
    links = [link for link in span.links if attributes_of(link.attributes).get("aws.xray.link") == "precursor"]
    assert all(link.trace_id == span.trace_id for link in links)
    database = get("db.connection_string")
    if "db.name" in attributes:
        database = f"{database}/{get('db.name')}"
    return {
        "name": span.name,
        "parent": span.parent_span_id.hex(),
        "kind": kind,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "flags": set(get("aws.xray.flags", [])),
        "failed": span.status.code == Status.STATUS_CODE_ERROR,
        "user": get("enduser.id"),
        "method": get("http.request.method"),
        "url": get("url.full"),
        "agent": get("user_agent.original"),
        "client": get("client.address"),
        "forwarded": get("aws.xray.x_forwarded_for"),
        "status": get("http.response.status_code"),
        "length": get("http.response.body.size"),
        "traced": get("aws.xray.traced"),
        "operation": get("aws.operation"),
        "region": get("aws.region"),
        "request": get("aws.request_id"),
        "retries": get("aws.xray.retries"),
        "table": get("aws.table_name"),
        "query": get("db.query.text"),
        "sql_user": get("db.user"),
        "database": database,
        "annotations": plain({key: get(key) for key in get("aws.xray.annotations", [])}),
        "metadata": plain(
            {key[len(prefix) :]: json.loads(of) for key, of in attributes.items() if key.startswith(prefix)}
        ),
        "exceptions": [
            (
                e.get("aws.xray.exception.id"),
                e.get("exception.type"),
                e.get("exception.message"),
                e.get("aws.xray.exception.remote"),
                e.get("aws.xray.exception.cause"),
                sum(line.startswith("\tat ") for line in e.get("exception.stacktrace", "").split("\n")),
            )
            for e in events
        ],
        "precursors": {link.span_id.hex() for link in links},
    }


def from_json(text):
    """OTLP's JSON has ids in hexadecimal, where protobuf's has base64."""

    def ids(value):
        if isinstance(value, list):
            return [ids(of) for of in value]
        if isinstance(value, dict):
            names = ("traceId", "spanId", "parentSpanId")
            return {
                key: base64.b64encode(bytes.fromhex(of)).decode() if key in names else ids(of)
                for key, of in value.items()
            }
        return value

    return json_format.ParseDict(ids(json.loads(text)), ExportTraceServiceRequest())


def main(folder):
    requests = spans = 0
    for path in sorted(pathlib.Path(folder).glob("*.documents.json")):
        name = path.name.removesuffix(".documents.json")
        documents = json.loads(path.read_text(), parse_float=Decimal)
        want = documents_to_entities(documents)
        segments = {document["trace_id"]: document["name"] for document in documents if "service" in document}
        for request in (
            ExportTraceServiceRequest.FromString((path.parent / f"{name}.pb").read_bytes()),
            from_json((path.parent / f"{name}.otlp.json").read_text()),
        ):
            got, services = request_to_entities(request)
            assert got.keys() == want.keys(), f"{name}: {sorted(got.keys() ^ want.keys())}"
            for key in want:
                for member in want[key]:
                    assert got[key][member] == want[key][member], (
                        f"{name}: {key} has {member} {got[key][member]!r}, not {want[key][member]!r}"
                    )
                if key[0] in segments:
                    assert services[key] == segments[key[0]], f"{name}: {key} belongs to {services[key]}"
            requests += 1
            spans += len(got)
    print(f"{requests} requests, {spans} spans")


if __name__ == "__main__":
    main(sys.argv[1])
