/** Sound and picture of one call on this device: what is captured and sent, what comes, and how well. */

import { Problem } from "./api.js";
import { Peer } from "./peer.js";

/** @import {CallType, Media} from "./call.js" */
/** @import {Signal, Way} from "./peer.js" */

/** @type {MediaTrackConstraints} */
const SOUND = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
/** @type {MediaTrackConstraints} */
const PICTURE = { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: "user" };

/**
 * Asks for the microphone, and for a video call for the camera; without a camera it is a call without one's picture.
 * @param {CallType} callType
 * @returns {Promise<MediaStream>} Throws Problem where there is no sound to send.
 */
export async function captured(callType) {
  if (!navigator.mediaDevices) {
    throw new Problem("refused", "A browser gives microphones and cameras only to pages from https, or from this machine itself. Open this page by its https address.", { code: "NOT_SECURE" });
  }
  if (callType === "video") {
    try {
      return await navigator.mediaDevices.getUserMedia({ audio: SOUND, video: PICTURE });
    } catch {
      // No camera, or it is in use or not allowed: the other side is heard and seen all the same.
    }
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: SOUND });
  } catch (error) {
    const name = error instanceof DOMException ? error.name : String(error);
    throw new Problem("refused", MICROPHONE[name] ?? "The microphone cannot be used. See whether another program has it, and try again.", { code: name });
  }
}

/** @type {Record<string, string>} */
const MICROPHONE = {
  NotAllowedError: "The browser did not let this page use the microphone. Allow it beside the address, and try again.",
  NotFoundError: "There is no microphone on this device. Plug one in, and try again.",
};

/** @param {MediaStream | null} stream */
export function release(stream) {
  for (const track of stream?.getTracks() ?? []) track.stop();
}

/**
 * @typedef {object} TalkOptions
 * @property {Media} media
 * @property {MediaStream} stream
 * @property {(signal: Signal) => void} send
 * @property {() => void} onChange
 */

export class Talk {
  /** @param {TalkOptions} options */
  constructor({ media, stream, send, onChange }) {
    this.stream = stream;
    /** @type {MediaStream | null} */
    this.far = null;
    /** @type {Way} */
    this.way = "connecting";
    this.onChange = onChange;
    this.peer = new Peer({
      iceServers: media.iceServers ?? [], polite: media.polite ?? false, stream, send,
      onFar: (far) => {
        this.far = far;
        onChange();
      },
      onWay: (way) => {
        this.way = way;
        onChange();
      },
    });
  }

  get muted() {
    return this.stream.getAudioTracks().every(({ enabled }) => !enabled);
  }

  set muted(muted) {
    for (const track of this.stream.getAudioTracks()) track.enabled = !muted;
    this.onChange();
  }

  /** Whether one's own picture is sent. */
  get shown() {
    return this.stream.getVideoTracks().length > 0;
  }

  /** Whether there is a picture of the other side. */
  get seen() {
    return (this.way === "connected" || this.way === "weak") && this.peer.seen;
  }

  /** Turns the camera on, or off so that its light goes out. Throws Problem. @param {boolean} on */
  async showing(on) {
    if (on === this.shown) return;
    if (on) {
      const [track] = await camera();
      if (track) this.stream.addTrack(track);
      await this.peer.show(track ?? null);
    } else {
      await this.peer.show(null);
      for (const track of this.stream.getVideoTracks()) {
        track.stop();
        this.stream.removeTrack(track);
      }
    }
    this.onChange();
  }

  close() {
    this.peer.close();
    release(this.stream);
  }
}

/** @returns {Promise<MediaStreamTrack[]>} Throws Problem. */
async function camera() {
  try {
    return (await navigator.mediaDevices.getUserMedia({ video: PICTURE })).getVideoTracks();
  } catch (error) {
    throw new Problem("refused", "The camera cannot be used: it is not there, not allowed to this page, or another program has it.", { code: error instanceof DOMException ? error.name : "" });
  }
}
