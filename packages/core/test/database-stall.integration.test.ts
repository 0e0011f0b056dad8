import { setImmediate as turn } from 'node:timers/promises'

import { describe, expect, it, onTestFinished } from 'vitest'

import { createSilentLogger, databaseError, openDatabase } from '@blockmill/core'
import { startTcpProxy } from '@blockmill/testkit'
import { testDatabase } from '@blockmill/testkit/vitest'

const { url } = testDatabase()

async function openStalled({ queryTimeoutMs = 1_000 } = {}) {
  const proxy = await startTcpProxy({ target: url })
  onTestFinished(() => proxy.stop())
  const database = openDatabase({ url: proxy.url, logger: createSilentLogger(), queryTimeoutMs, poolMax: 2 })
  onTestFinished(() => database.close())
  await database.query('select 1')
  proxy.stall()
  return { proxy, database }
}

describe('a database that stalls', () => {
  it('fails statements and transactions after their time, and takes them again when it is back', async () => {
    const { proxy, database } = await openStalled()
    const failure: unknown = await database.query('select 1').catch((error: unknown) => error)
    expect(databaseError(failure, 'here')).toMatchObject({ code: 'DATABASE_UNREACHABLE', kind: 'retryable' })
    proxy.resume()
    const work = database.withTransaction(async (query) => {
      proxy.stall()
      await query('select 1')
    })
    await expect(work).rejects.toThrow('timeout')
    proxy.resume()
    await expect.poll(() => database.isHealthy()).toBe(true)
    expect(await database.withTransaction((query) => query('select 1 as one'))).toEqual([{ one: 1 }])
  })

  it('is not healthy after 2 s, however long statements may take', async () => {
    const { database } = await openStalled({ queryTimeoutMs: 60_000 })
    const begun = performance.now()
    expect(await database.isHealthy()).toBe(false)
    expect(performance.now() - begun).toBeLessThan(20_000)
  })

  it('is closed within a few seconds although a statement is under way', async () => {
    const { database } = await openStalled({ queryTimeoutMs: 60_000 })
    const waiting = database.query('select 1')
    // It is sent by then.
    await turn()
    const begun = performance.now()
    await Promise.all([expect(waiting).rejects.toThrow(/terminated/), database.close()])
    expect(performance.now() - begun).toBeLessThan(20_000)
  })
})
