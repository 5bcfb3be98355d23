// Server-sent events of a streamed answer.

import { messageIn, reached, ServerError } from "./api.js";

/**
 * The JSON objects of a stream, until it says that it is done.
 *
 * @param answer a fetched answer.
 * @throws ServerError where the server sends an error, or stops in the middle.
 */
export async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reached(reader.read());
      if (done) throw new ServerError("The answer ends in the middle: the server broke it off.");
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (!line.startsWith("data:")) continue;
        const data = line.slice(5).trim();
        if (data === "[DONE]") return;
        yield parsed(data);
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parsed(data) {
  let value;
  try {
    value = JSON.parse(data);
  } catch {
    throw new ServerError("The server sent something that is not an answer.");
  }
  if (value.error) throw new ServerError(messageIn(value) || "The server reported an error.");
  return value;
}
