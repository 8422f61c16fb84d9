/**
 * Captions alone, for OBS. The token comes in the fragment (`#token=`), which a browser sends nowhere;
 * what goes wrong is told in the window's title and the console, because viewers see the page.
 */

import { byId, facts, make } from "./dom.js";
import { LiveSocket } from "./live.js";
import { apply } from "./look.js";
import { Screen } from "./screen.js";
import { refusal, smallPrint } from "./words.js";

/** @import {LiveState} from "./live.js" */

const KEY = "stagedoor.overlay.token";
const here = facts();
const query = new URLSearchParams(location.search);
const stage = byId("stage", HTMLElement);

/** @returns {string | null} */
function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given); // kept for a reload; the address bar need not show it
    history.replaceState(null, "", location.pathname + location.search);
  }
  return given ?? sessionStorage.getItem(KEY);
}

/** @param {string} text */
function tell(text) {
  document.title = text;
  console.info(`Stagedoor overlay: ${text}`);
  if (query.get("debug") !== "1") return;
  document.querySelector(".overlay-word")?.remove();
  document.body.append(make("p", { class: "overlay-word", role: "status" }, text));
}

/** @param {LiveState} state */
function changed(state) {
  if (state.phase === "refused") {
    screen.clear();
    const words = refusal(state, "watch");
    const text = state.error?.code === "NO_TOKEN" ? "Put a viewer’s token at the end of the address: #token=…" : words.text;
    tell(`${words.title}. ${text} ${smallPrint(state)}`);
  } else {
    tell({ idle: "", connecting: "Connecting", open: `Overlay · ${here.channel}`, retrying: "Reconnecting", ended: "Ended" }[state.phase]);
  }
}

apply(stage, {
  size: query.get("size") ?? "l",
  background: query.get("background") ?? "box",
  position: query.get("position") ?? "bottom",
});
const screen = new Screen(stage);
screen.steady = query.get("interim") === "0";
screen.measure();

if (query.has("token")) {
  tell("Not connected: a token in the query is written into logs. Put it after #token= instead, and ask for a new one.");
} else {
  const known = token();
  const params = new URLSearchParams({ target_lang: query.get("lang") ?? here.source });
  const socket = new LiveSocket({
    address: () => `/ws/live/${encodeURIComponent(here.channel)}/subtitles?${params}`,
    token: () => known,
    onMessage: (message) => {
      if (message.type === "subtitle") screen.take(message);
      else if (message.type === "channel" && message.state === "ended") screen.clear();
    },
    onState: changed,
  });
  socket.start();
}
