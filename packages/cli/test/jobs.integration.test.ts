import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'

import { discoverTasks } from '@blockmill/core'
import { createScriptedChain } from '@blockmill/testkit'
import { testBroker, testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { blockmill, blockmillInterrupted } from './blockmill.ts'
import { runHere } from './run-here.ts'
import { startWholeSystem, type WholeSystem } from './whole-system.ts'

const TASKS = (core: string) => `
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { defineRangeTask, defineTask, RangeTooLarge } from '${core}'

export const live = defineTask({ name: 'live', condition: () => false, run: () => null })
export const numbered = defineRangeTask({
  name: 'numbered',
  batchSize: 50,
  schema: {
    type: 'object',
    properties: { failAt: { type: 'integer' }, failWhile: { type: 'string' }, holdWhile: { type: 'string' } },
    additionalProperties: false,
  },
  retry: { maxAttempts: 1 },
  async run({ range, args, emit }) {
    if (range.to - range.from >= 100) throw new RangeTooLarge()
    while (args.holdWhile !== undefined && existsSync(args.holdWhile)) await delay(20)
    for (let block = range.from; block <= range.to; block += 1) {
      if (block === args.failAt && existsSync(args.failWhile)) throw new Error('no such block')
      await emit([{ block, value: String(10n ** 24n + BigInt(block)), ratio: block / 4, even: block % 2 === 0, logs: block % 5 === 0 ? [block] : null }])
    }
  },
})
export const elsewhere = defineRangeTask({ name: 'elsewhere', chains: ['mainnet'], run: () => null })
`

const amqp = testBroker()
const { url } = testDatabase()

let system: WholeSystem
let folder = ''
let environment: Record<string, string> = {}

const jobs = (...args: readonly string[]) => runHere(['jobs', ...args], environment)
const inFolder = (name: string): string => path.join(folder, name)
const rowOf = (block: number) => ({
  block,
  value: String(10n ** 24n + BigInt(block)),
  ratio: block / 4,
  even: block % 2 === 0,
  logs: block % 5 === 0 ? [block] : null,
})
const ndjsonOf = (blocks: readonly number[]): string =>
  blocks.map((block) => `${JSON.stringify(rowOf(block))}\n`).join('')
const BLOCKS = Array.from({ length: 700 }, (_, index) => 1_000 + index)
const RANGE = ['--task', 'numbered', '--from', '1000', '--to', '1699']

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'jobs-'))
  await mkdir(inFolder('tasks'))
  await writeFile(inFolder('tasks/tasks.ts'), TASKS(import.meta.resolve('@blockmill/core')))
  environment = {
    DATABASE_URL: url,
    BLOCKMILL_TASKS: folder,
    BLOCKMILL_CHAIN: 'dev',
    BLOCKMILL_RESULTS_DIR: inFolder('results'),
  }
  system = await startWholeSystem({
    brokerUrl: amqp.url,
    namespace: amqp.namespace,
    databaseUrl: url,
    chain: createScriptedChain({ head: 10 }),
    registry: await discoverTasks([folder]),
    concurrency: 8,
    resultsDir: inFolder('results'),
  })
})
afterAll(async () => {
  await system?.stop()
  await rm(folder, { recursive: true })
})

describe('a range job in the whole system', () => {
  it.each(['postgres', 'ndjson'])('is started, watched to its end, and exported, with its rows in %s', async (sink) => {
    const watched = await jobs('start', ...RANGE, '--sink', sink, '--watch')
    expect(watched).toMatchObject({ status: 0, stderr: expect.stringContaining('completed') as string })
    expect(watched.stdout).toContain('700 of 700 blocks done')
    expect(watched.stdout).toContain('700 rows')
    expect(watched.stdout).toContain('14 succeeded')
    const [id = ''] = watched.stdout.split('\n')

    expect(await jobs('results', id)).toMatchObject({ status: 0, stdout: ndjsonOf(BLOCKS), stderr: '' })
    expect((await jobs('results', id, '--limit', '3')).stdout).toBe(ndjsonOf([1000, 1001, 1002]))

    const csv = inFolder(`${sink}.csv`)
    const args = ['jobs', 'export', id, '--format', 'csv', '--output', csv]
    expect(await blockmill(args, { environment, cwd: folder })).toEqual({
      status: 0,
      stdout: '',
      stderr: '700 rows of 700 blocks.\n',
    })
    const lines = (await readFile(csv, 'utf8')).split('\r\n')
    expect(lines.slice(0, 3)).toEqual([
      'block,value,ratio,even,logs',
      `1000,${10n ** 24n + 1_000n},250,true,[1000]`,
      `1001,${10n ** 24n + 1_001n},250.25,false,`,
    ])
    expect(lines).toHaveLength(702)

    const zipped = inFolder(`${sink}.ndjson`)
    await jobs('export', id, '--output', zipped, '--compress', 'gzip')
    expect(gunzipSync(await readFile(zipped)).toString()).toBe(ndjsonOf(BLOCKS))
    await jobs('export', id, '--output', zipped, '--compress', 'zstd', '--force')
    expect(zstdDecompressSync(await readFile(zipped)).toString()).toBe(ndjsonOf(BLOCKS))

    const parquet = inFolder(`${sink}.parquet`)
    await jobs('export', id, '--format', 'parquet', '--output', parquet)
    const answer = await fetch(new URL(`/api/v1/jobs/${id}/results?format=parquet`, system.api))
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(await readFile(parquet))
    // Nothing but what was asked for is there.
    expect((await readdir(folder)).filter((name) => name.includes('.tmp'))).toEqual([])

    expect(await jobs('delete', id)).toMatchObject({ status: 0 })
    expect(await jobs('status', id)).toMatchObject({ status: 1, stderr: expect.stringContaining(id) as string })
    expect(await readdir(inFolder('results')).catch(() => [])).toEqual([])
  })

  it('splits batches that are too large, and leaves no file behind that exists already or is incomplete', async () => {
    const started = await jobs('start', ...RANGE, '--batch-size', '400', '--watch', '--json')
    const job = JSON.parse(started.stdout) as { id: string; batches: object }
    expect({ status: started.status, job }).toMatchObject({ status: 0, job: { rows: 700, batches: { split: 6 } } })
    const file = inFolder('kept.csv')
    await writeFile(file, 'mine')
    expect(await jobs('export', job.id, '--format', 'csv', '--output', file)).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('exists') as string,
    })
    expect(await readFile(file, 'utf8')).toBe('mine')
    expect(await jobs('export', job.id, '--format', 'csv', '--columns', 'block,colour')).toMatchObject({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('No row has a column "colour"') as string,
    })
    expect((await jobs('export', job.id, '--format', 'csv', '--columns', 'even,block')).stdout).toMatch(
      /^even,block\r\ntrue,1000\r\n/,
    )
  })

  it('ends with status 1 and the block that is missing, and is complete when that is tried again', async () => {
    const flag = inFolder('failing')
    await writeFile(flag, '')
    const args = JSON.stringify({ failAt: 1_234, failWhile: flag })
    const started = await jobs('start', ...RANGE, '--args', args, '--watch')
    expect(started.status).toBe(1)
    expect(started.stderr).toContain('completed_with_failures')
    expect(started.stdout).toContain('1 blocks missing: 1234\n')
    const [id = ''] = started.stdout.split('\n')
    expect((await jobs('status', id)).status).toBe(1)
    expect(await jobs('results', id)).toMatchObject({ status: 1, stdout: '' })
    expect(await jobs('export', id, '--output', inFolder('partial'))).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('completed_with_failures: its results are not complete') as string,
    })
    expect(await readdir(folder)).not.toContain('partial')
    const partial = await jobs('export', id, '--allow-partial')
    expect(partial.stdout).toBe(ndjsonOf(BLOCKS.filter((block) => block !== 1_234)))
    expect(partial.stderr).toContain('699 rows of 699 blocks, which is not all: the job is completed_with_failures')

    await rm(flag)
    expect(await jobs('retry-failed', id)).toMatchObject({ status: 0, stdout: `${id} is pending.\n` })
    expect(await jobs('status', id, '--watch')).toMatchObject({ status: 0 })
    expect((await jobs('results', id)).stdout).toBe(ndjsonOf(BLOCKS))
  })

  it('goes on when the one who watches it is interrupted', async () => {
    const flag = inFolder('holding')
    await writeFile(flag, '')
    onTestFinished(() => rm(flag, { force: true }))
    const held = JSON.stringify({ holdWhile: flag })
    const id = (await jobs('start', ...RANGE, '--args', held)).stdout.trim()
    const watched = await blockmillInterrupted(['jobs', 'status', id, '--watch'], { environment, said: 'running' })
    expect(watched.status).toBe(130)
    expect(watched.stderr).toContain('The range job goes on without being watched.')
    await rm(flag)
    expect(await jobs('status', id, '--watch')).toMatchObject({ status: 0 })
  })
})

describe('blockmill jobs', () => {
  it.each([
    ['an unknown task', ['--task', 'unknown', '--from', '0', '--to', '9'], "There is no task 'unknown'"],
    ['a task of blocks', ['--task', 'live', '--from', '0', '--to', '9'], "Task 'live' runs for blocks"],
    ['a task of another chain', ['--task', 'elsewhere', '--from', '0', '--to', '9'], 'for mainnet alone'],
    ['from above to', ['--task', 'numbered', '--from', '10', '--to', '9'], 'from is 10 and to is 9'],
    ['no size', [...RANGE, '--batch-size', '0'], 'batchSize is 0'],
    ['too many batches', ['--task', 'numbered', '--from', '0', '--to', '99999999'], 'at most 1000000'],
    ['arguments that the schema refuses', [...RANGE, '--args', '{"failAt":"never"}'], 'failAt'],
  ])('refuses %s at once', async (_, args, message) => {
    const ids = async () => (JSON.parse((await jobs('list', '--json')).stdout) as { id: string }[]).map(({ id }) => id)
    const before = await ids()
    const { status, stdout, stderr } = await jobs('start', ...args)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(message)
    expect(await ids()).toEqual(before)
  })

  it('lists jobs by task and state, and says when there is none', async () => {
    const [id] = (await jobs('start', ...RANGE, '--watch')).stdout.split('\n')
    const listed = JSON.parse((await jobs('list', '--task', 'numbered', '--state', 'completed', '--json')).stdout) as {
      id: string
      state: string
    }[]
    expect(listed).toContainEqual(expect.objectContaining({ id }))
    expect(listed.every(({ state }) => state === 'completed')).toBe(true)
    expect((await jobs('list')).stdout).toContain('completed')
    expect((await jobs('list', '--task', 'nothing')).stdout).toBe('There is no range job on record.\n')
    expect((await jobs('status')).stdout).toContain('There is no such range job.')
  })

  it('is about ids that are on record', async () => {
    for (const command of ['status', 'pause', 'results', 'export', 'delete']) {
      const { status, stderr } = await jobs(command, '019a0000-0000-7000-8000-00000000ffff')
      expect({ command, status }).toEqual({ command, status: 1 })
      expect(stderr).toContain('019a0000-0000-7000-8000-00000000ffff')
    }
  })

  it('shows range tasks beside those of blocks', async () => {
    const { stdout } = await runHere(['tasks', 'list'], environment)
    expect(stdout).toMatch(/live +substrate .*\nelsewhere +any +over ranges, in batches of 1000000 /)
    expect(stdout).toContain('over ranges, in batches of 50')
    expect(stdout).toContain('3 tasks')
  })
})
