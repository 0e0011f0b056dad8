import { setTimeout as delay } from 'node:timers/promises'
import { databaseError } from '../database/database-error.ts'
import type { Database } from '../database/database.ts'

/** The unique task that is to be enqueued. */
export interface UniqueTask {
  readonly id: string
  readonly chain: string
  readonly name: string
  readonly argsHash: string
  /** Unix milliseconds: the generation of its run, unless the record holds a later one. */
  readonly generation: number
}

/** The right to publish a unique task. */
export interface UniqueClaim {
  /** What its message must carry. */
  readonly generation: number
  /** False when somebody claimed this run before, and did not publish it. */
  readonly isNew: boolean
}

/**
 * Sees to it that a unique task is live at most once: whoever wants to publish one claims it first.
 *
 * A claim is held until the task is final; the recorder ends it in the transaction that records that. Nothing else has to
 * happen: a claim that leads nowhere lapses.
 *
 * | who claimed it | the claim |
 * | --- | --- |
 * | published it | is held until the task is final; it lapses when the record does not know the task an hour later |
 * | was refused by the broker | lapses at once |
 * | died in between | lapses after 30 s, unless the record knows the task |
 *
 * Who finds that a claim has lapsed publishes the same run, under the same id and generation, so that nothing is recorded
 * twice even if the first message did arrive.
 */
export interface UniqueClaims {
  /**
   * Waits for others who are just publishing the task, so that nobody is told of a task that the broker does not have.
   *
   * @returns `undefined` when the task is live.
   */
  claim(task: UniqueTask): Promise<UniqueClaim | undefined>
  /** Says that the broker has confirmed it. */
  published(id: string, claim: UniqueClaim): Promise<void>
  /** Says that the broker has refused it. */
  refused(id: string, claim: UniqueClaim): Promise<void>
}

const LOOK_AGAIN_MS = 50

// A generation is ahead of the recorded one even where clocks of clients differ. xmax is 0 in a row that was inserted.
const CLAIM = `
insert into blockmill.unique_task as held (task_id, chain, name, args_hash, generation)
values ($1, $2, $3, $4, greatest($5::bigint, (select generation + 1 from blockmill.task where id = $1)))
on conflict (task_id) do update set claimed_at = now(), published = false
where held.claimed_at < now() - case when held.published then interval '1 hour' else interval '30 seconds' end
  and not exists (select from blockmill.task where id = held.task_id and generation >= held.generation)
returning generation, xmax = 0 as "isNew"`

const IS_LIVE = `
select published or exists (select from blockmill.task where id = held.task_id and generation >= held.generation) as "isLive"
from blockmill.unique_task as held where task_id = $1`

const PUBLISHED = 'update blockmill.unique_task set published = true where task_id = $1 and generation = $2'
const REFUSED = `update blockmill.unique_task set claimed_at = '-infinity' where task_id = $1 and generation = $2`

/** Claims in the table `unique_task`. */
export function createUniqueClaims(
  database: Pick<Database, 'query' | 'address'>,
  { wait = (ms) => delay(ms) }: { readonly wait?: (ms: number) => Promise<unknown> } = {},
): UniqueClaims {
  const query = async <Row extends object>(sql: string, params: readonly unknown[]): Promise<Row[]> => {
    try {
      return await database.query<Row>(sql, params)
    } catch (error) {
      throw databaseError(error, database.address)
    }
  }
  const tell = async (sql: string, id: string, { generation }: UniqueClaim): Promise<void> => {
    // Without it the claim lapses a little later; the caller's task is published, or refused, all the same.
    await query(sql, [id, generation]).catch(() => undefined)
  }

  return {
    async claim({ id, chain, name, argsHash, generation }) {
      for (;;) {
        const [claim] = await query<UniqueClaim>(CLAIM, [id, chain, name, argsHash, generation])
        if (claim !== undefined) return claim
        const [held] = await query<{ isLive: boolean }>(IS_LIVE, [id])
        if (held?.isLive === true) return undefined
        // It has ended just now, or is being published by somebody who may yet fail.
        if (held !== undefined) await wait(LOOK_AGAIN_MS)
      }
    },
    published: (id, claim) => tell(PUBLISHED, id, claim),
    refused: (id, claim) => tell(REFUSED, id, claim),
  }
}
