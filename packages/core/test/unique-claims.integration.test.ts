import { afterAll, beforeEach, describe, expect, it } from 'vitest'

import { createSilentLogger, migrate, openDatabase } from '@blockmill/core'
import { waitFor } from '@blockmill/testkit'
import { testDatabase } from '@blockmill/testkit/vitest'

import { createUniqueClaims, type UniqueTask } from '../src/client/unique-claims.ts'

const logger = createSilentLogger()
const { url } = testDatabase({
  migrate: async (template) => {
    const database = openDatabase({ url: template, logger })
    try {
      await migrate(database, { logger })
    } finally {
      await database.close()
    }
  },
})

const database = openDatabase({ url, logger })
const others = [1, 2, 3].map(() => openDatabase({ url, logger, poolMax: 3 }))
afterAll(() => Promise.all([database, ...others].map((one) => one.close())))
beforeEach(() => database.query('truncate blockmill.unique_task, blockmill.task'))

const claims = createUniqueClaims(database)
const task: UniqueTask = {
  id: '00000000-0000-8000-8000-000000000001',
  chain: 'dev',
  name: 'notify',
  argsHash: '0123456789abcdef',
  generation: 1_000,
}

function rows(): Promise<object[]> {
  return database.query('select task_id, generation, published from blockmill.unique_task')
}

function age(interval: string): Promise<unknown> {
  return database.query(`update blockmill.unique_task set claimed_at = now() - interval '${interval}'`)
}

function recordTask(generation: number): Promise<unknown> {
  return database.query(
    `insert into blockmill.task (id, chain, name, status, generation, attempt, postpones, changed_at)
     values ($1, 'dev', 'notify', 'succeeded', $2, 1, 0, now())`,
    [task.id, generation],
  )
}

describe('the claim of a unique task', () => {
  it('is given to one of many who want it at once, and the others learn that it is live', async () => {
    const wanting = Array.from({ length: 20 }, (_, index) => {
      const mine = createUniqueClaims(others[index % others.length] ?? database)
      return mine.claim({ ...task, generation: task.generation + index }).then(async (claim) => {
        if (claim !== undefined) await mine.published(task.id, claim)
        return claim
      })
    })
    const given = (await Promise.all(wanting)).filter((claim) => claim !== undefined)
    expect(given).toMatchObject([{ isNew: true }])
    expect(await rows()).toEqual([{ task_id: task.id, generation: given[0]?.generation, published: true }])
  })

  it('is waited for while somebody publishes the task, and taken over when the broker refuses it', async () => {
    const first = await claims.claim(task)
    let waits = 0
    const patient = createUniqueClaims(database, { wait: async () => void (waits += 1) })
    const second = patient.claim({ ...task, generation: 2_000 })
    await waitFor(() => waits > 2, { describe: 'the second to wait' })
    await claims.refused(task.id, first ?? { generation: 0, isNew: true })
    expect(await second).toEqual({ generation: 1_000, isNew: false })
  })

  it('lapses 30 seconds after one who died, and the same run is published again', async () => {
    expect(await claims.claim(task)).toEqual({ generation: 1_000, isNew: true })
    await age('29 seconds')
    let looks = 0
    const gaveUp = new Error('still held')
    const impatient = createUniqueClaims(database, {
      wait: async () => {
        looks += 1
        if (looks > 3) throw gaveUp
      },
    })
    await expect(impatient.claim({ ...task, generation: 2_000 })).rejects.toBe(gaveUp)
    await age('31 seconds')
    expect(await claims.claim({ ...task, generation: 2_000 })).toEqual({ generation: 1_000, isNew: false })
    expect(await rows()).toMatchObject([{ generation: 1_000, published: false }])
  })

  it('of one who died does not lapse when the task was published all the same', async () => {
    await claims.claim(task)
    await recordTask(1_000)
    await age('31 seconds')
    expect(await claims.claim({ ...task, generation: 2_000 })).toBeUndefined()
  })

  it('lapses when the record does not know the task an hour after it was published', async () => {
    const claim = await claims.claim(task)
    await claims.published(task.id, claim ?? { generation: 0, isNew: true })
    await age('59 minutes')
    expect(await claims.claim(task)).toBeUndefined()
    await age('61 minutes')
    expect(await claims.claim(task)).toEqual({ generation: 1_000, isNew: false })
  })

  it('is for a run ahead of the recorded one, even when the clock of the client is behind', async () => {
    await recordTask(5_000)
    expect(await claims.claim(task)).toEqual({ generation: 5_001, isNew: true })
  })

  it('is not touched by one who speaks of an earlier run', async () => {
    await claims.claim(task)
    await claims.published(task.id, { generation: 999, isNew: true })
    expect(await rows()).toMatchObject([{ published: false }])
  })

  it('cannot be had without the database', async () => {
    const absent = openDatabase({ url: 'postgresql://nobody@127.0.0.1:1/none', logger })
    try {
      await expect(createUniqueClaims(absent).claim(task)).rejects.toMatchObject({ code: 'DATABASE_UNREACHABLE' })
    } finally {
      await absent.close()
    }
  })
})
