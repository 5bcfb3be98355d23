// The page: puts its parts together.

import { address } from "./api.js";
import { Column } from "./column.js";
import { key, offers, unableToChat } from "./connection.js";
import { EXAMPLES } from "./examples.js";
import { Form } from "./form.js";
import { fromFragment, toFragment } from "./permalink.js";
import { body, path, steers, streamed } from "./request.js";
import { curl, python } from "./snippets.js";
import { Tabs } from "./tabs.js";

const element = (id) => document.getElementById(id);
const form = new Form();
const tabs = new Tabs();
const columns = { unsteered: new Column("Unsteered"), steered: new Column("Steered") };
let running = null;
let loads = 0;

element("columns").append(columns.unsteered.root, columns.steered.root);
for (const { name, lang, text } of EXAMPLES) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: name, lang });
  button.addEventListener("click", () => {
    form.write({ prompt: text });
    retell();
  });
  element("examples").append(button);
}

async function run() {
  const settings = form.read();
  if (running || !settings) return;
  running = new AbortController();
  busy(true);
  // Below the form, where the window is narrow.
  element("columns").scrollIntoView({ block: "nearest" });
  const common = { path: path(settings), key: key.get(), signal: running.signal };
  const asked = (steered) => ({
    ...common,
    body: streamed(body(settings, steered)),
    wanted: steered ? settings.target : "",
  });
  const answers = [columns.unsteered.run(asked(false))];
  if (steers(settings)) answers.push(columns.steered.run(asked(true)));
  else columns.steered.clear("Choose a language to answer in, or to keep out of.");
  await Promise.all(answers);
  running = null;
  busy(false);
}

function busy(now) {
  // The focus is moved before its button is switched off, which would lose it.
  const [from, to] = now ? ["run", "stop"] : ["stop", "run"];
  const focused = document.activeElement === element(from);
  element(to).disabled = false;
  if (focused) element(to).focus();
  element(from).disabled = true;
}

/** Shows the request in its three forms; where the form is not in order, that of before stays. */
function retell() {
  const settings = form.read();
  if (!settings) return;
  const sent = body(settings, true);
  const link = new URL(location.href);
  link.hash = toFragment(settings);
  const keyed = Boolean(key.get());
  const base = address("").replace(/\/$/, "");
  tabs.show([curl(address(path(settings)), sent, keyed), python(base, sent, keyed), link.href]);
}

/** Asks the server what it has; the last of several calls counts. */
async function load() {
  const now = ++loads;
  element("form").ariaBusy = "true";
  notice("Asking the server what it has …");
  try {
    const { profiles, models } = await offers();
    if (now !== loads) return;
    form.offer(profiles, models);
    if (!touched && !("target" in linked)) form.write({ target: form.firstTarget() });
    notice(profiles.length ? "" : "No profile is loaded, so there is nothing to steer with.", !profiles.length);
    await chat();
  } catch (error) {
    if (now !== loads) return;
    notice(error.status === 401 ? `${error.message} Enter one under “API key”.` : error.message, true);
  }
  retell();
  element("form").ariaBusy = "false";
}

/** Offers chat where the chosen model can. */
async function chat() {
  const { mode } = element("form").elements;
  const why = await unableToChat(element("model").value);
  const [completion, chatting] = mode;
  chatting.disabled = Boolean(why);
  if (why && chatting.checked) completion.checked = true;
  element("mode-note").hidden = !why;
  element("mode-note").textContent = why ? `This model does not chat: ${why}` : "";
}

function notice(text, retry = false) {
  element("notice").hidden = !text;
  element("notice-text").textContent = text;
  element("retry").hidden = !retry;
}

let touched = false;
let linked = fromFragment(location.hash);
form.write({ prompt: EXAMPLES[0].text, ...linked });
element("key").value = key.get();

element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
element("form").addEventListener("input", retell);
element("target").addEventListener("input", () => (touched = true));
element("model").addEventListener("change", chat);
element("key").addEventListener("change", () => {
  key.set(element("key").value.trim());
  load();
});
element("retry").addEventListener("click", load);
element("stop").addEventListener("click", () => running?.abort());
addEventListener("hashchange", () => {
  linked = fromFragment(location.hash);
  form.write(linked);
  retell();
});
addEventListener("keydown", (event) => {
  if (event.key === "Escape") running?.abort();
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if (!running) element("form").requestSubmit();
  }
});
retell();
load();
