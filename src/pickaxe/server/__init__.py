"""One ASGI application over the rooms and the wire protocols. Loopback only; keys and strangers come with the full server."""
