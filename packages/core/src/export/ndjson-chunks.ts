import type { JsonObject } from '../task/json.ts'

/** Rows as JSON in UTF-8, each in a line of its own, a chunk for each batch. */
export async function* ndjsonChunks(
  batches: AsyncIterable<readonly JsonObject[]>,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const batch of batches) {
    if (batch.length > 0) yield Buffer.from(batch.map((row) => `${JSON.stringify(row)}\n`).join(''))
  }
}
