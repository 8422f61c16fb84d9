/** Whose what is kept in this tab is, over a reload too, so that it is never shown to somebody else. */

export class Owner {
  /** @param {string} place in sessionStorage */
  constructor(place) {
    this.place = place;
    this.who = "";
    try {
      this.who = sessionStorage.getItem(place) ?? "";
    } catch {
      // Storage is off, and nothing was kept.
    }
  }

  /** @returns {string} tenant and user, empty if nobody was */
  get last() {
    return this.who;
  }

  set last(who) {
    this.who = who;
    try {
      sessionStorage.setItem(this.place, who);
    } catch {
      // Storage is off: it holds until the page goes.
    }
  }
}
