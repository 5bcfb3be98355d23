// One of the two answers: its text as it comes, what it took, and what language it is in.

import { ask } from "./api.js";
import { events } from "./events.js";
import { languageName, primary } from "./languages.js";

// Characters, of six bytes at most: the server takes 64 KiB to identify.
const LONGEST = 10_000;

/** Shows an answer. */
export class Column {
  /** @param title of the column. */
  constructor(title) {
    const copy = document.getElementById("column").content.cloneNode(true);
    this.root = copy.querySelector(".column");
    this.#part("h2").textContent = title;
    this.root.setAttribute("aria-label", title);
    this.#part(".output").setAttribute("aria-label", `${title}: the answer`);
    this.clear("Nothing was asked yet.");
  }

  /** Empties the column, and says why. */
  clear(status) {
    this.root.classList.remove("busy");
    this.text = "";
    for (const name of [".output", ".reasoning", ".error"]) this.#part(name).replaceChildren();
    for (const name of [".reasoning", ".error"]) this.#part(name).hidden = true;
    for (const name of [".language", ".speed", ".applied"]) this.#part(name).textContent = "–";
    this.#part(".language").className = "language";
    this.#part(".output").lang = "";
    this.#say(status);
  }

  /**
   * Asks for an answer and shows it as it comes; whatever goes wrong is shown here.
   *
   * @param path, body, key, signal see api.js; the body asks for a stream.
   * @param wanted the tag of the language it is to be in, "" for any.
   */
  async run({ path, body, key, signal, wanted }) {
    this.clear("Waiting for the first token …");
    this.root.classList.add("busy");
    this.#part(".output").lang = wanted;
    let end = "";
    try {
      end = await this.#stream(path, { body, key, signal });
    } catch (error) {
      end = error.name === "AbortError" ? "Stopped." : "Failed.";
      if (error.name !== "AbortError") this.#fail(error.message);
    }
    this.root.classList.remove("busy");
    this.#say(this.text ? `${end} Identifying the language …` : end);
    if (this.text) this.#say(`${end} ${await this.#identify(key, wanted)}`);
  }

  async #stream(path, { body, key, signal }) {
    const clock = { start: performance.now(), first: 0, events: 0, tokens: 0 };
    const answer = await ask(path, { body, key, signal });
    this.#part(".applied").textContent = answer.headers.get("X-Steering-Profile") ?? "none";
    for await (const event of events(answer)) {
      clock.tokens = event.usage?.completion_tokens ?? clock.tokens;
      for (const { text, delta } of event.choices ?? []) {
        this.#write(".output", text ?? delta?.content);
        this.#write(".reasoning", delta?.reasoning ?? delta?.reasoning_content);
        clock.events += 1;
        if (!clock.first) {
          clock.first = performance.now();
          this.#say("Writing …");
        }
      }
      if (clock.first) this.#time(clock);
    }
    if (!this.text) return "Done: the answer is empty.";
    return "Done.";
  }

  #write(name, text) {
    if (!text) return;
    const part = this.#part(name);
    part.hidden = false;
    // A text node takes text for text, whatever is in it.
    if (!part.firstChild) part.append(document.createTextNode(""));
    part.firstChild.appendData(text);
    if (name === ".output") this.text += text;
  }

  #time({ start, first, events: count, tokens }) {
    const seconds = (performance.now() - start) / 1000;
    const made = tokens || count;
    const rate = made > 1 && seconds > 0 ? `, ${(made / seconds).toFixed(1)} a second` : "";
    const begun = `the first after ${((first - start) / 1000).toFixed(2)} s`;
    this.#part(".speed").textContent =
      `${tokens ? "" : "about "}${made} tokens in ${seconds.toFixed(2)} s${rate}; ${begun}`;
  }

  async #identify(key, wanted) {
    const place = this.#part(".language");
    try {
      // No signal: what was written until it was stopped has a language too.
      const text = this.text.slice(0, LONGEST).toWellFormed();
      const answer = await ask("steering/identify", { body: { text }, key });
      const { language, probability } = await answer.json();
      if (language === "und") {
        place.textContent = "cannot be told: too short, or no one language";
        return "Its language cannot be told.";
      }
      this.#part(".output").lang = language;
      const found = `${languageName(language)}, ${(100 * probability).toFixed(0)} %`;
      const asked = wanted && primary(wanted) === primary(language);
      place.textContent = wanted ? `${found}: ${asked ? "as asked" : `not ${languageName(wanted)}`}` : found;
      if (wanted) place.classList.add(asked ? "good" : "bad");
      return `It is in ${found}.`;
    } catch (error) {
      place.textContent = `not identified: ${error.message}`;
      return "Its language was not identified.";
    }
  }

  #fail(message) {
    const place = this.#part(".error");
    place.hidden = false;
    place.textContent = message;
  }

  #say(text) {
    this.#part(".status").textContent = text;
  }

  #part(name) {
    return this.root.querySelector(name);
  }
}
