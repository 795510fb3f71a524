/** Starts the page. */

import { render } from "preact";

import { App } from "./app.js";
import { Phone } from "./model/phone.js";
import { follow, go, takeFragment } from "./route.js";
import "./style.css";
import { register, sentBack } from "./updates.js";
import { speak } from "./words.js";

const link = takeFragment(); // before anything else: nothing may see it in the address
if (await sentBack()) await new Promise(() => undefined); // this page is over
follow();
const phone = new Phone();
await speak(phone.preferences.chosen.value.language);
const root = document.getElementById("app");
if (root !== null) render(<App phone={phone} />, root);
await phone.start();
if (link.startsWith("dispatch:")) go({ at: "pair", link });
else if (/^thread=[0-9a-f]{32}$/.test(link)) go({ at: "thread", id: link.slice("thread=".length) });
// Where nothing may be stored there is no worker either, and the page says so.
if (phone.stage.value !== "no_store") register((pairing) => { go({ at: "thread", id: pairing }); }).catch(() => undefined); // where a worker can't be had the app works without
