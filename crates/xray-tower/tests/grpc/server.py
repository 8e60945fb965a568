"""The service `shop.Inventory` with gRPC's own library for Python. Prints its port, and serves until its input ends."""

import sys
from concurrent import futures

import grpc

HEADER = "x-amzn-trace-id"


def respond(message, context):
    """Returns the response to a message."""
    match message.decode().split(" ", 2):
        case ["fail", code, details]:
            context.abort(next(status for status in grpc.StatusCode if status.value[0] == int(code)), details)
        case ["header", name]:
            return dict(context.invocation_metadata()).get(name, "").encode()
    return message


def stream(messages, context):
    """Responds to each message."""
    for message in messages:
        yield respond(message, context)


methods = {
    "Get": grpc.unary_unary_rpc_method_handler(respond),
    "List": grpc.unary_stream_rpc_method_handler(lambda message, context: stream(message.splitlines(), context)),
    "Collect": grpc.stream_unary_rpc_method_handler(lambda messages, context: b"".join(stream(messages, context))),
    "Chat": grpc.stream_stream_rpc_method_handler(stream),
}
server = grpc.server(futures.ThreadPoolExecutor(4))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Inventory", methods)])
print(server.add_insecure_port("127.0.0.1:0"), flush=True)
server.start()
sys.stdin.read()
server.stop(None)
