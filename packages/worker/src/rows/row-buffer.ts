import { findNonJson, MAX_ROW_BYTES, NonRetryableError, packRows, PART_BYTES } from '@blockmill/core'

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

export function createRowBuffer(): RowBuffer {
  let lines: string[] = []
  let bytes = 0
  /** How many rows are before the mark. */
  let marked = 0

  const drop = (count: number): void => {
    lines = lines.slice(count)
    bytes = lines.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0)
    marked = 0
  }

  return {
    get rows() {
      return lines.length
    },
    get isFull() {
      return bytes >= PART_BYTES
    },
    get hasMarked() {
      return marked > 0
    },
    add(row) {
      const line = asLine(row)
      lines.push(line)
      bytes += Buffer.byteLength(line) + 1
    },
    mark() {
      marked = lines.length
    },
    dropUnmarked() {
      const kept = marked
      lines.length = kept
      drop(0)
      marked = kept
    },
    take() {
      const endsAtMark = marked > 0
      const count = endsAtMark ? marked : lines.length
      const data = packRows(count === lines.length ? lines : lines.slice(0, count))
      drop(count)
      return { rows: count, data, endsAtMark }
    },
  }
}

function asLine(row: unknown): string {
  const problem = isObject(row) ? findNonJson(row) : '$ is no object'
  if (problem !== undefined) {
    throw new NonRetryableError(
      'ROW_INVALID',
      `A row that was emitted cannot be kept: ${problem.replace('$', 'row')}. Emit lists of objects of strings, finite numbers, booleans, null, arrays and objects; write what is larger than 2^53 as a string.`,
    )
  }
  const line = JSON.stringify(row)
  const size = Buffer.byteLength(line)
  if (size <= MAX_ROW_BYTES) return line
  throw new NonRetryableError(
    'MESSAGE_TOO_LARGE',
    `A row that was emitted is ${size} bytes of JSON; at most ${MAX_ROW_BYTES} are allowed. Make several rows of it.`,
  )
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
