// npm's ws without compression, with Node's own check of the token; speaks what bench/peers/__init__.py says.
// Prints its port and runs until its standard input ends. The secret comes in the environment.
import { createHmac, timingSafeEqual } from "node:crypto";
import { WebSocketServer } from "ws";

const secret = process.env.JWT_SECRET ?? "";
const viewers = new Set();
let said = 0;

function subtitle(number) {
  const text = `{"type":"subtitle","offset":${number},"is_final":true,"text":"`;
  return `${text}${"x".repeat(220 - text.length - 2)}"}`;
}

function holds(token) {
  const end = token.lastIndexOf(".");
  const expected = createHmac("sha256", secret).update(token.slice(0, end)).digest();
  const given = Buffer.from(token.slice(end + 1), "base64url");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return false;
  const claims = JSON.parse(Buffer.from(token.slice(token.indexOf(".") + 1, end), "base64url"));
  return claims.aud === "stagedoor" && claims.exp > Date.now() / 1000;
}

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false, backlog: 2048 });
server.on("listening", () => process.stdout.write(`${server.address().port}\n`));
server.on("connection", (socket, request) => {
  let greeted = false;
  socket.on("message", (data, binary) => {
    if (!greeted) {
      if (!holds(JSON.parse(data).token)) return socket.close(4001);
      greeted = true;
      socket.send('{"type":"connected","session_id":"abcdef0123456789"}');
      if (request.url === "/viewer") viewers.add(socket);
    } else if (request.url === "/captions") {
      said += 1;
      const text = subtitle(said);
      for (const viewer of viewers) viewer.send(text);
    } else if (!binary) {
      socket.send('{"type":"pong"}');
    }
  });
  socket.on("close", () => viewers.delete(socket));
});
process.stdin.on("end", () => process.exit(0)).resume();
