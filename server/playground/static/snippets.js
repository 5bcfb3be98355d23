// A request as a curl command and as a Python program. Pure.

// Of the environment: the key itself stays out of what is copied around.
const KEY = "OPENAI_API_KEY";

/**
 * A command for sh, bash and zsh.
 *
 * @param url of the endpoint.
 * @param body of the request.
 * @param keyed whether the server asks for a key.
 */
export function curl(url, body, keyed) {
  const parts = [`curl ${quoted(url)}`, "-H 'Content-Type: application/json'"];
  if (keyed) parts.push(`-H "Authorization: Bearer $${KEY}"`);
  parts.push(`-d ${quoted(JSON.stringify(body, null, 2))}`);
  return parts.join(" \\\n  ");
}

/** A program for the `openai` package; parameters as above, `base` being the address of /v1. */
export function python(base, body, keyed) {
  const chat = "messages" in body;
  const { steering, ...fields } = body;
  // The client insists on a model; the server takes this one for its own.
  const named = { model: "", ...fields };
  const rows = Object.entries(named).map(([name, value]) => `    ${name}=${literal(value)},`);
  if (steering) rows.push(`    extra_body=${literal({ steering })},`);
  const key = keyed ? `os.environ["${KEY}"]` : '"none"';
  return [
    ...(keyed ? ["import os", ""] : []),
    "from openai import OpenAI",
    "",
    `client = OpenAI(base_url=${literal(base)}, api_key=${key})`,
    `answer = client.${chat ? "chat.completions" : "completions"}.create(`,
    ...rows,
    ")",
    `print(answer.choices[0].${chat ? "message.content" : "text"})`,
    "",
  ].join("\n");
}

// Within single quotes a shell takes every character for itself, but for the quote that ends them.
function quoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

// JSON's strings and numbers are Python's too; objects and lists differ by spaces alone.
function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (value !== null && typeof value === "object") {
    const pairs = Object.entries(value).map(([name, each]) => `${literal(name)}: ${literal(each)}`);
    return `{${pairs.join(", ")}}`;
  }
  return JSON.stringify(value);
}
