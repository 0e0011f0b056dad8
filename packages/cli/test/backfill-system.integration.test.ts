import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

import {
  createSilentLogger,
  createTaskRegistry,
  type Database,
  DEFAULT_BACKFILL_WINDOW,
  defineTask,
  openDatabase,
} from '@blockmill/core'
import { createScriptedChain, type ScriptedChain, waitFor } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { blockmill } from './blockmill.ts'
import { startWholeSystem, type WholeSystem } from './whole-system.ts'

const BLOCKS = 100_000
const amqp = testBroker()
const { url } = testDatabase()
const logger = createSilentLogger()
/** In the order in which they were. */
const started = new Set<number>()
const definition = defineTask({
  name: 'noted',
  run({ block }) {
    started.add(block.number)
    return null
  },
})

let database: Database
let chain: ScriptedChain
let system: WholeSystem
let folder = ''
let environment: Record<string, string> = {}

beforeAll(async () => {
  database = openDatabase({ url, logger })
  chain = createScriptedChain({ head: BLOCKS })
  system = await startWholeSystem({
    brokerUrl: amqp.url,
    namespace: amqp.namespace,
    databaseUrl: url,
    chain,
    registry: createTaskRegistry([{ definition, file: 'test.ts' }]),
    concurrency: 20,
  })
  folder = await mkdtemp(path.join(os.tmpdir(), 'tasks-'))
  await mkdir(path.join(folder, 'tasks'))
  const core = import.meta.resolve('@blockmill/core')
  const text = `import { defineTask } from '${core}'\nexport const noted = defineTask({ name: 'noted', run: () => null })`
  await writeFile(path.join(folder, 'tasks', 'tasks.ts'), text)
  environment = { DATABASE_URL: url, BLOCKMILL_TASKS: folder, BLOCKMILL_CHAIN: 'dev' }
})
afterAll(async () => {
  await system.stop()
  await database.close()
  await rm(folder, { recursive: true })
})

const countOf = async (where: string): Promise<number> => {
  const [row] = await database.query<{ count: number }>(`select count(*) as count from blockmill.task where ${where}`)
  return row?.count ?? 0
}

describe('a back-fill in the whole system', () => {
  it('ends with every block recorded as succeeded, and starts blocks at the head before all that waits', async () => {
    const options = ['--from', '0', '--to', String(BLOCKS - 1), '--chunk', '100']
    const watching = blockmill(['backfill', 'start', '--task', 'noted', ...options, '--watch'], {
      environment,
      timeoutMs: 250_000,
    })
    const over = new AbortController()
    void watching.finally(() => over.abort())
    await waitFor(() => started.size > 0, { describe: 'the back-fill to begin', timeoutMs: 60_000 })
    /** How many blocks of the back-fill were started while a block at the head waited. */
    const overtaken: number[] = []
    for (let number = BLOCKS + 1; overtaken.length < 20; number += 1) {
      const share = (overtaken.length * BLOCKS) / 25
      await waitFor(() => over.signal.aborted || started.size > share, { describe: `${share} blocks`, intervalMs: 5 })
      if (over.signal.aborted) break
      const before = started.size
      chain.advance()
      await waitFor(() => started.has(number), { describe: `block ${number} to start` })
      overtaken.push([...started.keys()].indexOf(number) - before)
    }
    const { status, stdout, stderr } = await watching
    expect({ status, stderr }).toMatchObject({ status: 0, stderr: expect.stringContaining('completed') })
    expect(stdout).toContain(`${BLOCKS} of ${BLOCKS} blocks done`)
    expect(overtaken.length).toBeGreaterThan(0)
    expect(Math.max(...overtaken)).toBeLessThan(DEFAULT_BACKFILL_WINDOW)
    await waitFor(async () => (await countOf(`status = 'succeeded' and block_number < ${BLOCKS}`)) === BLOCKS, {
      describe: 'every task to be recorded',
      timeoutMs: 100_000,
    })
  }, 400_000)

  it('runs covered blocks again when it is forced, each time, and keeps what was before', async () => {
    for (const round of [1, 2]) {
      const response = await fetch(new URL('/api/v1/backfills', system.api), {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ task: 'noted', from: 100, to: 149, chunk: 10, force: true }),
      })
      expect(response.status).toBe(201)
      const { id } = (await response.json()) as { id: string }
      await waitFor(
        async () => {
          const answer = await fetch(new URL(`/api/v1/backfills/${id}`, system.api))
          const job = (await answer.json()) as { state: string; tasks: { succeeded: number } }
          return job.state === 'completed' && job.tasks.succeeded === 50
        },
        { describe: 'the forced tasks to succeed', timeoutMs: 20_000 },
      )
      const [attempts] = await database.query<{ count: number }>(
        `select count(*) as count from blockmill.task_attempt where outcome = 'succeeded'`,
      )
      expect(attempts?.count).toBe(50 * round)
    }
    expect(await countOf(`block_number between 100 and 149 and status = 'succeeded' and generation > 0`)).toBe(50)
    expect(await countOf(`block_number < ${BLOCKS}`)).toBe(BLOCKS)
  }, 60_000)
})
