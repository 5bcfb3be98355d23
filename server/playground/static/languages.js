// Names of languages, in English as the page is.

const NAMES = new Intl.DisplayNames(["en"], { type: "language", fallback: "none" });

/** "de" → "German (de)"; the tag alone where it has no name. */
export function languageName(tag) {
  const name = known(tag) ?? known(primary(tag));
  return name ? `${name} (${tag})` : tag;
}

/** The language of a tag, in its usual spelling: "pt-BR" → "pt". */
export function primary(tag) {
  try {
    return new Intl.Locale(tag.split("-")[0]).language;
  } catch {
    return tag;
  }
}

function known(tag) {
  try {
    return NAMES.of(tag);
  } catch {
    return undefined;
  }
}
