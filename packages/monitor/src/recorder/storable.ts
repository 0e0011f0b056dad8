/** Stands for a character that PostgreSQL cannot store. */
const REPLACEMENT = '\uFFFD'

// JSON.stringify writes NUL and lone surrogates as escapes, and PostgreSQL refuses both in jsonb. An even number of
// backslashes before the escape belongs to the text; an odd one would make it no escape.
const UNSTORABLE_ESCAPES = /(?<!\\)((?:\\\\)*)\\u(?:0000|d[89a-f][0-9a-f]{2})/g

/** A text as PostgreSQL can store it: NUL and lone surrogates become U+FFFD. Losing them beats losing the record. */
export function storableText(text: string): string {
  return (text.includes('\0') ? text.replaceAll('\0', REPLACEMENT) : text).toWellFormed()
}

/** A JSON value as a text that PostgreSQL can store as `jsonb`; see `storableText`. */
export function storableJson(value: unknown): string {
  const text = JSON.stringify(value)
  return text.includes('\\u') ? text.replace(UNSTORABLE_ESCAPES, `$1${REPLACEMENT}`) : text
}
