/** Starts the page. */

import { render } from "preact";

import { App } from "./app.js";
import { Phone } from "./model/phone.js";
import { showPlain } from "./plain_page.js";
import { follow, goTo, takeFragment } from "./route.js";
import "./style.css";
import { register, sentBack } from "./updates.js";
import { speak } from "./words.js";

const link = takeFragment(); // before anything else: nothing may see it in the address
if (await sentBack()) await new Promise(() => undefined); // this page is over
follow((fragment) => { goTo(fragment, { instead: true }); }); // in the place of what the browser noted for it
showPlain();
const phone = new Phone();
await speak(phone.preferences.chosen.value.language);
const root = document.getElementById("app");
if (root !== null) render(<App phone={phone} />, root);
await phone.start();
goTo(link);
// Where nothing may be stored there is no worker either, and the page says so.
if (phone.stage.value !== "no_store") register(goTo).catch(() => undefined); // where a worker can't be had the app works without
