/** What the host of a room may do to it and to those in it, each asked once. */

import { Problem, ask } from "./api.js";
import { confirmed } from "./confirm.js";
import { called } from "./display.js";
import { byId } from "./dom.js";

/** @import {Connection} from "./connection.js" */

export class Tools {
  /** @param {Connection} connection */
  constructor(connection) {
    this.connection = connection;
    this.told = byId("tools-note", HTMLElement);
    this.closed = false; // by this page
  }

  /** @param {string} user */
  async kick(user) {
    const name = called(user);
    const sure = await confirmed({ title: `Remove ${name}?`, act: "Remove", text: "They are out at once and cannot come back into this room. What they wrote and voted stays." });
    if (sure) await this.#act("kick", { user_id: user }, `${name} was not removed.`);
  }

  /** @param {string} user */
  async handOver(user) {
    const name = called(user);
    const sure = await confirmed({ title: `Make ${name} the host?`, act: "Hand over", text: "They can then ask, remove people and close the room. You cannot any more, unless they hand it back." });
    if (sure) await this.#act("host", { user_id: user }, `${name} is not the host.`);
  }

  async close() {
    const sure = await confirmed({ title: "Close this room?", act: "Close the room", text: "Everybody is sent out, open polls are counted, and nobody can come in any more. This cannot be taken back." });
    if (!sure) return;
    this.closed = true; // the others hear of it before the answer comes
    this.closed = await this.#act("close", {}, "The room is not closed.");
  }

  /** @param {string} act @param {object} body @param {string} failed @returns {Promise<boolean>} */
  async #act(act, body, failed) {
    const room = this.connection.snapshot?.room.id ?? "";
    this.told.textContent = "";
    try {
      await ask(`/api/rooms/${encodeURIComponent(room)}/${act}`, { method: "POST", body });
      return true;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.told.textContent = `${failed} ${error.message}`;
      return false;
    }
  }
}
