import { defineEntity, p } from '@mikro-orm/core'

import { HEADS } from '../chain/chain-source.ts'
import type { JsonObject } from '../task/json.ts'
import { DATABASE_SCHEMA } from './database-schema.ts'

/** A chain's name, bound to its genesis hash for good. */
export const ChainEntity = defineEntity({
  name: 'Chain',
  tableName: 'chain',
  schema: DATABASE_SCHEMA,
  properties: {
    id: p.text().primary(),
    genesisHash: p.text(),
    createdAt: p.datetime().defaultRaw('now()'),
    /** The newest block that its scheduler has seen, and the newest finalized one; null until there were some. */
    latestNumber: p.bigint('number').strictNullable(),
    latestHash: p.text().strictNullable(),
    finalizedNumber: p.bigint('number').strictNullable(),
    finalizedHash: p.text().strictNullable(),
    /** When these were last written: about once a second while they move. */
    headsAt: p.datetime().strictNullable(),
  },
})

/** Which blocks were evaluated for a task with one set of arguments. */
export const CoverageEntity = defineEntity({
  name: 'Coverage',
  tableName: 'coverage',
  schema: DATABASE_SCHEMA,
  properties: {
    chain: p.text().primary(),
    task: p.text().primary(),
    argsHash: p.text().primary(),
    head: p.enum(HEADS).primary(),
    args: p.json<JsonObject>(),
    /** The first block that counts; earlier ones are evaluated only when somebody asks for them. */
    startBlock: p.bigint('number'),
    /** An `int8multirange` in PostgreSQL's text form; see `fromMultirange`. */
    evaluated: p.string().columnType('int8multirange').default('{}'),
    updatedAt: p.datetime().defaultRaw('now()'),
  },
})

/** Which scheduler may write coverage for a chain. The token grows with every change of holder. */
export const SchedulerLeaseEntity = defineEntity({
  name: 'SchedulerLease',
  tableName: 'scheduler_lease',
  schema: DATABASE_SCHEMA,
  properties: {
    chain: p.text().primary(),
    holder: p.text(),
    token: p.bigint('number'),
    expiresAt: p.datetime(),
  },
})
