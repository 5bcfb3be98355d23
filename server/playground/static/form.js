// The form: what it shows, as settings (see permalink.js), and the other way round.

import { languageName } from "./languages.js";

const element = (id) => document.getElementById(id);

/** Reads and fills the form. */
export class Form {
  constructor() {
    this.form = element("form");
    this.slider = element("strength-slider");
    this.strength = element("strength");
    this.slider.addEventListener("input", () => (this.strength.value = this.slider.value));
    this.strength.addEventListener("input", () => (this.slider.value = this.strength.value));
    this.offer([], []);
  }

  /** The settings, or null where a field holds nothing that could be sent. */
  read() {
    if (!this.valid()) return null;
    return {
      mode: this.form.elements.mode.value,
      prompt: element("prompt").value,
      target: element("target").value,
      suppress: this.#boxes().filter((box) => box.checked).map((box) => box.value),
      strength: this.strength.valueAsNumber,
      phase: this.form.elements.phase.value,
      maxTokens: element("max-tokens").valueAsNumber,
      temperature: element("temperature").valueAsNumber,
      seed: element("seed").value === "" ? null : element("seed").valueAsNumber,
      model: element("model").value,
    };
  }

  /** Whether everything can be sent. */
  valid() {
    return [...this.form.elements].every((each) => each.validity.valid);
  }

  /** Shows settings; those that are not given stay. */
  write(settings) {
    const values = { prompt: "prompt", maxTokens: "max-tokens", temperature: "temperature", seed: "seed" };
    for (const [name, id] of Object.entries(values)) {
      if (name in settings) element(id).value = settings[name] ?? "";
    }
    if ("strength" in settings) this.strength.value = this.slider.value = settings.strength;
    if (settings.mode) this.form.elements.mode.value = settings.mode;
    if (settings.phase) this.form.elements.phase.value = settings.phase;
    if ("target" in settings) choose(element("target"), settings.target, languageName);
    if (settings.model) choose(element("model"), settings.model, (name) => name);
    if ("suppress" in settings) this.#suppress(settings.suppress);
  }

  /**
   * Offers what the server has; choices made before stay.
   *
   * @param profiles as the server lists them.
   * @param models their names.
   */
  offer(profiles, models) {
    const target = element("target").value;
    const model = element("model").value;
    const away = this.#boxes().filter((box) => box.checked).map((box) => box.value);
    const tags = (role) =>
      [...new Set(profiles.filter((each) => each.edits[role]).map((each) => each.language))].sort((a, b) =>
        languageName(a).localeCompare(languageName(b), "en"),
      );
    element("target").replaceChildren(
      new Option("any language", ""),
      ...tags("target").map((tag) => new Option(languageName(tag), tag)),
    );
    element("model").replaceChildren(...models.map((name) => new Option(name, name)));
    element("suppress").replaceChildren(...tags("suppress").map(box));
    this.write({ target, model, suppress: away });
  }

  /** The first language there is a profile towards, "" for none. */
  firstTarget() {
    return element("target").options[1]?.value ?? "";
  }

  #boxes() {
    return [...element("suppress").querySelectorAll("input")];
  }

  #suppress(tags) {
    const there = this.#boxes().map((each) => each.value);
    const missing = tags.filter((tag) => !there.includes(tag));
    element("suppress").append(...missing.map(box));
    for (const each of this.#boxes()) each.checked = tags.includes(each.value);
  }
}

// What a link names and the server lacks is shown and sent: the server says what it has instead.
function choose(select, value, title) {
  if (![...select.options].some((each) => each.value === value)) {
    select.append(new Option(`${title(value)}, not on offer`, value));
  }
  select.value = value;
}

function box(tag) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { type: "checkbox", name: "suppress", value: tag });
  label.append(input, languageName(tag));
  return label;
}
