import { isMainThread, parentPort } from 'node:worker_threads'
import { getHeapStatistics } from 'node:v8'
import type { FromChild, ToChild } from './child-protocol.ts'

/** The way from a child to its worker, the same for threads and processes. */
export interface ChildPort {
  /** Resolves when the message has left. Messages to a worker that is gone are lost. */
  send(message: FromChild): Promise<void>
  onMessage(listener: (message: ToChild) => void): void
  /** Resident memory of a process; heap and buffers of a thread. */
  memoryBytes(): number
}

/** The port of the thread or process that calls. */
export function openChildPort(): ChildPort {
  return isMainThread ? processPort() : threadPort()
}

function processPort(): ChildPort {
  return {
    send: (message) =>
      new Promise((resolve) => {
        if (process.send === undefined) resolve()
        else process.send(message, undefined, undefined, () => resolve())
      }),
    onMessage: (listener) => void process.on('message', (message) => listener(message as ToChild)),
    memoryBytes: () => process.memoryUsage.rss(),
  }
}

function threadPort(): ChildPort {
  return {
    async send(message) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      parentPort?.postMessage(message)
    },
    onMessage: (listener) => void parentPort?.on('message', listener),
    memoryBytes() {
      const { total_heap_size: heap, external_memory: buffers } = getHeapStatistics()
      return heap + buffers
    },
  }
}
