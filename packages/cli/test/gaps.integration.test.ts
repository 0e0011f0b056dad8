import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

import { argsHash, createSilentLogger, type Database, migrate, openDatabase, taskId } from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { runHere } from './run-here.ts'

const logger = createSilentLogger()
const { url } = testDatabase()
const environment = { DATABASE_URL: url }
const core = import.meta.resolve('@blockmill/core')
const NONE = argsHash({})

let database: Database
let folder = ''

beforeAll(async () => {
  database = openDatabase({ url, logger })
  await migrate(database, { logger })
  await database.query(
    `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
     values ('dev', 'holed', $1, 'finalized', '{}', 100, '{[100,150),[160,200)}'), ('dev', 'whole', $1, 'finalized', '{}', 1, '{[1,200)}')`,
    [NONE],
  )
  const ids = [7, 8].map((number) => taskId({ chain: 'dev', task: 'whole', args: {}, block: { number } }))
  await database.query(
    `insert into blockmill.task (id, chain, name, queue, block_number, args, args_hash, status, attempt, postpones, changed_at, finished_at)
     values ($1, 'dev', 'whole', 'default', 7, '{}', $3, 'failed', 1, 0, now(), now()),
       ($2, 'dev', 'whole', 'default', 8, '{}', $3, 'succeeded', 1, 0, now(), now())`,
    [...ids, NONE],
  )
  folder = await mkdtemp(path.join(os.tmpdir(), 'tasks-'))
  await mkdir(path.join(folder, 'tasks'))
  await writeFile(
    path.join(folder, 'tasks', 'tasks.ts'),
    `import { defineTask, everyNBlocks } from '${core}'
     const run = () => null
     export const tenth = defineTask({ name: 'tenth', condition: everyNBlocks(10), args: [{ netuid: 1 }, { netuid: 3 }], run })
     export const fragile = defineTask({
       name: 'fragile',
       condition: ({ number }) => {
         if (number === 5) throw new Error('not the fifth')
         return number % 2 === 1
       },
       backfill: { queue: 'slow' },
       run,
     })`,
  )
})
afterAll(async () => {
  await database.close()
  await rm(folder, { recursive: true })
})

describe('blockmill gaps', () => {
  it('shows what is missing, unfinished and failed, and ends with status 1 when blocks are missing', async () => {
    const { status, stdout } = await runHere(['gaps'], environment)
    expect(status).toBe(1)
    expect(stdout).toMatch(/^dev +holed +\{\} +finalized +100 +199 +- +10 +0 +0 +150-159$/m)
    expect(stdout).toMatch(/^dev +whole +\{\} +finalized +1 +199 +- +0 +0 +1 +-$/m)
    expect(stdout).toContain('10 missing, 0 unfinished, 1 failed.')
  })

  it('ends with status 0 when no block is missing, and with --strict only when every task has succeeded', async () => {
    const args = ['gaps', '--task', 'whole']
    expect(await runHere(args, environment)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('No block is missing'),
    })
    expect((await runHere([...args, '--strict'], environment)).status).toBe(1)
    expect((await runHere([...args, '--strict', '--from', '8'], environment)).status).toBe(0)
  })

  it('is JSON for programs, limited to the blocks that are asked for', async () => {
    const { status, stdout } = await runHere(
      ['gaps', '--task', 'holed', '--from', '155', '--to', '170', '--json'],
      environment,
    )
    expect(status).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject([
      { task: 'holed', evaluatedCount: 11, missing: { count: 5, ranges: [{ from: 155, to: 159 }], isCut: false } },
    ])
  })

  it('shows all sets of arguments, however many there are', async () => {
    await database.query(
      `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
       select 'many', 'a', lpad(to_hex(n), 16, '0'), 'finalized', '{}', 0, '{[0,10)}' from generate_series(1, 450) as n`,
    )
    const { stdout } = await runHere(['gaps', '--chain', 'many', '--json'], environment)
    await database.query(`delete from blockmill.coverage where chain = 'many'`)
    const hashes = (JSON.parse(stdout) as { argsHash: string }[]).map(({ argsHash: hash }) => hash)
    expect(new Set(hashes).size).toBe(450)
    expect(hashes).toHaveLength(450)
  })

  it.each([
    ['a task that is not on record', ['--task', 'typo'], 1, "no coverage of task 'typo'"],
    ['a range upside down', ['--from', '9', '--to', '8'], 1, 'Range 9–8 is invalid'],
    ['what is no block', ['--from', '-1'], 2, 'It must be a block number'],
  ])('refuses %s', async (_case, args, expected, text) => {
    const { status, stdout, stderr } = await runHere(['gaps', ...args], environment)
    expect({ status, stdout }).toEqual({ status: expected, stdout: '' })
    expect(stderr).toContain(text)
  })
})

describe('blockmill tasks dry-run', () => {
  const dryRun = (args: readonly string[], env: Record<string, string> = {}) =>
    runHere(['tasks', 'dry-run', '--tasks', folder, ...args], env)

  it('counts tasks for each set of arguments, without database and chain', async () => {
    const { status, stdout } = await dryRun(['--task', 'tenth', '--from', '100', '--to', '1000', '--list', '2'])
    expect(status).toBe(0)
    expect(stdout).toMatch(/^\{"netuid":1\} +default +low +901 +91 +100 +1000 +0$/m)
    expect(stdout).toContain('{"netuid":3}: 100 110\n')
    expect(stdout).toContain('182 tasks of tenth on queue default, lane low')
    expect(stdout).toContain('Estimated time: unknown')
  })

  it('estimates the time by what has ended within five minutes', async () => {
    const args = ['--task', 'tenth', '--from', '1', '--to', '100', '--args', '{"netuid":9}', '--json']
    const { stdout } = await dryRun(args, environment)
    expect(JSON.parse(stdout)).toMatchObject({
      tasks: 10,
      ratePerSecond: 2 / 300,
      estimatedSeconds: 1_500,
      runs: [{ args: { netuid: 9 }, count: 10 }],
    })
  })

  it('tells which conditions failed, counts the rest, and ends with status 1', async () => {
    const { status, stdout } = await dryRun(['--task', 'fragile', '--from', '1', '--to', '10'])
    expect(status).toBe(1)
    expect(stdout).toMatch(/^\{\} +slow +low +10 +4 +1 +9 +1$/m)
    expect(stdout).toContain('block 5 failed: not the fifth')
  })

  it('refuses a task that is not there', async () => {
    const { status, stderr } = await dryRun(['--task', 'typo', '--from', '1', '--to', '10'])
    expect(status).toBe(1)
    expect(stderr).toContain("There is no task 'typo'")
  })
})
