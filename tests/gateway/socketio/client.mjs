// Drives npm's socket.io-client for tests: commands come as lines of JSON, so does everything that happens.
// Bytes are written {"$bytes": "<base64>"}.
import { createInterface } from "node:readline";
import { Manager } from "socket.io-client";

const sockets = new Map();

const say = (message) => process.stdout.write(JSON.stringify(message) + "\n");
const isBytes = (value) => value instanceof ArrayBuffer || ArrayBuffer.isView(value);
const out = (value) => {
  if (isBytes(value)) return { $bytes: Buffer.from(value).toString("base64") };
  if (Array.isArray(value)) return value.map(out);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, out(inner)]));
  }
  return value;
};
const into = (value) => {
  if (Array.isArray(value)) return value.map(into);
  if (value && typeof value === "object") {
    if (typeof value.$bytes === "string") return Buffer.from(value.$bytes, "base64");
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, into(inner)]));
  }
  return value;
};

const commands = {
  connect({ name, url, namespace = "/", auth, options = {} }) {
    const manager = new Manager(url, { forceNew: true, ...options });
    const tokens = Array.isArray(auth) ? [...auth] : null;
    const given = tokens ? (take) => take(tokens.length > 1 ? tokens.shift() : tokens[0]) : auth;
    const socket = manager.socket(namespace, { auth: given });
    sockets.set(name, socket);
    const happened = (event, payloads = []) => say({ name, event, payloads: out(payloads) });
    manager.on("open", () => {
      const engine = manager.engine;
      happened("$open", [engine.transport.name]);
      engine.on("upgrade", (transport) => happened("$upgrade", [transport.name]));
      engine.on("upgradeError", (error) => happened("$upgrade_error", [error.message]));
      engine.on("packet", ({ type }) => type === "ping" && happened("$ping"));
    });
    manager.on("error", (error) => happened("$error", [error.message]));
    manager.on("reconnect_attempt", (count) => happened("$reconnect_attempt", [count]));
    socket.on("connect", () => happened("connect", [socket.id]));
    socket.on("disconnect", (reason) => happened("disconnect", [reason]));
    socket.on("connect_error", (error) => happened("connect_error", [error.message, error.data ?? null]));
    socket.onAny((event, ...payloads) => {
      const answer = typeof payloads.at(-1) === "function" ? payloads.pop() : null;
      happened(event, payloads);
      if (answer) answer(...payloads, "answered");
    });
  },
  emit({ name, event, payloads = [], ack }) {
    const given = payloads.map(into);
    const socket = sockets.get(name);
    if (ack === undefined) socket.emit(event, ...given);
    else socket.emit(event, ...given, (...answers) => say({ name, ack, payloads: out(answers) }));
  },
  disconnect: ({ name }) => sockets.get(name).disconnect(),
  reconnect: ({ name }) => sockets.get(name).connect(),
  break: ({ name }) => sockets.get(name).io.engine.close(),
};

createInterface({ input: process.stdin })
  .on("line", (line) => {
    const command = JSON.parse(line);
    commands[command.do](command);
  })
  .on("close", () => process.exit(0));
say({ event: "$ready", payloads: [] });
