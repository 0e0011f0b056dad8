import { createHash } from 'node:crypto'

import {
  type BlockHeader,
  type ChainBlock,
  type ChainSource,
  createWakeUps,
  type ErrorCode,
  RetryableError,
} from '@blockmill/core'

/** The requests of a `ChainSource` that can be made to fail or be counted. */
export type ScriptedRequest = 'head' | 'finalized' | 'block' | 'hashes' | 'genesisHash'

export interface ScriptedChainOptions {
  /** Number of the newest block at the start. Default 0: only the genesis block. */
  readonly head?: number
  /** How many blocks the finalized head is behind the newest. Default 0: final at once. */
  readonly finalityLag?: number
  /** Time between two blocks' timestamps. Default 12,000 ms. */
  readonly blockTimeMs?: number
  /** What the hashes are derived from: chains with the same seed are the same chain. Default `scripted`. */
  readonly seed?: string
}

export interface ScriptedFailure {
  /** Which request fails. Default: any. */
  readonly request?: ScriptedRequest
  /** Only a `block` or `hashes` request that asks for this number fails. Default: any. */
  readonly block?: number
  /** Code of the `RetryableError`. Default `CHAIN_RPC_FAILED`. */
  readonly code?: ErrorCode
}

/**
 * A chain that moves only when a test says so. Blocks cost no memory, so heads in the millions are fine, and hashes depend
 * on nothing but seed, number and fork.
 */
export interface ScriptedChain extends ChainSource {
  /** How often each request was made, failed ones included. */
  readonly requests: Readonly<Record<ScriptedRequest, number>>
  /** The reasons with which the source was reset, in order. */
  readonly resets: readonly string[]
  /** Adds blocks. Wakes listeners once, as a subscription that skips blocks does. Default 1. */
  advance(blocks?: number): void
  /** Adds blocks up to this number, however many. Throws a `RangeError` when the head is already past it. */
  advanceTo(number: number): void
  /** Replaces the newest `depth` blocks with others of the same numbers. Throws a `RangeError` when one is finalized. */
  reorg(depth: number): void
  /** From now on answers like an endpoint that is this many blocks behind. 0 ends it. */
  lag(blocks: number): void
  /** Makes the next `times` matching requests fail. */
  fail(times: number, failure?: ScriptedFailure): void
  /** From now on requests get no answer, until `resume()`. */
  stall(): void
  /** From now on all requests fail with `CHAIN_UNREACHABLE` and the source is not healthy, until `resume()`. */
  disconnect(): void
  /** Ends `stall()` and `disconnect()`: requests that wait are answered. */
  resume(): void
  /** With `false`, new blocks no longer wake listeners, as on a half-dead socket. Default `true`. */
  setWakeUps(enabled: boolean): void
}

/** Blocks from `from` on belong to fork `id`, up to the next fork in the list. */
interface Fork {
  readonly from: number
  readonly id: number
}

const ZERO_HASH = `0x${'0'.repeat(64)}`
const FIRST_BLOCK_TIME = Date.UTC(2024, 0, 1)

/** A `ChainSource` under the control of a test. */
export function createScriptedChain({
  head: firstHead = 0,
  finalityLag = 0,
  blockTimeMs = 12_000,
  seed = 'scripted',
}: ScriptedChainOptions = {}): ScriptedChain {
  const wakeUps = createWakeUps()
  const requests = { head: 0, finalized: 0, block: 0, hashes: 0, genesisHash: 0 }
  const failures: { left: number; failure: ScriptedFailure }[] = []
  const resets: string[] = []
  let forks: Fork[] = [{ from: 0, id: 0 }]
  let forksMade = 0
  let newest = firstHead
  let finalizedNumber = Math.max(0, firstHead - finalityLag)
  let lagging = 0
  let wakeUpsEnabled = true
  let mode: 'answering' | 'stalled' | 'disconnected' | 'closed' = 'answering'
  let left = Promise.withResolvers<void>()

  const hashOf = (number: number): string => {
    const fork = forks.findLast(({ from }) => from <= number)?.id ?? 0
    return `0x${createHash('sha256').update(`${seed}:${fork}:${number}`).digest('hex')}`
  }

  const headerOf = (number: number): BlockHeader => ({
    number,
    hash: hashOf(number),
    parentHash: number === 0 ? ZERO_HASH : hashOf(number - 1),
  })

  const visible = (number: number): number => Math.max(0, number - lagging)

  const wake = (): void => {
    if (wakeUpsEnabled) wakeUps.notify()
  }

  const isStalled = (): boolean => mode === 'stalled'

  const changeMode = (next: typeof mode): void => {
    if (mode === 'closed') return
    mode = next
    left.resolve()
    left = Promise.withResolvers()
  }

  const answer = async <T>(request: ScriptedRequest, blocks: readonly number[], reply: () => T): Promise<T> => {
    requests[request] += 1
    while (isStalled()) await left.promise
    if (mode !== 'answering') throw new RetryableError('CHAIN_UNREACHABLE', `The scripted chain is ${mode}.`)
    const match = failures.find(
      ({ left: times, failure }) =>
        times > 0 &&
        (failure.request === undefined || failure.request === request) &&
        (failure.block === undefined || blocks.includes(failure.block)),
    )
    if (match !== undefined) {
      match.left -= 1
      throw new RetryableError(match.failure.code ?? 'CHAIN_RPC_FAILED', `The script made ${request}() fail.`)
    }
    return reply()
  }

  const advanceTo = (number: number): void => {
    if (number < newest) throw new RangeError(`The head is ${newest}: it cannot advance to ${number}.`)
    newest = number
    finalizedNumber = Math.max(finalizedNumber, newest - finalityLag)
    wake()
  }

  return {
    requests,
    resets,

    async start(signal) {
      signal?.throwIfAborted()
    },
    genesisHash: () => answer('genesisHash', [], () => hashOf(0)),
    head: () => answer('head', [], () => headerOf(visible(newest))),
    finalized: () => answer('finalized', [], () => headerOf(Math.min(finalizedNumber, visible(newest)))),
    block: (number) =>
      answer('block', [number], (): ChainBlock | undefined =>
        number > visible(newest)
          ? undefined
          : { ...headerOf(number), timestamp: new Date(FIRST_BLOCK_TIME + number * blockTimeMs) },
      ),
    hashes: (numbers) =>
      answer('hashes', numbers, () => numbers.map((number) => (number > visible(newest) ? undefined : hashOf(number)))),
    wakeUps: (signal) => wakeUps.listen(signal),
    isHealthy: () => mode === 'answering' || mode === 'stalled',
    reset(reason) {
      resets.push(reason)
    },
    async close() {
      changeMode('closed')
      wakeUps.end()
    },

    advance: (blocks = 1) => advanceTo(newest + blocks),
    advanceTo,
    reorg(depth) {
      const from = newest - depth + 1
      if (depth < 1 || from <= finalizedNumber)
        throw new RangeError(`Cannot replace ${depth} blocks: head ${newest}, finalized ${finalizedNumber}.`)
      forksMade += 1
      forks = [...forks.filter((fork) => fork.from < from), { from, id: forksMade }]
      wake()
    },
    lag(blocks) {
      lagging = blocks
    },
    fail(times, failure = {}) {
      failures.push({ left: times, failure })
    },
    stall: () => changeMode('stalled'),
    disconnect: () => changeMode('disconnected'),
    resume: () => changeMode('answering'),
    setWakeUps(enabled) {
      wakeUpsEnabled = enabled
    },
  }
}
