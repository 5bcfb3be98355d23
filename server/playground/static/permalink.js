// Settings in a URL's fragment, which browsers do not send anywhere. Pure. The key is no setting.
//
// Settings: { mode: "completion" | "chat", prompt, target: tag or "", suppress: tags, strength,
// phase: "all" | "decode", maxTokens, temperature, seed: number or null, model: name or "" }

/** The fragment, without "#". */
export function toFragment(settings) {
  return new URLSearchParams({
    mode: settings.mode,
    prompt: settings.prompt,
    target: settings.target,
    suppress: settings.suppress.join(","),
    strength: settings.strength,
    phase: settings.phase,
    max_tokens: settings.maxTokens,
    temperature: settings.temperature,
    seed: settings.seed ?? "",
    model: settings.model,
  }).toString();
}

/** What of the settings a fragment says; what makes no sense is left out. */
export function fromFragment(fragment) {
  const given = new URLSearchParams(fragment.replace(/^#/, ""));
  const found = {};
  for (const name of ["prompt", "target", "model"]) {
    if (given.has(name)) found[name] = given.get(name);
  }
  if (["completion", "chat"].includes(given.get("mode"))) found.mode = given.get("mode");
  if (["all", "decode"].includes(given.get("phase"))) found.phase = given.get("phase");
  if (given.has("suppress")) found.suppress = given.get("suppress").split(",").filter(Boolean);
  for (const [name, key] of [["strength", "strength"], ["maxTokens", "max_tokens"], ["temperature", "temperature"]]) {
    const value = Number.parseFloat(given.get(key));
    if (Number.isFinite(value)) found[name] = value;
  }
  if (given.has("seed")) {
    const seed = Number.parseInt(given.get("seed"), 10);
    found.seed = Number.isSafeInteger(seed) ? seed : null;
  }
  return found;
}
