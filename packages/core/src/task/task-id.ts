import { hash } from 'node:crypto'
import { v7 } from 'uuid'
import type { BlockRange } from '../range/block-range.ts'
import { canonicalJson, type JsonObject } from './json.ts'

/** What a task is, and so what its id is made of. */
export interface TaskIdentity {
  readonly chain: string
  readonly task: string
  readonly args: JsonObject
  /** The block, with its hash only for tasks on the `latest` head, where a number may name two blocks. */
  readonly block?: { readonly number: number; readonly hash?: string }
  /** The block range, for batches of a range job. */
  readonly range?: BlockRange
  /** The id of the range job of a batch: two jobs over the same range are each owed a result of their own. */
  readonly job?: string
}

/**
 * The id of a task for a block or a range: a UUIDv8 (RFC 9562) that is the same wherever it is computed and sorts by
 * block. 48 bits are the block number (of a range: `from`), 74 bits are SHA-256 over the canonical identity.
 *
 * So a block that is planned twice yields the same ids, every write is an idempotent upsert, and B-tree inserts stay local.
 */
export function taskId({ chain, task, args, block, range, job }: TaskIdentity): string {
  const number = block?.number ?? range?.from ?? 0
  const unit = range === undefined ? [block?.number ?? null, block?.hash ?? null] : [range.from, range.to]
  if (job !== undefined) unit.push(job)
  return uuidV8(number, canonicalJson([chain, task, args, unit]))
}

/** The id of a `unique` task without a block: the same for the same task and arguments. */
export function uniqueTaskId({ chain, task, args }: Pick<TaskIdentity, 'chain' | 'task' | 'args'>): string {
  return uuidV8(0, canonicalJson([chain, task, args, 'unique']))
}

/** The id of any other task without a block: a UUIDv7, which sorts by time. */
export function adHocTaskId(): string {
  return v7()
}

/** SHA-256 of the canonical arguments, 16 hex digits: what coverage and indexes call a set of arguments by. */
export function argsHash(args: JsonObject): string {
  return hash('sha256', canonicalJson(args), 'hex').slice(0, 16)
}

/** The block that a UUIDv8 task id sorts by. */
export function blockOfTaskId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)
}

const MAX_48_BIT = 2 ** 48 - 1

function uuidV8(number: number, text: string): string {
  const digest = hash('sha256', text, 'hex')
  const prefix = Math.min(number, MAX_48_BIT).toString(16).padStart(12, '0')
  // Two variant bits (binary 10) and the next two bits of the digest make one hex digit: 8, 9, a or b.
  const variant = ((Number.parseInt(digest.charAt(3), 16) & 0b0011) | 0b1000).toString(16)
  return `${prefix.slice(0, 8)}-${prefix.slice(8)}-8${digest.slice(0, 3)}-${variant}${digest.slice(4, 7)}-${digest.slice(7, 19)}`
}
