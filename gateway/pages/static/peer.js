/**
 * The media between two browsers: one RTCPeerConnection, negotiated so that it does not matter who begins, or
 * whether both do at once ("perfect negotiation", https://www.w3.org/TR/webrtc/#perfect-negotiation-example).
 *
 * A page that was loaded anew comes with a connection of its own: its descriptions have another session id
 * (RFC 8866, section 5.2), and this side then begins anew as well.
 */

/** @import {IceServer} from "./call.js" */
/** @typedef {{description?: RTCSessionDescriptionInit | null, candidate?: RTCIceCandidateInit | null}} Signal */
/** @typedef {"connecting" | "connected" | "weak" | "failed"} Way */

/**
 * @typedef {object} PeerOptions
 * @property {IceServer[]} iceServers
 * @property {boolean} polite whether this side's offer gives way
 * @property {MediaStream} stream what is sent
 * @property {(signal: Signal) => void} send passes it to the other side, or loses it
 * @property {(stream: MediaStream) => void} onFar what comes, each time that it was agreed on
 * @property {(way: Way) => void} onWay
 */

const AGAIN_MS = 4_000;
/** For so long the polite side lets the other begin. */
const POLITE_MS = 800;

export class Peer {
  /** @param {PeerOptions} options */
  constructor(options) {
    this.options = options;
    this.offering = false;
    this.ignoring = false;
    /** @type {string} of the other side's descriptions, once there was one */
    this.session = "";
    /** @type {Promise<void>} signals are taken one after the other */
    this.taking = Promise.resolve();
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.trying = undefined;
    this.connection = this.#open();
  }

  /** @param {Signal} signal */
  take(signal) {
    this.taking = this.taking.then(() => this.#take(signal)).catch((error) => {
      // A description that does not fit comes of a signal that was lost: what is offered next does.
      console.warn("A signal was not taken:", error);
    });
    return this.taking;
  }

  /** The way to the other side was away: says again what may have been lost, or offers a new way. */
  offerAgain() {
    const { connection } = this;
    if (connection.connectionState === "connected" || connection.signalingState === "closed") return;
    if (connection.signalingState === "have-local-offer" && connection.localDescription) {
      this.options.send({ description: plain(connection.localDescription) });
    } else {
      connection.restartIce();
    }
  }

  /** Whether the other side sends a picture. */
  get seen() {
    return this.connection.getTransceivers().some(({ receiver, currentDirection }) => receiver.track.kind === "video" && (currentDirection === "sendrecv" || currentDirection === "recvonly"));
  }

  /** Sends another picture, or none. @param {MediaStreamTrack | null} track */
  async show(track) {
    const way = this.connection.getTransceivers().find(({ receiver }) => receiver.track.kind === "video");
    if (!way) {
      if (track) this.connection.addTrack(track, this.options.stream);
      return;
    }
    await way.sender.replaceTrack(track);
    way.direction = track ? "sendrecv" : "recvonly"; // the other side is told, rather than left with the last picture
  }

  close() {
    clearInterval(this.trying);
    this.connection.close();
  }

  #open() {
    const { iceServers, stream, onFar, onWay } = this.options;
    const connection = new RTCPeerConnection({ iceServers: iceServers.map((server) => ({ urls: server.urls, username: server.username ?? "", credential: server.credential ?? "" })) });
    const far = new MediaStream();
    connection.onnegotiationneeded = () => {
      // Both begin at the same moment, when the call is accepted; an offer that is taken back leaves Chromium with
      // tracks that are "muted" for good.
      if (this.options.polite && !this.session) setTimeout(() => this.session || void this.#offer(connection), POLITE_MS);
      else void this.#offer(connection);
    };
    connection.onicecandidate = ({ candidate }) => candidate && this.options.send({ candidate: candidate.toJSON() });
    connection.ontrack = ({ track }) => far.addTrack(track);
    connection.onsignalingstatechange = () => connection.signalingState === "stable" && onFar(far);
    connection.onconnectionstatechange = () => {
      if (connection !== this.connection) return;
      if (connection.connectionState === "failed") connection.restartIce();
      onWay(wayOf(connection.connectionState));
    };
    for (const track of stream.getTracks()) connection.addTrack(track, stream);
    clearInterval(this.trying);
    // What is passed to a side that has no connection just then is lost.
    this.trying = setInterval(() => {
      if (connection.signalingState === "have-local-offer") this.offerAgain();
    }, AGAIN_MS);
    return connection;
  }

  /** @param {RTCPeerConnection} connection */
  async #offer(connection) {
    try {
      this.offering = true;
      await connection.setLocalDescription();
      if (connection === this.connection && connection.localDescription) this.options.send({ description: plain(connection.localDescription) });
    } catch (error) {
      if (connection.signalingState !== "closed") console.warn("Nothing was offered:", error);
    } finally {
      this.offering = false;
    }
  }

  /** @param {Signal} signal */
  async #take({ description, candidate }) {
    if (description) await this.#describe(description);
    else if (candidate) await this.#reach(candidate);
  }

  /** @param {RTCSessionDescriptionInit} description */
  async #describe(description) {
    const session = sessionOf(description.sdp ?? "");
    const anew = this.session !== "" && session !== this.session;
    if (anew && description.type !== "offer") return; // an answer to a connection that is no more
    if (anew) {
      this.connection.close();
      this.connection = this.#open();
      this.offering = false;
    }
    const { connection } = this;
    const collision = description.type === "offer" && !anew && (this.offering || connection.signalingState !== "stable");
    this.ignoring = !this.options.polite && collision;
    if (this.ignoring) return;
    if (description.type === "answer" && connection.signalingState !== "have-local-offer") return; // it came twice
    this.session = session;
    await connection.setRemoteDescription(description);
    if (description.type !== "offer") return;
    await connection.setLocalDescription();
    if (connection.localDescription) this.options.send({ description: plain(connection.localDescription) });
  }

  /** @param {RTCIceCandidateInit} candidate */
  async #reach(candidate) {
    try {
      await this.connection.addIceCandidate(candidate);
    } catch (error) {
      if (!this.ignoring && this.session) throw error;
    }
  }
}

/** @param {RTCSessionDescription} description @returns {RTCSessionDescriptionInit} */
function plain({ type, sdp }) {
  return { type, sdp };
}

/** @param {string} sdp @returns {string} */
function sessionOf(sdp) {
  return /^o=\S+ (\S+)/m.exec(sdp)?.[1] ?? "";
}

/** @param {RTCPeerConnectionState} state @returns {Way} */
function wayOf(state) {
  if (state === "connected") return "connected";
  if (state === "disconnected") return "weak";
  return state === "failed" || state === "closed" ? "failed" : "connecting";
}
