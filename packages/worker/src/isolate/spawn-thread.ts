import { Worker } from 'node:worker_threads'
import { type ChildEvents, type ChildHandle, moduleBeside, type SpawnOptions } from './child-handle.ts'
import type { FromChild } from './child-protocol.ts'

/**
 * Room for young objects in a thread's heap. When a heap is full, Node grants it 16 MB more and ends the thread; what one
 * garbage collection moves out of the young generation must fit in there, or V8 ends the whole process. With Node's
 * default of 192 MB, it does so nearly every time.
 */
const MAX_YOUNG_GENERATION_MB = 24

/** Starts a thread of this process. */
export function spawnThread({ heapLimitMb }: SpawnOptions, { onMessage, onExit }: ChildEvents): ChildHandle {
  const thread = new Worker(moduleBeside('child-entry'), {
    resourceLimits: {
      maxYoungGenerationSizeMb: MAX_YOUNG_GENERATION_MB,
      ...(heapLimitMb !== undefined && { maxOldGenerationSizeMb: heapLimitMb }),
    },
  })
  let error: Error | undefined
  thread.on('message', (message) => onMessage(message as FromChild))
  thread.on('error', (thrown) => {
    error = thrown as Error
  })
  thread.once('exit', (exitCode) => onExit({ exitCode, signal: null, error }))
  return {
    name: `thread ${thread.threadId}`,
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    send: (message) => thread.postMessage(message),
    kill: () => void thread.terminate(),
  }
}
