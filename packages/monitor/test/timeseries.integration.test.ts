import { beforeEach, describe, expect, it } from 'vitest'

import { pruneRates } from '../src/statistics/rates.ts'
import { sampleCounts, sumDifferences } from '../src/statistics/samples.ts'
import { eventBase, eventMessage, succeeded, taskMessage } from './message-arbitraries.ts'
import { testApi } from './test-api.ts'

const now = () => new Date('2026-01-01T01:00:30.000Z')
const api = testApi(() => ({ now }))
const { record, call } = api

beforeEach(async () => {
  for (const table of ['task', 'task_attempt', 'task_count', 'task_rate']) {
    await api.database.query(`delete from blockmill.${table}`)
  }
})

const timeseries = (query: string) => call('GET', `/stats/timeseries?${query}`)

const ended = (block: number, at: string) => ({ ...succeeded(block), at: `2026-01-01T00:${at}.000Z` })
const failed = (block: number, at: string) => ({
  type: 'failed' as const,
  ...eventBase(block, { at: `2026-01-01T00:${at}.000Z` }),
  startedAt: '2026-01-01T00:00:01.000Z',
  error: { name: 'Error', message: 'no', classes: ['Error'] },
  reason: 'exhausted' as const,
})
const told = [
  taskMessage([1, 2, 3, 4]),
  taskMessage([5], { queue: 'slow', task: 'test-task' }),
  eventMessage([ended(1, '10:00'), ended(2, '10:59'), failed(3, '11:00')]),
  // A success wins over a failure of another delivery, and is then counted alone, in its own minute.
  eventMessage([failed(4, '10:30'), ended(4, '12:00'), ended(5, '12:30')]),
]
const FIVE_MINUTES = 'from=2026-01-01T00:09:00Z&to=2026-01-01T00:14:00Z&step=60'
const EXPECTED = { succeeded: [0, 2, 0, 2, 0], failed: [0, 0, 1, 0, 0], cancelled: [0, 0, 0, 0, 0] }

describe('GET /api/v1/stats/timeseries', () => {
  it('counts each end once, in its minute, in whatever order and however often it is told', async () => {
    for (const order of [told, told.toReversed(), [...told, ...told]]) {
      for (const message of order) {
        await record(message)
        await sumDifferences(api.database.query)
      }
      const { status, body } = await timeseries(FIVE_MINUTES)
      expect(status).toBe(200)
      expect(body).toMatchObject({
        from: '2026-01-01T00:09:00.000Z',
        to: '2026-01-01T00:14:00.000Z',
        stepSeconds: 60,
        series: [{ group: null, counts: EXPECTED }],
        isComplete: true,
      })
      for (const table of ['task', 'task_attempt', 'task_count', 'task_rate']) {
        await api.database.query(`delete from blockmill.${table}`)
      }
    }
  })

  it('shows what was not added up yet, with what was, and leaves the totals right', async () => {
    await record(...told.slice(0, 3))
    await sumDifferences(api.database.query)
    await Promise.all([sumDifferences(api.database.query), record(...told.slice(3))])
    expect((await timeseries(FIVE_MINUTES)).body.series).toMatchObject([{ counts: EXPECTED }])
    const { tasks } = await sampleCounts(api.database.query)
    expect(tasks).toMatchObject([{ name: 'test-task', counts: { succeeded: 4, failed: 1, scheduled: 0 } }])
  })

  it('keeps the ends of tasks that are deleted', async () => {
    await record(...told)
    await api.database.query('delete from blockmill.task')
    await sumDifferences(api.database.query)
    expect((await timeseries(FIVE_MINUTES)).body.series).toMatchObject([{ counts: EXPECTED }])
    expect((await sampleCounts(api.database.query)).tasks).toEqual([])
  })

  it('tells groups apart, the most frequent first, and filters', async () => {
    await record(...told)
    const of = async (query: string) =>
      (await timeseries(`${FIVE_MINUTES}&${query}`)).body.series.map(
        ({ group, counts }: { group: string; counts: { succeeded: number[] } }) => [group, counts.succeeded],
      )
    const others = [0, 2, 0, 1, 0]
    const slow = [0, 0, 0, 1, 0]
    expect(await of('groupBy=queue')).toEqual([
      ['default', others],
      ['slow', slow],
    ])
    expect(await of('queue=slow&groupBy=name')).toEqual([['test-task', slow]])
    expect(await of('chain=other')).toEqual([[null, [0, 0, 0, 0, 0]]])
    expect(await of('groupBy=chain&name=nothing')).toEqual([])
  })

  it('takes longer steps, whole ones, and by default the last hour in minutes', async () => {
    await record(...told)
    await sumDifferences(api.database.query)
    const { body } = await timeseries('from=2026-01-01T00:07:00Z&to=2026-01-01T00:14:00Z&step=300')
    expect(body).toMatchObject({ from: '2026-01-01T00:05:00.000Z', to: '2026-01-01T00:15:00.000Z' })
    expect(body.series[0].counts.succeeded).toEqual([0, 4])
    const hours = await timeseries('from=2025-12-31T23:00:00Z&to=2026-01-01T01:00:00Z&step=3600')
    expect(hours.body.series[0].counts.succeeded).toEqual([0, 4])
    const usual = await timeseries('')
    expect(usual.body).toMatchObject({ stepSeconds: 60, to: '2026-01-01T01:01:00.000Z' })
    expect(usual.body.series[0].counts.succeeded).toHaveLength(61)
    expect((await timeseries('from=2025-12-10T00:00:00Z')).body).toMatchObject({ stepSeconds: 86_400 })
  })

  it('keeps minutes for two days, and longer steps for longer', async () => {
    await record(...told)
    await sumDifferences(api.database.query)
    await pruneRates(api.database.query, new Date('2026-01-04T00:00:00Z'))
    const kept = async () =>
      (
        await api.database.query<{ step: number }>(
          'select distinct step_seconds as step from blockmill.task_rate order by 1',
        )
      ).map(({ step }) => step)
    expect(await kept()).toEqual([600, 3_600, 86_400])
    await pruneRates(api.database.query, new Date('2026-05-04T00:00:00Z'))
    expect(await kept()).toEqual([86_400])
  })

  it.each([
    ['step=61', 'step'],
    ['step=0', 'step'],
    ['step=60&from=2026-01-01T01:00:00Z&to=2026-01-01T10:00:00Z', 'step'],
    ['step=300&from=2025-12-29T00:00:00Z&to=2025-12-29T01:00:00Z', 'step'],
    ['from=2026-01-01T02:00:00Z', 'from'],
    ['from=yesterday', 'from'],
    ['groupBy=status', 'groupBy'],
    ['name=', 'name'],
    ['status=failed', 'status'],
  ])('refuses %s, and names %s', async (query, field) => {
    const { status, body } = await timeseries(query)
    expect(status).toBe(400)
    expect(body.errors).toContainEqual(expect.objectContaining({ field }))
  })
})
