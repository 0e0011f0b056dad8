import { describe, expect, test } from 'vitest'

import type { InstanceRecord } from './instance-folder.ts'
import { judgeInstance } from './leftovers.ts'

const here = { host: 'here', boot: 'boot-2', pidNamespace: 'pid:[1]' }
const record: InstanceRecord = {
  kind: 'postgres',
  machine: here,
  owner: { pid: 10, startTime: '100' },
  processes: [{ pid: 11, startTime: '101' }],
}
const runs = () => true
const isGone = () => false

describe('an instance found in the state folder', () => {
  test('is in use while its owner runs', () => {
    expect(judgeInstance(record, here, runs)).toBe('in-use')
  })

  test('is orphaned when its owner is gone', () => {
    expect(judgeInstance(record, here, isGone)).toBe('orphaned')
  })

  test('is judged by its owner, not by its own processes', () => {
    const asked: number[] = []
    judgeInstance(record, here, ({ pid }) => asked.push(pid) > 0)
    expect(asked).toEqual([10])
  })

  test('of an earlier boot is stale, even when a process has the owner’s pid and start time by chance', () => {
    expect(judgeInstance({ ...record, machine: { ...here, boot: 'boot-1' } }, here, runs)).toBe('stale')
  })

  test.each([
    ['another pid namespace', { ...here, pidNamespace: 'pid:[2]' }],
    ['another machine', { ...here, host: 'there', boot: 'boot-9' }],
  ])('of %s is foreign, although its owner cannot be seen', (_, machine) => {
    expect(judgeInstance({ ...record, machine }, here, isGone)).toBe('foreign')
  })
})
