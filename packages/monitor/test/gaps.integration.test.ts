import { beforeEach, describe, expect, it } from 'vitest'

import { argsHash, taskId } from '@blockmill/core'

import { readOpenBlocks } from '../src/http/open-blocks.ts'
import { testApi } from './test-api.ts'

const api = testApi()
const ARGS = { netuid: 1 }
const HASH = argsHash(ARGS)

beforeEach(() => api.database.query('truncate blockmill.coverage, blockmill.task, blockmill.chain'))

async function get(path: string) {
  const response = await api.app.inject({ url: path, headers: { host: '127.0.0.1' } })
  return { status: response.statusCode, body: response.json() }
}

/** Coverage of `task` with `ARGS`. */
async function cover(task: string, evaluated: string, { start = 0, chain = 'dev', head = 'finalized' } = {}) {
  await api.database.query(
    `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [chain, task, HASH, head, JSON.stringify(ARGS), start, evaluated],
  )
}

async function record(task: string, status: string, blocks: readonly number[]): Promise<void> {
  const ids = blocks.map((number) => taskId({ chain: 'dev', task, args: ARGS, block: { number } }))
  await api.database.query(
    `insert into blockmill.task (id, chain, name, block_number, args, args_hash, status, attempt, postpones, changed_at)
     select id, 'dev', $1, block, $2, $3, $4, 1, 0, now() from unnest($5::uuid[], $6::bigint[]) as one (id, block)`,
    [task, JSON.stringify(ARGS), HASH, status, ids, blocks],
  )
}

const blocks = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index)
const none = { count: 0, ranges: [], isCut: false }

describe('GET /api/v1/gaps', () => {
  it('shows missing, unfinished and failed blocks as ranges, and how many there are', async () => {
    await cover('a', '{[100,150),[160,200)}', { start: 90 })
    await record('a', 'succeeded', blocks(100, 120))
    await record('a', 'scheduled', blocks(190, 199))
    await record('a', 'running', [188])
    await record('a', 'retrying', [189])
    await record('a', 'postponed', [170])
    await record('a', 'failed', [121, 122, 130])
    await record('a', 'dead', [123])
    await record('a', 'cancelled', [140])
    expect((await get('/api/v1/gaps')).body).toEqual({
      gaps: [
        {
          chain: 'dev',
          task: 'a',
          argsHash: HASH,
          args: ARGS,
          head: 'finalized',
          startBlock: 90,
          headNumber: null,
          evaluatedTo: 199,
          evaluatedCount: 90,
          updatedAt: expect.any(String),
          missing: {
            count: 20,
            ranges: [
              { from: 90, to: 99 },
              { from: 150, to: 159 },
            ],
            isCut: false,
          },
          unfinished: {
            count: 13,
            ranges: [
              { from: 170, to: 170 },
              { from: 188, to: 199 },
            ],
            isCut: false,
          },
          failed: {
            count: 4,
            ranges: [
              { from: 121, to: 123 },
              { from: 130, to: 130 },
            ],
            isCut: false,
          },
        },
      ],
    })
  })

  it('takes no block for missing whose task was pruned', async () => {
    await cover('a', '{[1,101)}', { start: 1 })
    await record('a', 'succeeded', blocks(1, 100))
    await api.database.query(`delete from blockmill.task where block_number <= 90`)
    expect((await get('/api/v1/gaps')).body.gaps[0]).toMatchObject({
      evaluatedCount: 100,
      missing: none,
      unfinished: none,
      failed: none,
    })
    expect((await get('/api/v1/coverage')).body.coverage[0]).toMatchObject({ evaluatedCount: 100, gapCount: 0 })
  })

  it('shows nothing missing before the first block was evaluated, nor before the start block', async () => {
    await cover('new', '{}', { start: 500 })
    await cover('restarted', '{[10,20),[500,510)}', { start: 500 })
    const { gaps } = (await get('/api/v1/gaps')).body
    expect(gaps).toMatchObject([
      { task: 'new', evaluatedTo: null, missing: none },
      { task: 'restarted', evaluatedTo: 509, missing: none },
    ])
  })

  it('takes blocks up to the head for missing when the head went on and the task did not', async () => {
    await cover('stuck', '{[10,100)}', { start: 10 })
    await cover('never-ran', '{}', { start: 50 })
    await cover('on-latest', '{[10,100)}', { start: 10, head: 'latest' })
    await api.database.query(`update blockmill.coverage set updated_at = now() - interval '1 minute'`)
    await cover('working', '{[10,100)}', { start: 10 })
    await cover('elsewhere', '{[10,100)}', { start: 10, chain: 'other' })
    await api.database.query(
      `insert into blockmill.chain (id, genesis_hash, finalized_number, latest_number, heads_at) values ('dev', '0x', 120, 125, now())`,
    )
    const { gaps } = (await get('/api/v1/gaps')).body
    expect(gaps).toMatchObject([
      {
        task: 'never-ran',
        headNumber: 120,
        evaluatedTo: null,
        missing: { count: 71, ranges: [{ from: 50, to: 120 }] },
      },
      { task: 'on-latest', headNumber: 125, missing: { count: 26, ranges: [{ from: 100, to: 125 }] } },
      { task: 'stuck', headNumber: 120, evaluatedTo: 99, missing: { count: 21, ranges: [{ from: 100, to: 120 }] } },
      { task: 'working', headNumber: 120, evaluatedTo: 99, missing: none },
      { task: 'elsewhere', headNumber: null, missing: none },
    ])
    const { coverage } = (await get('/api/v1/coverage?task=stuck')).body
    expect(coverage).toMatchObject([{ headNumber: 120, gapCount: 21, gaps: { ranges: [{ from: 100, to: 120 }] } }])
  })

  it('counts all and lists a hundred ranges, the lowest, where there are more', async () => {
    await api.database.query(
      `insert into blockmill.coverage (chain, task, args_hash, head, args, start_block, evaluated)
       select 'dev', 'pattern', $1, 'finalized', $2, 0, range_agg(int8range(n * 2, n * 2 + 1)) from generate_series(0, 4999) n`,
      [HASH, JSON.stringify(ARGS)],
    )
    await record(
      'pattern',
      'failed',
      blocks(0, 149).map((n) => n * 2),
    )
    const [{ missing, failed, unfinished }] = (await get('/api/v1/gaps')).body.gaps
    expect(missing).toMatchObject({ count: 4_999, isCut: true })
    expect(missing.ranges).toHaveLength(100)
    expect(missing.ranges[0]).toEqual({ from: 1, to: 1 })
    expect(failed).toMatchObject({ count: 150, isCut: true })
    expect(failed.ranges.at(-1)).toEqual({ from: 198, to: 198 })
    expect(unfinished).toEqual(none)
  })

  it('shows a run of blocks as one range, however long it is, and counts a block with several hashes once', async () => {
    await cover('a', '{[0,10000)}')
    await record('a', 'failed', blocks(1_000, 5_999))
    await api.database.query(
      `insert into blockmill.task (id, chain, name, block_number, args, args_hash, status, attempt, postpones, changed_at)
       select gen_random_uuid(), chain, name, block_number, args, args_hash, status, 1, 0, now() from blockmill.task
       where block_number in (1000, 2000, 5999)`,
    )
    expect((await get('/api/v1/gaps')).body.gaps[0].failed).toEqual({
      count: 5_000,
      ranges: [{ from: 1_000, to: 5_999 }],
      isCut: false,
    })
    expect((await get('/api/v1/coverage')).body.coverage[0]).toMatchObject({ failed: 5_000, unfinished: 0 })
  })

  it('leaves out tasks that are not for a block, and those of other arguments, tasks and chains', async () => {
    await cover('a', '{[0,10)}')
    await cover('a', '{[0,10)}', { chain: 'other' })
    await record('a', 'failed', [3])
    await record('b', 'failed', [4])
    await api.database.query(
      `insert into blockmill.task (id, chain, name, args, args_hash, status, attempt, postpones, changed_at, range_from, range_to)
       values (gen_random_uuid(), 'dev', 'a', $1, $2, 'failed', 1, 0, now(), null, null),
         (gen_random_uuid(), 'dev', 'a', $1, $2, 'scheduled', 1, 0, now(), 0, 999)`,
      [JSON.stringify(ARGS), HASH],
    )
    expect((await get('/api/v1/gaps')).body.gaps).toMatchObject([
      { chain: 'dev', failed: { count: 1 }, unfinished: none },
      { chain: 'other', failed: none, unfinished: none },
    ])
    expect((await get('/api/v1/coverage')).body.coverage).toMatchObject([
      { chain: 'dev', failed: 1, unfinished: 0 },
      { chain: 'other', failed: 0 },
    ])
  })

  it('reads the lowest blocks only where very many tasks are open, and says so', async () => {
    const [a, b] = ['a', 'b'].map((task) => ({ chain: 'dev', task, argsHash: HASH }))
    if (a === undefined || b === undefined) throw new Error('unreachable')
    await record('a', 'failed', blocks(0, 19))
    await record('b', 'failed', [3])
    await record('elsewhere', 'running', [50])
    await record('a', 'running', blocks(100, 119))
    const openBlocks = await readOpenBlocks(api.database.query, [a, b], {}, 10)
    expect(openBlocks(a)).toEqual({
      failed: { count: 5, ranges: [{ from: 0, to: 4 }], isCut: true, isCountCut: true },
      unfinished: { count: 9, ranges: [{ from: 100, to: 108 }], isCut: true, isCountCut: true },
    })
    expect(openBlocks(b).failed).toEqual({ count: 1, ranges: [{ from: 3, to: 3 }], isCut: false })
    const further = await readOpenBlocks(api.database.query, [a], { from: 115, to: 200 }, 10)
    expect(further(a)).toEqual({
      failed: none,
      unfinished: { count: 5, ranges: [{ from: 115, to: 119 }], isCut: false },
    })
  })

  it.each(['gaps', 'coverage'])('limits %s by chain, task, arguments and blocks', async (resource) => {
    await cover('a', '{[0,50),[60,100)}')
    await cover('b', '{[0,10)}')
    await cover('b', '{[0,10)}', { chain: 'other' })
    await record('a', 'failed', [5, 70])
    const rows = async (query: string) => (await get(`/api/v1/${resource}?${query}`)).body[resource]
    expect(await rows('')).toHaveLength(3)
    expect(await rows('chain=dev')).toHaveLength(2)
    expect(await rows('task=b')).toHaveLength(2)
    expect(await rows(`task=b&chain=other&argsHash=${HASH}`)).toHaveLength(1)
    const [within] = await rows('task=a&from=55&to=80')
    const missing = within.missing ?? { count: within.gapCount, ...within.gaps }
    expect(missing).toEqual({ count: 5, ranges: [{ from: 55, to: 59 }], isCut: false })
    expect(within.evaluatedCount).toBe(21)
    expect(within.failed.count ?? within.failed).toBe(1)
  })

  it('pages through all of them once', async () => {
    for (const chain of ['x', 'y']) {
      for (const task of ['a', 'b', 'c']) {
        await cover(task, '{[0,10)}', { chain })
        await cover(task, '{[0,10)}', { chain, head: 'latest' })
      }
    }
    const seen: string[] = []
    for (let cursor: string | undefined, pages = 0; pages < 20; pages += 1) {
      const { body } = await get(`/api/v1/gaps?limit=5${cursor === undefined ? '' : `&cursor=${cursor}`}`)
      seen.push(
        ...body.gaps.map((one: { chain: string; task: string; head: string }) => `${one.chain}${one.task}${one.head}`),
      )
      cursor = body.nextCursor
      if (cursor === undefined) break
    }
    expect(seen).toHaveLength(12)
    expect(new Set(seen).size).toBe(12)
  })

  it.each([
    ['task=typo', 'task typo'],
    ['chain=nowhere&task=a', 'chain nowhere, task a'],
    ['argsHash=abc', 'argsHash abc'],
  ])('answers 404 for %s, of which there is nothing on record', async (query, named) => {
    await cover('a', '{[0,10)}')
    for (const resource of ['gaps', 'coverage']) {
      const { status, body } = await get(`/api/v1/${resource}?${query}`)
      expect({ status, detail: body.detail }).toEqual({
        status: 404,
        detail: expect.stringContaining(named),
      })
    }
  })

  it('is an empty list where nothing is on record and nothing was named', async () => {
    expect(await get('/api/v1/gaps')).toEqual({ status: 200, body: { gaps: [] } })
  })

  it.each([
    ['from=-1', 'from'],
    ['to=1.5', 'to'],
    ['to=many', 'to'],
    ['from=10&to=9', 'from'],
    ['task=', 'task'],
    ['argsHash=%27%20or%201=1', 'argsHash'],
    ['tasks=a', 'tasks'],
  ])('refuses %s with a problem that names the field', async (query, field) => {
    for (const resource of ['gaps', 'coverage']) {
      expect(await get(`/api/v1/${resource}?${query}`)).toMatchObject({ status: 400, body: { errors: [{ field }] } })
    }
  })

  it.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=1.5', 'limit'],
    ['cursor=a/b', 'cursor'],
  ])('refuses %s with a problem that names the field', async (query, field) => {
    expect(await get(`/api/v1/gaps?${query}`)).toMatchObject({ status: 400, body: { errors: [{ field }] } })
  })
})
