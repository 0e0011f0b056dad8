import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'

/** Decides when bytes may pass. One gate serves all connections of a proxy. */
export interface TrafficGate {
  stall(): void
  resume(): void
  /** Limits each direction of each connection; undefined lifts the limit. */
  throttle(bytesPerSecond: number | undefined): void
  /**
   * Resolves when the chunk, or the part of it that is returned, may pass.
   * @throws when the signal is aborted.
   */
  admit(chunk: Buffer, signal: AbortSignal): Promise<Buffer>
}

/** A throttled connection gets its bytes in this many portions a second, so that a slow link looks steady. */
const PORTIONS_PER_SECOND = 20

/** A gate that is open and without a limit. */
export function createTrafficGate(): TrafficGate {
  let bytesPerSecond: number | undefined
  let stalled: PromiseWithResolvers<void> | undefined

  async function waitWhileStalled(signal: AbortSignal): Promise<void> {
    // A loop, since the next stall may begin before this one's end has been noticed.
    for (let stall = stalled; stall !== undefined; stall = stalled) {
      await Promise.race([stall.promise, aborted(signal)])
      signal.throwIfAborted()
    }
  }

  return {
    stall() {
      stalled ??= Promise.withResolvers()
    },
    resume() {
      stalled?.resolve()
      stalled = undefined
    },
    throttle(limit) {
      bytesPerSecond = limit
    },
    async admit(chunk, signal) {
      await waitWhileStalled(signal)
      if (bytesPerSecond === undefined) return chunk
      const portion = chunk.subarray(0, Math.max(1, Math.floor(bytesPerSecond / PORTIONS_PER_SECOND)))
      await delay((portion.length / bytesPerSecond) * 1_000, undefined, { signal })
      await waitWhileStalled(signal)
      return portion
    },
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}
