"""The WebSocket wire: RFC 6455 over uvicorn, with a path for ready-made frames.

`interface` says what the rest of the gateway may rely on; `frames` is the protocol without sockets;
`protocol` and `http` are what uvicorn loads; `fallback` gives the same interface on any ASGI server.
"""
