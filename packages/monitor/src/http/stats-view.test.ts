import { expect, test } from 'vitest'

import { noCounts } from '../statistics/samples.ts'
import { statsView } from './stats-view.ts'

const at = (time: string) => new Date(`2026-01-01T${time}Z`)
const snapshot = {
  at: at('12:00:00'),
  tasks: [],
  totals: noCounts(),
  rates: { windowSeconds: 0, scheduled: 0, finished: 0 },
  workers: { running: 0, lost: 0 },
  deadLetters: 0,
  gaps: [],
}

test('the age of the oldest waiting task is how long it could have run, without its deliberate delay', () => {
  const oldestWaiting = { id: 'a', name: 'a-task', scheduledAt: at('01:00:00'), dueAt: at('11:59:30') }
  expect(statsView({ ...snapshot, oldestWaiting }, at('12:00:00')).oldestWaiting).toEqual({
    id: 'a',
    name: 'a-task',
    scheduledAt: '2026-01-01T01:00:00.000Z',
    dueAt: '2026-01-01T11:59:30.000Z',
    ageSeconds: 30,
  })
  expect(statsView({ ...snapshot, oldestWaiting }, at('11:59:00')).oldestWaiting?.ageSeconds).toBe(0)
})
