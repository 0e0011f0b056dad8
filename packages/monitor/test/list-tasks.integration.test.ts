import { afterAll, beforeAll, describe, expect, it } from 'vitest'

import { createSilentLogger, type Database, openDatabase, taskId } from '@blockmill/core'
import { testDatabase } from '@blockmill/testkit/vitest'

import { listTasks } from '../src/http/list-tasks.ts'
import type { TaskListQuery } from '../src/http/task-schemas.ts'
import { migrateTemplate } from './migrate-template.ts'

/** More than one page may read. */
const TASKS = 12_000
const { url } = testDatabase({ migrate: migrateTemplate })
let database: Database

beforeAll(async () => {
  database = openDatabase({ url, logger: createSilentLogger() })
  const blocks = Array.from({ length: TASKS }, (_, block) => block)
  // In the order of their ends, the blocks are shuffled. The queue `rare` and the lane `high` have the tasks of the three lowest blocks.
  await database.query(
    `insert into blockmill.task
       (id, chain, name, queue, lane, block_number, status, attempt, postpones, scheduled_at, changed_at, finished_at)
     select id, 'dev', case when block = 5 then 'once' else 'test-task' end, case when block < 3 then 'rare' else 'default' end,
       case when block < 3 then 'high' else 'normal' end, block, case when block % 1000 = 7 then 'failed' else 'succeeded' end, 1, 0, time, time, time
     from unnest($1::uuid[], $2::bigint[]) as one (id, block)
     cross join lateral (
       select timestamptz '2026-01-01' + (block * 7919 % ${TASKS}) / 3 * interval '1.000001 seconds' as time) as at`,
    [blocks.map((number) => taskId({ chain: 'dev', task: 'test-task', args: {}, block: { number } })), blocks],
  )
  await database.query('analyze blockmill.task')
})
afterAll(() => database.close())

/** All pages: their tasks, and how many each had. */
async function pages(query: TaskListQuery) {
  const tasks: Awaited<ReturnType<typeof listTasks>>['tasks'] = []
  const sizes: number[] = []
  let cursor: string | undefined
  do {
    const page = await listTasks(database, { ...query, ...(cursor !== undefined && { cursor }) })
    tasks.push(...page.tasks)
    sizes.push(page.tasks.length)
    cursor = page.nextCursor
  } while (cursor !== undefined && sizes.length < 50)
  return { tasks, sizes }
}

const blocksOf = ({ tasks }: Awaited<ReturnType<typeof pages>>) => tasks.map(({ block }) => block)

describe('a list of tasks', () => {
  it('finds what is rare among many, in pages that are short when they cost too much', async () => {
    const found = await pages({ lane: 'high', name: 'test-task', limit: 100 })
    expect(blocksOf(found)).toEqual([2, 1, 0])
    expect(found.sizes).toEqual([0, 0, 0, 0, 0, 3])
    expect(blocksOf(await pages({ lane: 'high', limit: 2, order: 'asc' }))).toEqual([0, 1, 2])
  })

  it('finds everything of a queue that has few tasks at once', async () => {
    const found = await pages({ queue: 'rare', status: ['succeeded'], limit: 100 })
    expect(blocksOf(found)).toEqual([2, 1, 0])
    expect(found.sizes).toEqual([3])
    expect(await pages({ queue: 'rare', status: ['dead'] })).toEqual({ tasks: [], sizes: [0] })
    expect(await pages({ queue: 'nothing' })).toEqual({ tasks: [], sizes: [0] })
  })

  it('is in the order of the time that it is limited to, with each task once', async () => {
    for (const order of ['asc', 'desc'] as const) {
      const { tasks } = await pages({ finishedFrom: '2026-01-01T00:50:00.000Z', limit: 1_000, order })
      const times = tasks.map(({ finishedAt }) => finishedAt ?? '')
      expect(times).toEqual(order === 'asc' ? times.toSorted() : times.toSorted().toReversed())
      expect(new Set(tasks.map(({ id }) => id)).size).toBe(tasks.length)
      // Three ended in each second; those of the 3,000th ended 3 ms after it began.
      expect(tasks).toHaveLength(TASKS - 3_000 * 3)
    }
  })

  it('goes on behind a task by time although others ended in the same moment, with other filters as well', async () => {
    const query: TaskListQuery = { scheduledTo: '2026-01-01T00:00:59.999Z', limit: 1, order: 'asc' }
    const { tasks, sizes } = await pages({ ...query, blockFrom: 100, limit: 7 })
    expect(sizes.every((size) => size > 0)).toBe(true)
    const all = await listTasks(database, { ...query, limit: 1_000 })
    expect(tasks.map(({ id }) => id)).toEqual(all.tasks.filter(({ block }) => (block ?? 0) >= 100).map(({ id }) => id))
  })

  it.each<[string, TaskListQuery, readonly number[]]>([
    ['a state and blocks', { status: ['failed'], blockFrom: 1_000, blockTo: 3_000 }, [2_007, 1_007]],
    ['a state and a queue', { status: ['failed', 'dead'], queue: 'default', blockTo: 1_500 }, [1_007, 7]],
    ['a name that has few', { name: 'once', finishedTo: '2027-01-01T00:00:00Z' }, [5]],
    ['blocks', { blockFrom: 3, blockTo: 5, order: 'asc' }, [3, 4, 5]],
    ['a name, a state and blocks', { name: 'test-task', status: ['succeeded'], blockTo: 1 }, [1, 0]],
  ])('finds by %s', async (_, query, blocks) => {
    expect(blocksOf(await pages(query))).toEqual(blocks)
  })

  it.each([
    ['is of a list by id', { finishedFrom: '2026-01-01T00:00:00Z' }, '00000000-0000-8000-8000-000000000000'],
    ['is of a list by time', {}, '2026-01-01T00:00:00.000000Z_00000000-0000-8000-8000-000000000000'],
    [
      'has a time that there is not',
      { finishedFrom: '2026-01-01T00:00:00Z' },
      '2026-02-30T00:00:00.000000Z_00000000-0000-8000-8000-000000000000',
    ],
  ])('refuses a cursor that %s', async (_, filter, cursor) => {
    await expect(listTasks(database, { ...filter, cursor })).rejects.toMatchObject({ statusCode: 400 })
  })
})
