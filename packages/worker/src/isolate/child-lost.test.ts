import { expect, it } from 'vitest'
import { type ChildEnd, childLost } from './child-lost.ts'

const outOfMemory = Object.assign(new Error('Worker terminated'), { code: 'ERR_WORKER_OUT_OF_MEMORY' })

it.each<[ChildEnd, string]>([
  [{ exitCode: 3, signal: null }, 'exited with status 3.'],
  [{ exitCode: 0, signal: null }, 'exited with status 0.'],
  [{ exitCode: null, signal: 'SIGKILL' }, 'was ended by SIGKILL. The kernel does that when memory runs out.'],
  [{ exitCode: null, signal: 'SIGABRT' }, 'was ended by SIGABRT. Node does that when its heap is full.'],
  [{ exitCode: null, signal: 'SIGSEGV' }, 'was ended by SIGSEGV.'],
  [{ exitCode: 1, signal: null, error: outOfMemory }, 'ran out of memory.'],
  [{ exitCode: 1, signal: null, error: new Error('no threads') }, 'failed: no threads.'],
])('says how a child ended: %j', (end, text) => {
  expect(childLost('process 7', end, 64 * 2 ** 20).message).toBe(
    `The process 7 ran this attempt and ${text} Its memory was 64 MiB when last seen.`,
  )
  expect(childLost('process 7', end, 0).message).toBe(`The process 7 ran this attempt and ${text}`)
})

it('is known by its own name and code, and as retryable', () => {
  expect(childLost('thread 1', { exitCode: 1, signal: null }, 0)).toMatchObject({
    name: 'ChildLost',
    code: 'TASK_CHILD_LOST',
    kind: 'retryable',
  })
})
