// The host's page. It shows what /live says and sends what a person does to /do; docs/host-page.md.
//
// Whatever came from outside is put in by `textContent`, never as markup. Parts are drawn anew only when what they show has
// changed, and a question not while somebody writes its answer.

const byId = (id) => document.getElementById(id);
const KINDS = ["terminal", "network", "browser", "desktop"];
const MODES = { "while-running": "awake_while", on: "awake_on", off: "awake_off" };
const THREAD_MS = 2000;
const AGAIN_MS = 1000;
const ANSWER_MS = 35_000; // the page's program asks the host twice at most, and waits 15 s each time
const QUIET_MS = 40_000; // `/live` says something every 15 s, and at least every 31 s while the host does not answer

// ---- The token: out of the address bar before anything else, and from then on in this tab alone.

function takeToken() {
  const given = location.hash.slice(1);
  if (/^[A-Za-z0-9_-]{43}$/.test(given)) sessionStorage.setItem("token", given);
  if (given !== "main") history.replaceState(null, "", "/");
  return sessionStorage.getItem("token") ?? "";
}

const token = takeToken();
let words = {};
let language = "en";
let state = null;
let chosen = "";
let pairingOpen = null;
const drawn = new Map();

const say = (key, values = {}) =>
  (words[key] ?? key).replace(/\{([a-z_]+)\}/g, (whole, name) => values[name] ?? whole);

// ---- Elements.

function make(name, { text, ...properties } = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "class") made.className = value;
    else if (key.startsWith("aria-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  if (text !== undefined) made.textContent = text;
  made.append(...children);
  return made;
}

const button = (key, act, more = {}) =>
  make("button", { type: "button", text: words[key] ? say(key) : key, onclick: act, ...more });

const when = (ms) =>
  make("time", {
    dateTime: new Date(ms).toISOString(),
    text: new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "short" }).format(ms),
  });

const size = (bytes) => {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte", "terabyte"];
  const step = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), units.length - 1);
  const scaled = bytes / 1000 ** step;
  return new Intl.NumberFormat(language, { style: "unit", unit: units[step], maximumFractionDigits: 1 }).format(scaled);
};

// Draws a part when what it shows has changed; what has the focus keeps it.
function draw(id, told, children) {
  const key = JSON.stringify(told);
  if (drawn.get(id) === key) return;
  drawn.set(id, key);
  const place = byId(id);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.replaceChildren(...children());
  if (focused) byId(focused)?.focus();
}

// ---- Asking the host.

// Ends what has brought nothing for so long; `heard` lets that time begin anew.
function patience(ms) {
  const over = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => over.abort(), ms);
  };
  heard();
  return { signal: over.signal, heard };
}

const pause = () => new Promise((done) => setTimeout(done, AGAIN_MS));

async function post(path, told, signal = patience(ANSWER_MS).signal) {
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  return fetch(path, { method: "POST", headers, body: JSON.stringify(told), signal, referrerPolicy: "no-referrer" });
}

function problem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = text === "";
}

const isLost = () => byId("problem").textContent.includes(say("lost"));

async function act(told) {
  try {
    const answer = await post("/do", told);
    const why = await answer.json();
    if (answer.ok) {
      problem((why.warnings ?? []).join(" "));
      return true;
    }
    problem(`${why.sentence} ${why.advice}`);
  } catch {
    problem(`${say("lost")} ${say("unanswered")}`); // it may have been done
  }
  return false;
}

// Turned away: the token is not the one of the program that serves now.
class Turned extends Error {}

const why = (failure) => say(failure instanceof Turned ? "no_token" : "lost");

// Reads server-sent events: EventSource can't send the token.
async function* events(path, { signal, heard = () => undefined }) {
  const answer = await post(path, {}, signal);
  if (!answer.ok) throw new Turned(String(answer.status));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    text += value;
    const parts = text.split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const [, name, data] = /^event: (\w+)\ndata: (.*)$/s.exec(part) ?? [];
      if (name) yield [name, JSON.parse(data)];
    }
  }
}

// ---- The parts.

function phones(list) {
  draw("phones", list, () =>
    list.length === 0
      ? [make("li", { text: say("no_phone") })]
      : list.map((one) =>
          make(
            "li",
            {},
            make("h3", { class: one.connected ? "good" : "bad", text: one.title }),
            make("p", { class: "faint", text: one.about }),
          ),
        ),
  );
}

function task(current, waiting) {
  draw("task", [current, waiting], () => {
    const made = [];
    if (current === null) made.push(make("p", { text: say("no_task") }));
    else
      made.push(
        make("p", { text: current.text }),
        make("p", { class: "faint", text: `${current.state}, ${current.who}` }),
        make("p", { class: "actions" }, button("cancel", () => act({ do: "cancel", task_id: current.task_id }), { class: "danger" })),
      );
    if (waiting.length > 0) {
      made.push(make("h3", { text: say("next") }));
      const rows = waiting.map((one) =>
        make(
          "li",
          {},
          make("div", { class: "what" }, make("p", { text: one.text }), make("p", { class: "faint", text: one.who })),
          button("cancel", () => act({ do: "cancel", task_id: one.task_id }), {
            class: "danger",
            "aria-label": `${say("cancel")}: ${one.text}`,
          }),
        ),
      );
      made.push(make("ul", { class: "rows" }, ...rows));
    }
    return made;
  });
}

// Each question is a card of its own, so that one that came does not disturb the answer to another.
function questions(list) {
  const place = byId("questions");
  for (const card of [...place.children]) {
    if (!list.some((one) => `q-${one.question_id}` === card.id)) card.remove();
  }
  for (const one of list) {
    if (!byId(`q-${one.question_id}`)) place.append(question(one));
  }
}

function question(one) {
  const answer = (text) => act({ do: "answer", task_id: one.task_id, question_id: one.question_id, say: text });
  const id = `q-${one.question_id}`;
  const card = make("div", { id, class: "card asks" }, make("h2", { id: `${id}-title`, text: one.text }));
  card.setAttribute("role", "group");
  card.setAttribute("aria-labelledby", `${id}-title`);
  card.append(make("p", { class: "faint", text: `${one.about}. ${one.who}` }));
  if (one.detail) card.append(make("pre", { tabIndex: 0, text: one.detail, "aria-labelledby": `${id}-title` }));
  if (one.rule) card.append(make("p", { class: "faint", text: one.rule }));
  if (one.answers.length > 0) {
    const buttons = one.answers.map(({ say: text, label }) =>
      make("button", { type: "button", class: "second", text: label, onclick: () => answer(text) }),
    );
    card.append(make("div", { class: "actions" }, ...buttons));
    return card;
  }
  const field = make("input", { id: `${id}-words`, autocomplete: "off", required: true });
  const form = make(
    "form",
    { onsubmit: (event) => (event.preventDefault(), void answer(field.value)) },
    make("label", { htmlFor: field.id, text: say("answer") }),
    field,
    make("p", { class: "actions" }, make("button", { text: say("send") })),
  );
  card.append(form);
  return card;
}

function awake(now) {
  draw("awake-truth", now, () => [make("span", { class: now.held ? "good" : "", text: now.about })]);
  draw("awake", now.mode, () =>
    Object.entries(MODES).map(([mode, key]) =>
      button(key, () => act({ do: "awake", mode }), {
        class: "second",
        id: `awake-${mode}`,
        "aria-pressed": String(mode === now.mode),
      }),
    ),
  );
}

function permissions(list) {
  draw("permissions", list, () =>
    list.length === 0
      ? [make("li", { text: say("no_permissions") })]
      : list.map((one) => {
          const what = make("div", { class: "what" }, make("p", { text: one.text }));
          if (one.ends_at) what.append(make("p", { class: "faint", text: say("until", { time: when(one.ends_at).textContent }) }));
          const { permission, name, rule } = one;
          const back = button("revoke", () => act({ do: "revoke", permission, name, rule }), {
            class: "danger",
            "aria-label": `${say("revoke")}: ${one.text}`,
          });
          return make("li", {}, what, back);
        }),
  );
  const missing = KINDS.filter((kind) => !list.some((one) => one.permission === kind));
  draw("kinds", missing, () =>
    missing.map((kind) =>
      make(
        "li",
        {},
        make("div", { class: "what" }, make("p", { text: say(`may_${kind}`) })),
        button("allow", () => act({ do: "allow", permission: kind }), {
          class: "second",
          "aria-label": `${say("allow")}: ${say(`may_${kind}`)}`,
        }),
      ),
    ),
  );
}

function past(list) {
  draw("history", list, () =>
    list.length === 0
      ? [make("li", { text: say("no_history") })]
      : list.map((one) =>
          make(
            "li",
            {},
            make(
              "div",
              { class: "what" },
              make("p", { text: one.text }),
              make("p", { class: "faint" }, when(one.at), ` ${one.who}${one.why ? `. ${one.why}` : ""}`),
            ),
            make("span", { class: one.good ? "good" : "bad", text: one.state }),
          ),
        ),
  );
}

// ---- The thread, and its files.

async function thread() {
  const list = state?.phones ?? [];
  if (!list.some((one) => one.pair_id === chosen)) chosen = list[0]?.pair_id ?? "";
  draw("threads", [list.map((one) => [one.pair_id, one.name]), chosen], () =>
    list.length < 2
      ? []
      : list.map((one) =>
          make("button", {
            type: "button",
            class: "second",
            id: `t-${one.pair_id}`,
            text: one.name,
            "aria-pressed": String(one.pair_id === chosen),
            onclick: () => ((chosen = one.pair_id), readThread()),
          }),
        ),
  );
  let told = { events: [], files: [] };
  if (chosen) {
    const asked = chosen;
    const answer = await post("/thread", { phone: asked });
    if (!answer.ok) return;
    told = await answer.json();
    if (asked !== chosen) return; // another one was chosen meanwhile, and has its own answer
  }
  const place = byId("thread");
  const atEnd = place.scrollTop + place.clientHeight >= place.scrollHeight - 8;
  draw("thread", told.events, () =>
    told.events.length === 0
      ? [make("li", { text: say("no_thread") })]
      : grouped(told.events).map((lines) =>
          make("li", { class: "task" }, make("ol", { class: "plain" }, ...lines.map(lineOf))),
        ),
  );
  if (atEnd) place.scrollTop = place.scrollHeight;
  draw("files", told.files, () =>
    told.files.length === 0
      ? [make("li", { text: say("no_files") })]
      : told.files.map((one) =>
          make(
            "li",
            {},
            make("div", { class: "what" }, make("p", { text: one.name }), make("p", { class: "faint", text: one.how })),
            make("span", { class: "faint", text: size(one.size) }),
          ),
        ),
  );
}

// The lines of a task come one behind the other; what is of no task stands by itself.
function grouped(lines) {
  const groups = [];
  for (const line of lines) {
    const last = groups.at(-1);
    if (last && line.task && last[0].task === line.task) last.push(line);
    else groups.push([line]);
  }
  return groups;
}

function lineOf(one) {
  const tone = one.kind === "ended" ? (one.good ? " good" : " bad") : "";
  const line = make("li", { class: one.kind + (one.formatted ? " laid" : "") + tone });
  if (one.kind === "asked") line.append(when(one.at), make("span", { text: one.text }));
  else if (one.formatted) line.append(...one.formatted.map(laidOut));
  else line.append(one.text);
  return line;
}

// Text, or an element's name and what is in it; which elements there can be `formatted.py` says.
function laidOut(node) {
  if (typeof node === "string") return node;
  const [name, ...inside] = node;
  const made = make(name, {}, ...inside.map(laidOut));
  // What is too wide scrolls in a box of its own, which a keyboard can reach.
  if (name === "table") return make("div", { class: "scrolls", tabIndex: 0, role: "group", "aria-label": say("table") }, made);
  if (name === "pre") made.tabIndex = 0;
  return made;
}

// What can't be read now is read the next time; that the host is gone is said by who hears its state.
const readThread = () => void thread().catch(() => undefined);

// ---- Pairing.

function picture(rows) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const dark = rows.flatMap((row, y) => [...row].flatMap((cell, x) => (cell === "1" ? [`M${x} ${y}h1v1h-1z`] : [])));
  path.setAttribute("d", dark.join(""));
  path.setAttribute("fill", "#000000");
  svg.setAttribute("viewBox", `0 0 ${rows.length} ${rows.length}`);
  svg.setAttribute("class", "qr");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", say("qr"));
  svg.append(path);
  return svg;
}

const stopButton = () => button("pair_stop", () => pairingOpen?.abort(), { class: "second" });

function pairingShows(name, told) {
  const place = byId("pairing");
  if (name === "qr") {
    const copy = button(
      "copy",
      async () => {
        const copied = await navigator.clipboard.writeText(told.link).then(
          () => true,
          () => false, // the browser does not let it; the picture is there
        );
        if (copied) copy.textContent = say("copied");
      },
      { class: "second" },
    );
    place.replaceChildren(make("p", { text: say("pair_about") }), picture(told.rows), make("p", { class: "actions" }, copy, stopButton()));
  } else if (name === "code") {
    const answer = (yes) => act({ do: "pairing", yes });
    const refuse = button("no", () => answer(false), { class: "danger" });
    place.replaceChildren(
      make("p", { text: told.text }),
      make("p", { class: "digits", text: told.code }),
      make("p", { class: "actions" }, refuse, button("yes", () => answer(true))),
    );
    refuse.focus();
  } else if (name === "warning") {
    const note = make("p", { class: "note bad", text: `${told.sentence} ${told.advice}` });
    if (told.code_over) place.replaceChildren(note, make("p", { class: "actions" }, stopButton()));
    else place.append(note);
  } else {
    place.replaceChildren(make("p", { class: told.reason ? "bad" : "good", text: `${told.sentence} ${told.advice}` }));
  }
}

async function pair() {
  pairingOpen = new AbortController();
  byId("pair").hidden = true;
  try {
    for await (const [name, told] of events("/pair", pairingOpen)) pairingShows(name, told);
  } catch (failure) {
    byId("pairing").replaceChildren();
    if (failure.name !== "AbortError") problem(why(failure)); // that is the person's stop
  } finally {
    pairingOpen = null;
    byId("pair").hidden = false;
    byId("pair").focus();
  }
}

// ---- From the beginning.

function show(told) {
  state = told;
  byId("about").textContent = told.about;
  byId("parts").hidden = !told.running;
  if (isLost()) problem("");
  if (!told.running) return;
  document.title = told.task ? `▸ ${say("title")}` : say("title");
  phones(told.phones);
  questions(told.questions);
  task(told.task, told.waiting);
  awake(told.awake);
  permissions(told.permissions);
  past(told.history);
  readThread();
}

// Without its words the page can say nothing, not even that they are missing.
async function readWords() {
  for (;;) {
    try {
      const answer = await fetch("/words.json", { signal: patience(ANSWER_MS).signal });
      return await answer.json();
    } catch {
      await pause();
    }
  }
}

async function begin() {
  ({ words, language } = await readWords());
  document.documentElement.lang = language;
  for (const one of document.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
  if (token === "") {
    problem(say("no_token"));
    return;
  }
  byId("pair").onclick = () => void pair();
  byId("folder").onsubmit = async (event) => {
    event.preventDefault();
    if (await act({ do: "folder", path: byId("path").value, write: byId("write").checked })) byId("folder").reset();
  };
  setInterval(() => void (state?.task && readThread()), THREAD_MS);
  for (;;) {
    try {
      for await (const [, told] of events("/live", patience(QUIET_MS))) show(told);
    } catch (failure) {
      if (!isLost() || failure instanceof Turned) problem(why(failure)); // what was said with it stays
      if (failure instanceof Turned) return;
    }
    await pause();
  }
}

void begin();
