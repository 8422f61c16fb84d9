// The same room on npm's socket.io, which `bench/room_server.py` is compared with: websocket alone, no compression.
// Prints its port and runs until its standard input ends.
import { createServer } from "node:http";
import { Server } from "socket.io";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false });
let offset = 0;

io.on("connection", (socket) => {
  socket.emit("room:authenticated", { userId: socket.handshake.auth.token ? "bench" : "" });
  socket.on("room:join", ({ roomCode }, answer) => {
    socket.join(roomCode);
    answer({ ok: true });
  });
  socket.on("room:message", ({ roomCode, text }, answer) => {
    offset += 1;
    const message = { id: `msg_${offset}`, offset, userId: "bench", text, at: "2026-11-29T10:00:00.000Z" };
    io.to(roomCode).emit("room:message", message);
    answer({ ok: true, message });
  });
});
http.listen(0, "127.0.0.1", () => process.stdout.write(`${http.address().port}\n`));
process.stdin.on("end", () => process.exit(0)).resume();
