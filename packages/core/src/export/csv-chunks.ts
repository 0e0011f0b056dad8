import { type Options, stringify } from 'csv-stringify/sync'

import type { JsonObject } from '../task/json.ts'
import { createRowCells } from './row-cells.ts'
import type { TableColumns } from './row-columns.ts'

/** Rows that are in memory at once, as objects and as cells. */
const ROWS_AT_ONCE = 100

export interface CsvOptions {
  /**
   * Puts `'` before texts that a spreadsheet would run as a formula: those that begin with `=`, `+`, `-`, `@`, tab or carriage
   * return. Default false, because it changes the data.
   */
  readonly escapeFormulas?: boolean | undefined
}

/**
 * Rows as CSV of RFC 4180 in UTF-8, names in the first line, some rows in each chunk. What is null or absent is an empty field;
 * an empty text is `""`; nested values are JSON text.
 */
export async function* csvChunks(
  batches: AsyncIterable<Iterable<JsonObject>>,
  table: TableColumns,
  { escapeFormulas = false }: CsvOptions = {},
): AsyncGenerator<Buffer, void, undefined> {
  if (table.columns.length === 0) return
  const options: Options = {
    record_delimiter: '\r\n',
    quote_record_delimiter: true,
    escape_formulas: escapeFormulas,
    quoted_match: [/^$/],
    // Otherwise a null alone would be an empty line, which readers skip.
    quoted_empty: table.columns.length === 1,
    cast: { boolean: String, object: (value) => JSON.stringify(value) },
  }
  const cellsOf = createRowCells(table, { hasTypes: false })
  yield Buffer.from(stringify([table.columns.map(({ name }) => name)], options))
  for await (const batch of batches) {
    for (const rows of slicesOf(batch, ROWS_AT_ONCE)) yield Buffer.from(stringify(rows.map(cellsOf), options))
  }
}

function* slicesOf<Value>(values: Iterable<Value>, size: number): Generator<Value[], void, undefined> {
  let slice: Value[] = []
  for (const value of values) {
    slice.push(value)
    if (slice.length < size) continue
    yield slice
    slice = []
  }
  if (slice.length > 0) yield slice
}
