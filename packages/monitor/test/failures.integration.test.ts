import { type TaskEvent } from '@blockmill/core'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'

import { readFailures } from '../src/failures/failure-groups.ts'
import { eventBase, eventMessage, idOfBlock, succeeded, taskMessage } from './message-arbitraries.ts'
import { testApi } from './test-api.ts'

const api = testApi()
const { record, call } = api

beforeAll(async () => {
  await record(
    taskMessage([1, 2, 3, 4, 5]),
    eventMessage([
      failed(1, 'block 1 is gone', 'tasks/a.ts', 1),
      failed(2, 'block 22 is gone', 'tasks/a.ts', 2),
      failed(3, 'block 3 is gone', 'tasks/b.ts', 3),
      retrying(4, 'block 444 is gone', 'tasks/a.ts', 4),
      failed(5, 'block 5 is gone', 'tasks/a.ts', 5),
      { ...succeeded(5, { attempt: 2 }), at: '2026-01-01T00:00:06.000Z' },
      failed(6, 'block 6 is gone', 'tasks/a.ts', 7, 'other-task'),
    ]),
  )
})

function failure(block: number, message: string, file: string, second: number) {
  return {
    ...eventBase(block, { at: `2026-01-01T00:00:0${second}.000Z` }),
    startedAt: '2026-01-01T00:00:00.500Z',
    error: {
      name: 'GoneError',
      message,
      classes: ['Error'],
      stack: `GoneError: ${message}\n    at run (/app/${file}:7:1)`,
    },
  }
}
function failed(block: number, message: string, file: string, second: number, task = 'test-task'): TaskEvent {
  return { type: 'failed', reason: 'exhausted', ...failure(block, message, file, second), task }
}
function retrying(block: number, message: string, file: string, second: number): TaskEvent {
  return {
    type: 'retrying',
    ...failure(block, message, file, second),
    delayMs: 1_000,
    nextAttemptAt: '2026-01-01T00:01:00.000Z',
  }
}

const get = (path: string) => call('GET', path)

describe('GET /api/v1/failures', () => {
  it('groups tasks that failed in the same way, the latest first, without those that have succeeded since', async () => {
    const { status, body } = await get('/failures?task=test-task')
    expect(status).toBe(200)
    expect(body).toEqual({
      groups: [
        {
          fingerprint: expect.stringMatching(/^[0-9a-f]{16}$/),
          task: 'test-task',
          errorName: 'GoneError',
          message: 'block <n> is gone',
          count: 3,
          retrying: 1,
          chains: ['dev'],
          firstSeen: '2026-01-01T00:00:01.000Z',
          lastSeen: '2026-01-01T00:00:04.000Z',
          example: { id: idOfBlock(4), message: 'block 444 is gone' },
        },
        expect.objectContaining({ count: 1, retrying: 0, example: { id: idOfBlock(3), message: 'block 3 is gone' } }),
      ],
    })
  })

  it('pages through all groups once', async () => {
    const counts: number[] = []
    let cursor = ''
    do {
      const { body } = await get(`/failures?limit=1${cursor}`)
      counts.push(...body.groups.map(({ count }: { count: number }) => count))
      cursor = body.nextCursor === undefined ? '' : `&cursor=${body.nextCursor}`
    } while (cursor !== '')
    expect(counts).toEqual([1, 3, 1])
  })

  it('counts so many tasks of a group and no more, and says so', async () => {
    const { groups } = await readFailures(api.database.query, { task: 'test-task', limit: 2 }, 4)
    expect(groups).toMatchObject([{ count: 2, isCountCut: true }, { count: 1 }])
    expect(groups[1]).not.toHaveProperty('isCountCut')
    expect(groups[0]).toMatchObject({ firstSeen: new Date('2026-01-01T00:00:01Z'), example: { id: idOfBlock(4) } })
  })

  it('groups what failed on several chains, and tells the chains apart', async () => {
    onTestFinished(async () => {
      await api.database.query('delete from blockmill.task where id = $1', [idOfBlock(90)])
    })
    await record(
      taskMessage([90], { chain: 'second' }),
      eventMessage([{ ...failed(90, 'block 90 is gone', 'tasks/a.ts', 0), chain: 'second' }]),
    )
    const groups = async (query: string) => (await get(`/failures?task=test-task&${query}`)).body.groups
    expect((await groups(''))[0]).toMatchObject({
      count: 4,
      chains: ['dev', 'second'],
      firstSeen: '2026-01-01T00:00:00.000Z',
      lastSeen: '2026-01-01T00:00:04.000Z',
      example: { id: idOfBlock(4) },
    })
    expect(await groups('chain=second')).toMatchObject([
      { count: 1, chains: ['second'], example: { id: idOfBlock(90) } },
    ])
    expect((await groups('since=2026-01-01T00:00:02.000Z'))[0]).toMatchObject({ count: 2, chains: ['dev'] })
  })

  it.each([
    ['task=nothing', 0],
    ['chain=dev', 3],
    ['chain=other', 0],
    ['since=2026-01-01T00:00:04.000Z', 2],
    ['since=2026-01-01T00:00:08.000Z', 0],
  ])('filters by %s', async (query, groups) => {
    expect((await get(`/failures?${query}`)).body.groups).toHaveLength(groups)
  })

  it.each([
    ['limit=0', 'limit'],
    ['since=yesterday', 'since'],
    ['cursor=1', 'cursor'],
    ['order=name', 'order'],
  ])('refuses %s, and names the field', async (query, field) => {
    const { status, body } = await get(`/failures?${query}`)
    expect(status).toBe(400)
    expect(body.errors).toContainEqual(expect.objectContaining({ field }))
  })
})

describe('GET /api/v1/tasks?fingerprint=', () => {
  it('lists the tasks of a group', async () => {
    const { body } = await get('/failures?task=test-task&limit=1')
    const { fingerprint } = body.groups[0]
    const tasks = (await get(`/tasks?fingerprint=${fingerprint}`)).body.tasks
    expect(tasks.map(({ id }: { id: string }) => id)).toEqual([4, 2, 1].map(idOfBlock))
    expect(tasks[0]).toMatchObject({ fingerprint })
    expect((await get(`/tasks/${idOfBlock(5)}`)).body).toMatchObject({ status: 'succeeded', fingerprint: null })
  })

  it('refuses what is no fingerprint', async () => {
    expect(await get(`/tasks?fingerprint='or'1`)).toMatchObject({
      status: 400,
      body: { errors: [{ field: 'fingerprint' }] },
    })
  })
})
