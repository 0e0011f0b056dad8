import { defineEntity, p } from '@mikro-orm/core'

import type { Heartbeat } from '../message/event-message.ts'
import type { JsonObject } from '../task/json.ts'
import { DATABASE_SCHEMA } from './database-schema.ts'

/** A worker as its last heartbeat showed it. Lost when it is `running` and was not seen for 30 seconds. */
export const WorkerEntity = defineEntity({
  name: 'Worker',
  tableName: 'worker',
  schema: DATABASE_SCHEMA,
  properties: {
    name: p.text().primary(),
    host: p.text(),
    pid: p.integer(),
    queues: p.json<readonly string[]>(),
    concurrency: p.integer(),
    startedAt: p.datetime(),
    lastSeenAt: p.datetime(),
    /** `stopped`: it said good-bye. */
    state: p.enum(['running', 'stopped']),
    running: p.json<Heartbeat['running']>(),
    rssBytes: p.bigint('number'),
    eventLoopLagMs: p.double().$type<number>(),
  },
})

/** A message that could not be processed, as it came. */
export const DeadLetterEntity = defineEntity({
  name: 'DeadLetter',
  tableName: 'dead_letter',
  schema: DATABASE_SCHEMA,
  properties: {
    /** Made from the content, so that a message that arrives twice is one dead letter. */
    id: p.uuid().primary(),
    receivedAt: p.datetime().defaultRaw('now()'),
    /** The queue that it came from, as far as known. */
    queue: p.text().strictNullable(),
    reason: p.text(),
    error: p.text().strictNullable(),
    /** The message's `type` property. */
    type: p.text().strictNullable(),
    /** Its first task, when it can be read as a task message. */
    taskId: p.uuid().strictNullable(),
    /** The chain and the name of its tasks, likewise. */
    chain: p.text().strictNullable(),
    task: p.text().strictNullable(),
    headers: p.json<JsonObject>(),
    body: p.blob(),
  },
})
