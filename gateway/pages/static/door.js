/** A page that is whole without a script; it only shows who is signed in. */

import { byId } from "./dom.js";
import { identity, wireIdentity } from "./identity.js";

wireIdentity();
// Without a form on the page there is nowhere to sign in: the start page has one.
const corner = byId("identity", HTMLElement);
corner.hidden = identity.claims === null;
identity.addEventListener("change", () => (corner.hidden = identity.claims === null));
