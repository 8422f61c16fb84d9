"""Socket.IO (protocol 5 over Engine.IO 4) on the wire: how rooms and calls speak with people."""
