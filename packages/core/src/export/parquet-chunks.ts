import { type BasicType, ByteWriter, type ColumnSource, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer'

import type { Json, JsonObject } from '../task/json.ts'
import { createRowCells } from './row-cells.ts'
import type { ColumnKind, TableColumns } from './row-columns.ts'

/** Rows in a group. Each is encoded in one go, about 50 ms for rows of nine columns, in which nothing else runs. */
const GROUP_ROWS = 10_000
/** In characters, about: long rows end a group earlier, because it takes many times its size while it is encoded. */
const GROUP_SIZE = 1024 * 1024

const TYPE: Readonly<Record<ColumnKind, BasicType>> = {
  text: 'STRING',
  integer: 'INT64',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  json: 'JSON',
}

/**
 * Rows as a Parquet file, compressed with Snappy, which every reader knows: a chunk for each group of rows, and one for the end,
 * without which the file cannot be read.
 */
export async function* parquetChunks(
  batches: AsyncIterable<Iterable<JsonObject>>,
  table: TableColumns,
): AsyncGenerator<Uint8Array, void, undefined> {
  const sources = table.columns.map(({ name, kind }) => ({ name, type: TYPE[kind] }))
  const schema = schemaFromColumnData({ columnData: sources.map((source) => ({ ...source, data: [] })) })
  const bytes = new ByteWriter()
  const file = new ParquetWriter({ writer: bytes, schema, createdBy: 'blockmill' })
  const cellsOf = createRowCells(table, { hasTypes: true })
  let group = emptyGroup()

  for await (const batch of batches) {
    for (const row of batch) {
      for (const [index, cell] of cellsOf(row).entries()) {
        group.columns[index]?.push(typeof cell === 'number' && sources[index]?.type === 'INT64' ? BigInt(cell) : cell)
        group.size += sizeOf(cell)
      }
      group.rows += 1
      if (group.rows >= GROUP_ROWS || group.size >= GROUP_SIZE) yield writeGroup()
    }
  }
  if (group.rows > 0) yield writeGroup()
  // With a writer in memory, nothing of this is a promise.
  void file.finish()
  yield takeBytes()

  function emptyGroup(): { columns: (Json | bigint)[][]; rows: number; size: number } {
    return { columns: sources.map(() => []), rows: 0, size: 0 }
  }

  function writeGroup(): Uint8Array {
    const columnData = sources.map((source, index): ColumnSource => {
      const isText = source.type === 'STRING' || source.type === 'JSON'
      // What stays in memory until the end: lowest and highest texts may be large, and indexes are as many as pages.
      return { name: source.name, data: group.columns[index] ?? [], statistics: !isText, offsetIndex: false }
    })
    void file.write({ columnData, rowGroupSize: group.rows })
    group = emptyGroup()
    return takeBytes()
  }

  function takeBytes(): Uint8Array {
    const taken = bytes.getBytes().slice()
    bytes.index = 0
    return taken
  }
}

function sizeOf(cell: Json): number {
  if (typeof cell === 'string') return cell.length
  return typeof cell === 'object' && cell !== null ? JSON.stringify(cell).length : 8
}
