// From settings to what is sent. Pure.

/** The path below /v1 of a mode. */
export function path(settings) {
  return settings.mode === "chat" ? "chat/completions" : "completions";
}

/** Whether the settings ask for any steering. */
export function steers(settings) {
  return Boolean(settings.target || settings.suppress.length);
}

/**
 * The body of a request, without what makes it a stream.
 *
 * @param settings see settings.js.
 * @param steered whether it is to be steered, if the settings say how.
 */
export function body(settings, steered) {
  const made = settings.model ? { model: settings.model } : {};
  if (settings.mode === "chat") made.messages = [{ role: "user", content: settings.prompt }];
  else made.prompt = settings.prompt;
  made.max_tokens = settings.maxTokens;
  made.temperature = settings.temperature;
  if (settings.seed !== null) made.seed = settings.seed;
  if (steered && steers(settings)) made.steering = steering(settings);
  return made;
}

/** The same, streamed. */
export function streamed(body) {
  return { ...body, stream: true, stream_options: { include_usage: true } };
}

function steering({ target, suppress, strength, phase }) {
  return {
    ...(target ? { target } : {}),
    ...(suppress.length ? { suppress } : {}),
    strength,
    phase,
  };
}
