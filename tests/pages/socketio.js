/**
 * Stands in the place of the Socket.IO client: a connection whose other end is the test, under `window.far`.
 * What the page asks is answered by `far.answers[event]`, or is kept in `far.asked` until it is answered.
 */
class Far {
  constructor() {
    this.socket = null;
    this.asked = [];
    this.told = [];
    this.connected = 0;
    this.refusal = null;
    this.silent = false;
    this.answers = {};
  }

  say(name, payload) {
    this.socket.hear(name, payload);
  }

  drop() {
    this.socket.close("transport close");
  }

  count(event) {
    return this.asked.filter(([name]) => name === event).length;
  }
}

const far = (globalThis.far = new Far());

class FakeSocket {
  constructor(options) {
    this.options = options;
    this.connected = false;
    this.listeners = {};
    this.unanswered = [];
    this.volatile = { emit: (...all) => far.told.push(all) };
  }

  on(name, listener) {
    this.listeners[name] = listener;
  }

  hear(name, payload) {
    this.listeners[name]?.(payload);
  }

  connect() {
    far.socket = this;
    this.options.auth(() => {});
    setTimeout(() => {
      if (far.silent) {
        this.hear("connect_error", new Error("websocket error"));
      } else if (far.refusal) {
        this.hear("connect_error", Object.assign(new Error(far.refusal.error), { data: far.refusal }));
      } else {
        this.connected = true;
        far.connected += 1;
        this.hear("connect");
      }
    }, 5);
  }

  disconnect() {
    this.connected = false;
    for (const fail of this.unanswered.splice(0)) fail(new Error("socket has been disconnected"));
  }

  close(reason) {
    this.hear("disconnect", reason);
    this.disconnect();
  }

  timeout() {
    return {
      emitWithAck: async (name, payload) => {
        far.asked.push([name, payload]);
        const answer = far.answers[name];
        if (answer === undefined) return await new Promise((_, fail) => this.unanswered.push(fail));
        return typeof answer === "function" ? await answer(payload) : answer;
      },
    };
  }
}

export const io = (options) => new FakeSocket(options);
