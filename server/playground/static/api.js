// The server's endpoints, and its errors as sentences.

// Relative to the page, so that a server behind a prefix is found too.
const BASE = new URL("v1/", new URL(location.pathname, location.origin));

/** Where an endpoint is: "completions" → "http://host/v1/completions". */
export function address(path) {
  return new URL(path, BASE).href;
}

/** What went wrong, in words for whoever looks at the page. */
export class ServerError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/**
 * Ask the server.
 *
 * @param path below /v1.
 * @param key the API key, "" for none.
 * @param body sent as JSON, by POST; none for GET.
 * @returns the answer, whose status is good.
 * @throws ServerError, or an AbortError where `signal` said so.
 */
export async function ask(path, { key, body, signal }) {
  const headers = {};
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await reached(
    fetch(address(path), {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      cache: "no-store",
      credentials: "same-origin",
    }),
  );
  if (!answer.ok) throw new ServerError(explain(answer.status, await answer.text()), answer.status);
  return answer;
}

/** The promise's value; a network's failure as a `ServerError`. */
export async function reached(promise) {
  try {
    return await promise;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ServerError("The server cannot be reached, or broke the connection off. Is it running?");
  }
}

/** The message in an error's body, whichever form it has. */
export function messageIn(value) {
  const found = value?.error?.message ?? value?.error ?? value?.message ?? value?.detail;
  return typeof found === "string" ? found : "";
}

function explain(status, text) {
  let message = "";
  try {
    message = messageIn(JSON.parse(text));
  } catch {
    message = text.trimStart().startsWith("<") ? "" : text.slice(0, 500);
  }
  if (status === 401) return "The server wants an API key, and this is not one of its keys (HTTP 401).";
  return message ? `${message} (HTTP ${status})` : `The server answered HTTP ${status}.`;
}
