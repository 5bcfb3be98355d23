// Tabs that the arrow keys go through, each with a button that copies its text.

/** Brings the page's one list of tabs to life. */
export class Tabs {
  constructor() {
    this.tabs = [...document.querySelectorAll('[role="tab"]')];
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.#choose(tab));
      tab.addEventListener("keydown", (event) => this.#key(event));
      this.#panel(tab).querySelector(".copy").addEventListener("click", () => this.#copy(tab));
    }
    this.#choose(this.tabs[0]);
  }

  /** @param texts one for each tab, in their order. */
  show(texts) {
    for (const [place, tab] of this.tabs.entries()) {
      this.#text(tab).textContent = texts[place];
    }
  }

  #choose(chosen) {
    for (const tab of this.tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      this.#panel(tab).hidden = tab !== chosen;
    }
    document.getElementById("copied").textContent = "";
  }

  #key(event) {
    const last = this.tabs.length - 1;
    const now = this.tabs.indexOf(event.currentTarget);
    const next = { ArrowRight: now + 1, ArrowLeft: now - 1, Home: 0, End: last }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    const tab = this.tabs[(next + this.tabs.length) % this.tabs.length];
    this.#choose(tab);
    tab.focus();
  }

  async #copy(tab) {
    const said = document.getElementById("copied");
    try {
      await navigator.clipboard.writeText(this.#text(tab).textContent);
      said.textContent = "Copied.";
    } catch {
      // Not over plain HTTP from another machine: browsers keep the clipboard from such pages.
      getSelection().selectAllChildren(this.#text(tab));
      said.textContent = "Selected: copy it with Ctrl+C.";
    }
  }

  #panel(tab) {
    return document.getElementById(tab.getAttribute("aria-controls"));
  }

  #text(tab) {
    return this.#panel(tab).querySelector("pre");
  }
}
