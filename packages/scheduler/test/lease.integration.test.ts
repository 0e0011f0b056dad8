import { createSilentLogger, type Database } from '@blockmill/core'
import { startTcpProxy, waitFor } from '@blockmill/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { leadWhileHeld } from '../src/lease/lease.ts'
import { createSql, type Sql } from '../src/sql.ts'
import { migratedDatabase, open } from './migrated-database.ts'

/** Runs out soon, so only for a scheduler that is to lose its lease, or that nobody competes with. */
const SHORT_TTL_MS = 600
/** Never runs out in a test: each third is longer than any pause of this process. */
const LONG_TTL_MS = 60_000
const { url } = migratedDatabase()
let database: Database
beforeAll(() => {
  database = open(url)
})
afterAll(() => database.close())

let chains = 0
/** Schedulers of one chain that nobody else uses. */
function createChain() {
  const chain = `chain-${(chains += 1)}`
  const leaders: string[] = []
  const tokens: number[] = []

  const join = (holder: string, { db = database, ttlMs = LONG_TTL_MS } = {}) => {
    const stopping = new AbortController()
    const asked = { times: 0, inVain: 0 }
    const counted = createSql(db)
    const sql: Sql = {
      async query<Row extends object>(statement: string, parameters: readonly unknown[]) {
        asked.times += 1
        try {
          return await counted.query<Row>(statement, parameters)
        } catch (error) {
          asked.inVain += 1
          throw error
        }
      },
    }
    const options = { sql, chain, holder, logger: createSilentLogger(), ttlMs }
    const over = leadWhileHeld(options, stopping.signal, async (token, lost) => {
      leaders.push(holder)
      tokens.push(token)
      const end = AbortSignal.any([lost, stopping.signal])
      await new Promise<void>((resolve) => {
        if (end.aborted) resolve()
        else end.addEventListener('abort', () => resolve())
      })
      leaders.splice(leaders.indexOf(holder), 1)
    })
    const stop = async () => {
      stopping.abort()
      await over
    }
    onTestFinished(stop)
    return { stop, asked }
  }
  return { chain, leaders, tokens, join }
}

describe('the lease', () => {
  it('lets one scheduler of a chain lead, and those of other chains too', async () => {
    const one = createChain()
    const other = createChain()
    const schedulers = ['a', 'b', 'c'].map((holder) => one.join(holder))
    other.join('x')
    await waitFor(() => other.leaders.length > 0 && schedulers.every(({ asked }) => asked.times >= 2), {
      describe: 'all to have asked for the lease, or renewed it, again and again',
    })
    expect(one.leaders).toHaveLength(1)
    expect(one.tokens).toHaveLength(1)
    expect(other.leaders).toEqual(['x'])
  })

  it('passes at once to a standby when the leader stops', async () => {
    const { leaders, tokens, join } = createChain()
    const first = join('a')
    await waitFor(() => leaders.includes('a'), { describe: 'a to lead' })
    join('b')
    await first.stop()
    await waitFor(() => leaders.includes('b'), { describe: 'b to lead' })
    expect(leaders).toEqual(['b'])
    expect(tokens).toEqual([1, 2])
  })

  it('passes to a standby when the leader is cut off, and the leader finds out when it comes back', async () => {
    const proxy = await startTcpProxy({ target: url })
    onTestFinished(() => proxy.stop())
    const cutOff = open(proxy.url)
    onTestFinished(() => cutOff.close())
    const { leaders, tokens, join } = createChain()
    join('a', { db: cutOff, ttlMs: SHORT_TTL_MS })
    await waitFor(() => leaders.includes('a'), { describe: 'a to lead' })
    join('b')
    proxy.stall()
    await waitFor(() => leaders.includes('b'), { describe: 'b to take over' })
    expect(tokens).toEqual([1, 2])
    proxy.resume()
    await waitFor(() => !leaders.includes('a'), { describe: 'a to stand by' })
    expect(leaders).toEqual(['b'])
  })

  it('does not keep a leader from stopping while the database stalls', async () => {
    const proxy = await startTcpProxy({ target: url })
    onTestFinished(() => proxy.stop())
    const stalled = open(proxy.url)
    onTestFinished(() => stalled.close())
    const { leaders, join } = createChain()
    const { stop, asked } = join('a', { db: stalled, ttlMs: SHORT_TTL_MS })
    await waitFor(() => leaders.includes('a'), { describe: 'a to lead' })
    proxy.stall()
    const before = asked.times
    await waitFor(() => asked.times > before, { describe: 'a to renew its lease in vain' })
    const begun = performance.now()
    await stop()
    // A query that gets no answer ends after 20 s.
    expect(performance.now() - begun).toBeLessThan(15_000)
  })

  it('stays with the leader while the database is away for longer than its lifetime', async () => {
    const proxy = await startTcpProxy({ target: url })
    onTestFinished(() => proxy.stop())
    const shared = open(proxy.url)
    onTestFinished(() => shared.close())
    const { chain, leaders, tokens, join } = createChain()
    const { asked } = join('a', { db: shared, ttlMs: SHORT_TTL_MS })
    await waitFor(() => leaders.includes('a'), { describe: 'a to lead' })
    proxy.refuse()
    proxy.cut()
    // It renews every third of its lifetime.
    await waitFor(() => asked.inVain >= 5, { describe: 'a to fail to renew for longer than a lifetime' })
    await proxy.accept()
    await waitFor(
      async () => {
        const [lease] = await database.query<{ live: boolean }>(
          'select expires_at > now() as live from blockmill.scheduler_lease where chain = $1',
          [chain],
        )
        return lease?.live
      },
      { describe: 'a to renew its lease' },
    )
    expect(leaders).toEqual(['a'])
    expect(tokens).toEqual([1])
  })
})
