import { zstdCompressSync } from 'node:zlib'

import { type BasicType, ByteWriter, type ColumnSource, ParquetWriter, schemaFromColumnData } from 'hyparquet-writer'

import type { Json, JsonObject } from '../task/json.ts'
import { createRowCells } from './row-cells.ts'
import type { ColumnKind, TableColumns } from './row-columns.ts'
import { createTextArena } from './text-arena.ts'

/** Node's own: it works outside of the heap of JavaScript. */
const zstd = (page: Uint8Array): Uint8Array => zstdCompressSync(page)

/** Rows in a group. Each is encoded in one go, about 50 ms for rows of nine columns, in which nothing else runs. */
const GROUP_ROWS = 10_000
/** In bytes, about: long rows end a group earlier, because it takes many times its size while it is encoded. */
const GROUP_SIZE = 512 * 1024
/** In bytes: a page is encoded, and compressed, in memory of its own that doubles until it is large enough. */
const PAGE_SIZE = 64 * 1024

const TYPE: Readonly<Record<ColumnKind, BasicType>> = {
  text: 'STRING',
  integer: 'INT64',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  json: 'JSON',
}

/**
 * Rows as a Parquet file, compressed with Zstandard: a chunk for each group of rows, and one for the end, without which the file
 * cannot be read.
 */
export async function* parquetChunks(
  batches: AsyncIterable<Iterable<JsonObject>>,
  table: TableColumns,
): AsyncGenerator<Uint8Array, void, undefined> {
  const sources = table.columns.map(({ name, kind }) => ({ name, type: TYPE[kind] }))
  const schema = schemaFromColumnData({ columnData: sources.map((source) => ({ ...source, data: [] })) })
  const bytes = new ByteWriter()
  const file = new ParquetWriter({
    writer: bytes,
    schema,
    codec: 'ZSTD',
    compressors: { ZSTD: zstd },
    createdBy: 'blockmill',
  })
  const cellsOf = createRowCells(table, { hasTypes: true })
  const texts = createTextArena()
  let group = emptyGroup()

  for await (const batch of batches) {
    for (const row of batch) {
      for (const [index, cell] of cellsOf(row).entries()) {
        const isText = typeof cell === 'string' && sources[index]?.type === 'STRING'
        group.columns[index]?.push(isText ? texts.add(cell) : cell)
        if (!isText) group.size += sizeOf(cell)
      }
      group.rows += 1
      if (group.rows >= GROUP_ROWS || group.size + texts.bytes >= GROUP_SIZE) yield writeGroup()
    }
  }
  if (group.rows > 0) yield writeGroup()
  // With a writer in memory, nothing of this is a promise.
  void file.finish()
  yield takeBytes()

  /** In text columns there are numbers of texts. Of what lives as long as a group does, each object is work for the collector. */
  function emptyGroup(): { columns: Json[][]; rows: number; size: number } {
    texts.clear()
    return { columns: sources.map(() => []), rows: 0, size: 0 }
  }

  function writeGroup(): Uint8Array {
    const columnData = sources.map(({ name, type }, index): ColumnSource => {
      const cells = group.columns[index] ?? []
      return {
        name,
        // Made when the writer comes to the column, which then is garbage before the next one is made.
        get data() {
          return valuesOf(type, cells)
        },
        // What stays in memory until the end: lowest and highest texts may be large, and indexes are as many as pages.
        statistics: type !== 'STRING' && type !== 'JSON',
        offsetIndex: false,
      }
    })
    void file.write({ columnData, rowGroupSize: group.rows, pageSize: PAGE_SIZE })
    group = emptyGroup()
    return takeBytes()
  }

  function valuesOf(type: BasicType, cells: Json[]): (Json | bigint | Uint8Array)[] {
    if (type === 'STRING') return cells.map((cell) => (typeof cell === 'number' ? texts.at(cell) : null))
    if (type === 'INT64') return cells.map((cell) => (typeof cell === 'number' ? BigInt(cell) : null))
    return cells
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
