import type { JsonObject } from '../task/json.ts'

/** Rows as JSON in UTF-8, each in a line of its own, a chunk for each batch. */
export async function* ndjsonChunks(
  batches: AsyncIterable<Iterable<JsonObject>>,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const batch of batches) {
    const text = Array.from(batch, (row) => `${JSON.stringify(row)}\n`).join('')
    if (text !== '') yield Buffer.from(text)
  }
}
