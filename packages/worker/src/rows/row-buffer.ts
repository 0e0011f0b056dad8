import { compressRows, findNonJson, MAX_ROW_BYTES, NonRetryableError, PART_BYTES } from '@blockmill/core'

/** Rows that make up a part. */
export interface PackedRows {
  readonly rows: number
  /** NDJSON, compressed with zstd. */
  readonly data: Buffer
  /** True when the mark was right behind the last of them. */
  readonly endsAtMark: boolean
}

/** Rows that wait to become a part, as lines of JSON. */
export interface RowBuffer {
  readonly rows: number
  /** True when it is time to take a part out. */
  readonly isFull: boolean
  /** True when there are rows before the mark. */
  readonly hasMarked: boolean
  /**
   * @throws NonRetryableError `ROW_INVALID` for what is no JSON object, `MESSAGE_TOO_LARGE` for a row of more than 1 MiB.
   */
  add(row: unknown): void
  /** Marks the place behind the last row: a part ends there, so that what follows can be told from what came before. */
  mark(): void
  /** Drops the rows behind the mark, or all when there is none. */
  dropUnmarked(): void
  /** Takes out a part: the rows up to the mark, or all when there is none. Not when it is empty. */
  take(): PackedRows
}

/** What is left of a part that fills when the next row is small: most parts never need more. */
const SLACK_BYTES = 16 * 1024
const NEWLINE = 0x0a

/**
 * Rows are written to one block of memory, which is used again for each part: as texts, they would live long enough to make the
 * heap grow.
 */
export function createRowBuffer(): RowBuffer {
  let memory: Buffer | undefined
  let bytes = 0
  let rows = 0
  /** How much of it is before the mark. */
  let marked = { bytes: 0, rows: 0 }

  /** Memory with room for so much more. */
  const withRoom = (more: number): Buffer => {
    if (memory === undefined || memory.length < bytes + more) {
      const larger = Buffer.allocUnsafeSlow(Math.max(PART_BYTES + SLACK_BYTES, bytes + more))
      memory?.copy(larger, 0, 0, bytes)
      memory = larger
    }
    return memory
  }

  return {
    get rows() {
      return rows
    },
    get isFull() {
      return bytes >= PART_BYTES
    },
    get hasMarked() {
      return marked.rows > 0
    },
    add(row) {
      const { line, size } = asLine(row)
      const room = withRoom(size + 1)
      room.write(line, bytes)
      room[bytes + size] = NEWLINE
      bytes += size + 1
      rows += 1
    },
    mark() {
      marked = { bytes, rows }
    },
    dropUnmarked() {
      ;({ bytes, rows } = marked)
    },
    take() {
      const endsAtMark = marked.rows > 0
      const taken = endsAtMark ? marked : { bytes, rows }
      const text = withRoom(0)
      const data = compressRows(text.subarray(0, taken.bytes))
      text.copyWithin(0, taken.bytes, bytes)
      bytes -= taken.bytes
      rows -= taken.rows
      marked = { bytes: 0, rows: 0 }
      return { rows: taken.rows, data, endsAtMark }
    },
  }
}

function asLine(row: unknown): { readonly line: string; readonly size: number } {
  const problem = isObject(row) ? findNonJson(row) : '$ is no object'
  if (problem !== undefined) {
    throw new NonRetryableError(
      'ROW_INVALID',
      `A row that was emitted cannot be kept: ${problem.replace('$', 'row')}. Emit lists of objects of strings, finite numbers, booleans, null, arrays and objects; write what is larger than 2^53 as a string.`,
    )
  }
  const line = JSON.stringify(row)
  const size = Buffer.byteLength(line)
  if (size <= MAX_ROW_BYTES) return { line, size }
  throw new NonRetryableError(
    'MESSAGE_TOO_LARGE',
    `A row that was emitted is ${size} bytes of JSON; at most ${MAX_ROW_BYTES} are allowed. Make several rows of it.`,
  )
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
