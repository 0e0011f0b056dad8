import type { JsonObject } from '../task/json.ts'
import type { CsvOptions } from './csv-chunks.ts'
import { ndjsonChunks } from './ndjson-chunks.ts'
import { surveyColumns } from './row-columns.ts'

/** The formats that rows are exported in. */
export const EXPORT_FORMATS = ['ndjson', 'csv', 'parquet'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

export interface ExportRowsOptions extends CsvOptions {
  readonly format: ExportFormat
  /** Of a table: the columns that are wanted, in this order. Default all that the rows have that were looked at. */
  readonly columns?: readonly string[] | undefined
  /**
   * Of a table: rows that are looked at, to find out which columns there are and of which type. Default all. With fewer, a row
   * after them that does not fit ends the export with an error.
   */
  readonly surveyRows?: number | undefined
}

/**
 * The bytes of rows in a format, with constant memory, as fast as they are taken.
 *
 * @param open reads the rows from the first one on: called a second time for CSV and Parquet, which first find out their columns.
 * @returns when the columns are known.
 * @throws NonRetryableError `EXPORT_INVALID` for rows that make no table, then or later.
 */
export async function exportRows(
  open: () => AsyncIterable<Iterable<JsonObject>>,
  { format, columns, surveyRows, escapeFormulas }: ExportRowsOptions,
): Promise<AsyncGenerator<Uint8Array, void, undefined>> {
  if (format === 'ndjson') return ndjsonChunks(open())
  const table = await surveyColumns(open(), { rows: surveyRows, wanted: columns })
  // Their libraries take 20 MB, which no process but one that exports is to pay.
  if (format === 'csv') return (await import('./csv-chunks.ts')).csvChunks(open(), table, { escapeFormulas })
  return (await import('./parquet-chunks.ts')).parquetChunks(open(), table)
}
