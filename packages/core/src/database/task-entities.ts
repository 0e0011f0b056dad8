import { defineEntity, type InferEntity, p } from '@mikro-orm/core'

import type { SerializedError } from '../errors/serialized-error.ts'
import type { Cause } from '../message/task-message.ts'
import type { Json, JsonObject } from '../task/json.ts'
import { LANES } from '../task/lane.ts'
import { TASK_STATES } from '../task/task-state.ts'
import { DATABASE_SCHEMA } from './database-schema.ts'

/**
 * A task: one row, however often it was scheduled, run and reported. Written by the recorder alone. What only the scheduled
 * message knows is null until that has come.
 */
export const TaskEntity = defineEntity({
  name: 'Task',
  tableName: 'task',
  schema: DATABASE_SCHEMA,
  properties: {
    id: p.uuid().primary(),
    chain: p.text(),
    name: p.text(),
    queue: p.text().strictNullable(),
    lane: p.enum(LANES).strictNullable(),
    priority: p.integer().strictNullable(),
    blockNumber: p.bigint('number').strictNullable(),
    blockHash: p.text().strictNullable(),
    rangeFrom: p.bigint('number').strictNullable(),
    rangeTo: p.bigint('number').strictNullable(),
    args: p.json<JsonObject>().strictNullable(),
    argsHash: p.text().strictNullable(),
    cause: p.text().$type<Cause>().strictNullable(),
    status: p.enum(TASK_STATES),
    /** 0 as planned, Unix milliseconds of the replay otherwise. */
    generation: p.bigint('number'),
    attempt: p.integer(),
    postpones: p.integer(),
    maxAttempts: p.integer().strictNullable(),
    scheduledAt: p.datetime().strictNullable(),
    /** It may not start before, where its message says so. */
    /** Which generation the schedule is of; null for the first. */
    scheduleGeneration: p.bigint('number').strictNullable(),
    notBefore: p.datetime().strictNullable(),
    /** It fails when it has not started by then, where its message says so. */
    expiresAt: p.datetime().strictNullable(),
    /** When the task came into its present state. */
    changedAt: p.datetime(),
    /** When the last attempt started. */
    startedAt: p.datetime().strictNullable(),
    /** When the task came into a final state. */
    finishedAt: p.datetime().strictNullable(),
    nextAttemptAt: p.datetime().strictNullable(),
    worker: p.text().strictNullable(),
    result: p.json<Json>().strictNullable(),
    /** Why the last attempt failed. */
    error: p.json<SerializedError>().strictNullable(),
    /** What failures of the same kind have in common; null when the last attempt has not failed. */
    fingerprint: p.text().strictNullable(),
    /** Why it failed for good, was postponed, cancelled, orphaned or declared dead. */
    reason: p.text().strictNullable(),
    progressDone: p.double().$type<number>().strictNullable(),
    progressTotal: p.double().$type<number>().strictNullable(),
    progressAt: p.datetime().strictNullable(),
    rootId: p.uuid().strictNullable(),
    parentId: p.uuid().strictNullable(),
  },
})

/** How an attempt ended. `lost`: its worker died, which shows when another one runs the same attempt. */
export const ATTEMPT_OUTCOMES = [
  'retrying',
  'postponed',
  'cancelled',
  'orphaned',
  'failed',
  'dead',
  'split',
  'succeeded',
  'lost',
] as const
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number]

/**
 * An attempt that ended without success, or was lost. The success of a task is in its own row; here it is only once a later
 * generation has started the task afresh.
 */
export const TaskAttemptEntity = defineEntity({
  name: 'TaskAttempt',
  tableName: 'task_attempt',
  schema: DATABASE_SCHEMA,
  properties: {
    taskId: p.uuid().primary(),
    generation: p.bigint('number').primary(),
    attempt: p.integer().primary(),
    postpones: p.integer().primary(),
    outcome: p.enum(ATTEMPT_OUTCOMES).primary(),
    startedAt: p.datetime().strictNullable(),
    finishedAt: p.datetime(),
    /** Empty when none is known. */
    worker: p.text().primary(),
    error: p.json<SerializedError>().strictNullable(),
    reason: p.text().strictNullable(),
    /** How long the next attempt was made to wait. */
    delayMs: p.double().$type<number>().strictNullable(),
  },
})

/** A row of `task`. */
export type TaskRow = InferEntity<typeof TaskEntity>
/** A row of `task_attempt`. */
export type TaskAttemptRow = InferEntity<typeof TaskAttemptEntity>
