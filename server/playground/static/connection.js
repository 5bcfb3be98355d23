// The key, and what the server has to offer with it.

import { ask, ServerError } from "./api.js";

const STORED = "langsteer-key";

/** The API key of this tab; nothing else keeps it. */
export const key = {
  get() {
    return sessionStorage.getItem(STORED) ?? "";
  },
  set(value) {
    if (value) sessionStorage.setItem(STORED, value);
    else sessionStorage.removeItem(STORED);
  },
};

/** { profiles, models } of the server. */
export async function offers() {
  const lists = ["steering/profiles", "models"].map(async (path) => {
    const { data } = await (await ask(path, { key: key.get() })).json();
    return data;
  });
  const [profiles, models] = await Promise.all(lists);
  // Under an alias, a language's name for its parent, the unsteered column would be steered too.
  const own = models.filter((each) => !each.parent || !each.id.startsWith(`${each.parent}:`));
  return { profiles, models: own.map((each) => each.id) };
}

/** Why a model cannot chat, "" where it can or nothing says that it cannot. */
export async function unableToChat(model) {
  // Laying a message out as tokens takes a chat template, and lets the model write nothing.
  const body = { model, messages: [{ role: "user", content: "Hello" }] };
  try {
    await ask("../tokenize", { key: key.get(), body });
    return "";
  } catch (error) {
    return error instanceof ServerError && error.status === 400 ? error.message : "";
  }
}
