"""A client of the service `shop.Inventory` with gRPC's own library for Python. Prints what it receives, as JSON."""

import json
import sys

import grpc

address, header = sys.argv[1:]
channel = grpc.insecure_channel(address)
metadata = [("x-amzn-trace-id", header)]


def outcome(call):
    """Returns the status of a call that has ended, with its responses."""
    try:
        responses = [response.decode() for response in call]
        return ["OK", responses]
    except grpc.RpcError as error:
        return [error.code().name, error.details()]


def unary(message, **options):
    """Calls the method whose request and response are single messages."""
    try:
        return ["OK", [channel.unary_unary("/shop.Inventory/Get")(message, metadata=metadata, **options).decode()]]
    except grpc.RpcError as error:
        return [error.code().name, error.details()]


results = [
    unary("a".encode()),
    unary("fail 5 kein Stuhl für 100%".encode()),
    ["OK", [channel.stream_unary("/shop.Inventory/Collect")(iter([b"a", b"b"]), metadata=metadata).decode()]],
    outcome(channel.unary_stream("/shop.Inventory/List")(b"a\nb", metadata=metadata)),
    outcome(channel.stream_stream("/shop.Inventory/Chat")(iter([b"a", b"fail 8 slow down"]), metadata=metadata)),
    unary(b"hang", timeout=0.05),
]
stream = channel.unary_stream("/shop.Inventory/List")(b"a\nhang", metadata=metadata)
next(stream)
stream.cancel()
results.append(outcome(stream))
channel.close()
print(json.dumps(results))
