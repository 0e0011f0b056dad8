import { zstdCompressSync, constants, zstdDecompressSync } from 'node:zlib'
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import type { Delivery } from '../broker/consumer.ts'
import type { OutgoingMessage } from '../broker/publisher.ts'
import type { Topology } from '../broker/topology.ts'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import type { Json } from '../task/json.ts'

/** The `type` property of a message that carries rows. */
export const ROWS_MESSAGE_TYPE = 'blockmill.rows.v1'
/** The `content_type` of such a message: NDJSON that zstd compressed. */
export const ROWS_CONTENT_TYPE = 'application/zstd'

/** One row may be no larger as JSON: 1 MiB. */
export const MAX_ROW_BYTES = 1024 * 1024
/** A part is closed when it holds so many bytes of NDJSON: 256 KiB. */
export const PART_BYTES = 256 * 1024
/** Memory that most parts fit in when they are unpacked: taken at once, and not in sixteen pieces that are then copied. */
const UNPACKED_BYTES = PART_BYTES + 16 * 1024
/** The most that a part may hold: the row that closes it may be of any allowed size. */
const MAX_PART_BYTES = PART_BYTES + MAX_ROW_BYTES + 1

/**
 * Headers of a message that carries rows.
 *
 * | header | value |
 * | --- | --- |
 * | `job` | UUID of the range job |
 * | `taskId` | UUID of the batch's task |
 * | `execution` | UUID of one execution of its handler: a batch that runs twice writes other parts |
 * | `part` | number of the part in its execution, from 0 |
 * | `rows` | how many rows it holds |
 */
export const ROWS_HEADERS = {
  job: 'x-blockmill-job',
  taskId: 'x-blockmill-task-id',
  execution: 'x-blockmill-execution',
  part: 'x-blockmill-part',
  rows: 'x-blockmill-rows',
} as const

/** Part of the rows of one execution of a batch. */
export interface RowsPart {
  readonly job: string
  readonly taskId: string
  readonly execution: string
  /** Its number in the execution, from 0. */
  readonly part: number
  readonly rows: number
  /** NDJSON, compressed with zstd. */
  readonly data: Buffer
}

const Uuid = Type.String({ pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' })
const Count = Type.Integer({ minimum: 0 })

/** Parts 0 to `parts` − 1 of one execution, and how many rows they hold. */
export const ExecutionPartsSchema = Type.Object({ execution: Uuid, parts: Count, rows: Count })
export type ExecutionParts = Readonly<Static<typeof ExecutionPartsSchema>>

/** The parts that make up the rows of a batch, in the order of its blocks. All others of its task do not count. */
export type PartList = readonly ExecutionParts[]

/** Where a batch goes on that is tried again: `checkpoint` of its message. */
export interface RangeCheckpoint {
  /** What the handler gave to `checkpoint`. */
  readonly cursor: Json
  /** The parts that were emitted before. */
  readonly parts: PartList
}

/** The result of a range task that succeeded: which parts are its rows. */
export interface RowsManifest {
  readonly rows: number
  readonly parts: PartList
  /** What the handler returned; absent when that was nothing. */
  readonly value?: Json
}

const isCheckpoint = Compile(Type.Object({ cursor: Type.Unknown(), parts: Type.Array(ExecutionPartsSchema) }))
const isManifest = Compile(Type.Object({ rows: Count, parts: Type.Array(ExecutionPartsSchema) }))
const isHeaders = Compile(
  Type.Object({
    [ROWS_HEADERS.job]: Uuid,
    [ROWS_HEADERS.taskId]: Uuid,
    [ROWS_HEADERS.execution]: Uuid,
    [ROWS_HEADERS.part]: Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 }),
    [ROWS_HEADERS.rows]: Type.Integer({ minimum: 1, maximum: MAX_PART_BYTES }),
  }),
)

/** @throws NonRetryableError `MESSAGE_INVALID` for what is no checkpoint. */
export function readCheckpoint(value: unknown): RangeCheckpoint {
  if (isCheckpoint.Check(value)) return value as RangeCheckpoint
  throw new NonRetryableError(
    'MESSAGE_INVALID',
    `The checkpoint of the message is ${JSON.stringify(value)?.slice(0, 200)}; it must be { cursor, parts }.`,
  )
}

/** The manifest that a range task's result is, or `undefined` for another result. */
export function readManifest(result: unknown): RowsManifest | undefined {
  return isManifest.Check(result) ? result : undefined
}

/** Makes a part of lines of JSON, each of them a row. */
export function packRows(lines: readonly string[]): Buffer {
  return compressRows(Buffer.from(`${lines.join('\n')}\n`))
}

/** Makes a part of NDJSON: each row ends with a line break. */
export function compressRows(text: Uint8Array): Buffer {
  return zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: 1 } })
}

/**
 * The NDJSON of a part.
 *
 * @throws NonRetryableError `MESSAGE_INVALID` when it is no zstd, or is larger than a part may be.
 */
export function unpackRows(data: Uint8Array): Buffer {
  try {
    return zstdDecompressSync(data, { maxOutputLength: MAX_PART_BYTES, chunkSize: UNPACKED_BYTES })
  } catch (error) {
    const text = `A part of rows cannot be decompressed: ${(error as Error).message}.`
    throw new NonRetryableError('MESSAGE_INVALID', text, { cause: error })
  }
}

/** The message that carries a part. Its exchange is bound to one queue only, so that nothing that vanishes is confirmed. */
export function rowsMessage(
  topology: Topology,
  { job, taskId, execution, part, rows, data }: RowsPart,
): OutgoingMessage {
  return {
    exchange: topology.exchanges.results,
    routingKey: topology.rowsKey(job),
    body: data,
    type: ROWS_MESSAGE_TYPE,
    contentType: ROWS_CONTENT_TYPE,
    messageId: `${execution}/${part}`,
    headers: {
      [ROWS_HEADERS.job]: job,
      [ROWS_HEADERS.taskId]: taskId,
      [ROWS_HEADERS.execution]: execution,
      [ROWS_HEADERS.part]: part,
      [ROWS_HEADERS.rows]: rows,
    },
    mandatory: true,
  }
}

/**
 * The part that a message carries, checked through to its number of rows.
 *
 * @throws NonRetryableError `MESSAGE_INVALID` with what is wrong.
 */
export function readRowsMessage({ type, headers, body }: Pick<Delivery, 'type' | 'headers' | 'body'>): RowsPart {
  if (type !== ROWS_MESSAGE_TYPE) throw invalid(`its type is ${JSON.stringify(type)}, not ${ROWS_MESSAGE_TYPE}`)
  if (!isHeaders.Check(headers)) {
    const [first] = isHeaders.Errors(headers)
    throw invalid(`header ${first?.instancePath.slice(1) || 'of it is missing'}: ${first?.message}`)
  }
  const rows = headers[ROWS_HEADERS.rows]
  const lines = countLines(unpackRows(body))
  if (lines !== rows) throw invalid(`it holds ${lines} rows, but says that it holds ${rows}`)
  return {
    job: headers[ROWS_HEADERS.job],
    taskId: headers[ROWS_HEADERS.taskId],
    execution: headers[ROWS_HEADERS.execution],
    part: headers[ROWS_HEADERS.part],
    rows,
    data: body,
  }
}

const NEWLINE = 0x0a

/** How many rows NDJSON has. */
export function countLines(text: Buffer): number {
  let lines = 0
  for (let at = text.indexOf(NEWLINE); at !== -1; at = text.indexOf(NEWLINE, at + 1)) lines += 1
  return lines
}

function invalid(why: string): NonRetryableError {
  return new NonRetryableError('MESSAGE_INVALID', `The message is no part of rows: ${why}.`)
}
