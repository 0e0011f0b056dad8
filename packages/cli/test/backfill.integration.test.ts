import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

import { argsHash, createSilentLogger, type Database, migrate, openDatabase } from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'

import { blockmillInterrupted } from './blockmill.ts'
import { runHere } from './run-here.ts'

const logger = createSilentLogger()
const { url } = testDatabase({
  migrate: async (templateUrl) => {
    const template = openDatabase({ url: templateUrl, logger })
    await migrate(template, { logger })
    await template.close()
  },
})
const NOBODY = '019a0000-0000-7000-8000-00000000ffff'
const TASKS = `
import { defineTask, everyNBlocks } from '${import.meta.resolve('@blockmill/core')}'
export const tenth = defineTask({ name: 'tenth', condition: everyNBlocks(10), args: [{ netuid: 1 }], run: () => null })
export const elsewhere = defineTask({ name: 'elsewhere', chains: ['other'], run: () => null })
`

let database: Database
let folder: string
let environment: Record<string, string>

beforeAll(async () => {
  database = openDatabase({ url, logger })
  folder = await mkdtemp(path.join(os.tmpdir(), 'tasks-'))
  await mkdir(path.join(folder, 'tasks'))
  await writeFile(path.join(folder, 'tasks', 'tasks.ts'), TASKS)
  environment = { DATABASE_URL: url, BLOCKMILL_TASKS: folder, BLOCKMILL_CHAIN: 'dev' }
})
afterAll(async () => {
  await rm(folder, { recursive: true })
  await database.close()
})
beforeEach(() => database.query('truncate blockmill.backfill, blockmill.coverage cascade'))

const backfill = (...args: string[]) => runHere(['backfill', ...args], environment)
const range = ['--task', 'tenth', '--from', '0', '--to', '99']
const start = async (...args: string[]): Promise<string> => (await backfill('start', ...range, ...args)).stdout.trim()
const setState = (id: string, state: string) =>
  database.query('update blockmill.backfill set state = $2 where id = $1', [id, state])
const progress = (id: string, evaluated: string) =>
  database.query(
    `insert into blockmill.backfill_part (backfill, args_hash, args, target, evaluated) values ($1, 'h', '{"netuid":1}', '{[0,100)}', $2)
     on conflict (backfill, args_hash) do update set evaluated = excluded.evaluated`,
    [id, evaluated],
  )

describe('blockmill backfill start', () => {
  it('puts a job on record and prints its id, with and without the word start', async () => {
    const options = ['--args', '{"netuid":3}', '--chunk', '100', '--window', '50', '--rate', '2.5', '--force']
    const { status, stdout, stderr } = await backfill(...range, ...options)
    expect(status).toBe(0)
    expect(stdout).toMatch(/^[0-9a-f-]{36}\n$/)
    expect(stderr).toContain("pending: no scheduler leads chain 'dev' at the moment")
    const shown = await backfill('status', stdout.trim(), '--json')
    expect(JSON.parse(shown.stdout)).toMatchObject({
      id: stdout.trim(),
      chain: 'dev',
      task: 'tenth',
      head: 'finalized',
      from: 0,
      to: 99,
      args: { netuid: 3 },
      chunk: 100,
      window: 50,
      rate: 2.5,
      force: true,
      state: 'pending',
      total: null,
    })
    const second = await backfill('start', ...range, '--json')
    expect(JSON.parse(second.stdout)).toMatchObject({ state: 'pending', generation: 0 })
    expect((await backfill('list')).stdout.trim().split('\n')).toHaveLength(4)
  })

  it('counts what it would schedule, and puts nothing on record, with --dry-run', async () => {
    await database.query(
      `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
       select 'dev', 'tenth', $1, 'finalized', '{"netuid":1}', 0, '{[20,40),[80,81)}'`,
      [argsHash({ netuid: 1 })],
    )
    const { status, stdout } = await backfill('start', ...range, '--dry-run')
    expect(status).toBe(0)
    // Of 0, 10, …, 90 two are covered, and 80 is the last that the live run has come to.
    expect(stdout).toContain('6 tasks of tenth on queue default, lane low, for 60 blocks of 0 to 99')
    expect(stdout).toContain('Estimated time: unknown')
    const forced = await backfill('start', ...range, '--dry-run', '--force', '--json')
    expect(JSON.parse(forced.stdout)).toMatchObject({ tasks: 9 })
    expect((await backfill('list')).stdout).toContain('There is no back-fill on record.')
  })

  it.each([
    ['a block below 0', ['--from', '-1'], 'from is -1; it must be a block number'],
    [
      'all that is wrong at once',
      ['--from', '100', '--chunk', '501', '--window', '0', '--rate', '0'],
      'from is 100 and to is 99; the first block may not be above the last; chunk is 501; it must be a whole number from ' +
        '1 to 500; window is 0; it must be a whole number from 1 to 1000000; rate is 0; it must be above 0',
    ],
    ['an unknown task', ['--task', 'eleventh'], "There is no task 'eleventh'"],
    ['a task of another chain', ['--task', 'elsewhere'], "task 'elsewhere' is for other alone, not for chain 'dev'"],
  ])('refuses %s with status 1', async (_what, change, message) => {
    const { status, stdout, stderr } = await backfill('start', ...range, ...change)
    expect({ status, stdout, stderr }).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining(message),
    })
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })

  it.each([
    ['arguments that are no JSON', [...range, '--args', '{netuid'], 'It is not JSON'],
    ['a block that is no number', [...range, '--to', 'ten'], 'It must be a number.'],
    ['no task', ['--from', '1', '--to', '2'], "required option '--task <name>' not specified"],
  ])('takes %s for wrong usage', async (_what, args, message) => {
    const { status, stderr } = await backfill('start', ...args)
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringContaining(message) })
  })
})

describe('blockmill backfill pause, resume and cancel', () => {
  it('say what the job is then, and refuse what its state does not allow', async () => {
    const id = await start()
    expect((await backfill('pause', id)).stdout).toBe(`${id} is paused.\n`)
    expect((await backfill('resume', id)).stdout).toBe(`${id} is pending.\n`)
    expect((await backfill('cancel', id)).stdout).toBe(`${id} is cancelled.\n`)
    await setState(id, 'completed')
    expect(await backfill('resume', id)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: `Back-fill ${id} is completed: only one that is paused or failed can be resumed.\n`,
    })
    expect(await backfill('pause', NOBODY)).toMatchObject({ status: 1, stderr: expect.stringContaining(NOBODY) })
    expect(await backfill('status', 'seventeen')).toMatchObject({
      status: 1,
      stderr: 'No back-fill with the id "seventeen" is on record.\n',
    })
  })
})

describe('--watch', () => {
  it.each([
    ['completed', 0],
    ['failed', 1],
    ['cancelled', 1],
  ])('ends with a job that is %s, with status %i', async (state, expected) => {
    const id = await start()
    await progress(id, '{[0,40)}')
    await setState(id, 'running')
    const watching = backfill('status', id, '--watch')
    await progress(id, '{[0,100)}')
    await setState(id, state)
    const { status, stdout, stderr } = await watching
    expect(status).toBe(expected)
    expect(stderr).toContain(`${state}\n`)
    expect(stdout).toContain('100 of 100 blocks done')
  })

  it('leaves the job alone when it is interrupted', async () => {
    const id = await start()
    await progress(id, '{[0,40)}')
    await setState(id, 'running')
    const watched = await blockmillInterrupted(['backfill', 'status', id, '--watch'], { environment, said: 'running' })
    expect(watched.status).toBe(130)
    expect(watched.stderr).toContain('The back-fill goes on without being watched.')
    expect(JSON.parse((await backfill('status', id, '--json')).stdout).state).toBe('running')
  })
})
