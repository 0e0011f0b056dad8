/** A block as the chain's tip sees it. */
export interface BlockHeader {
  readonly number: number
  readonly hash: string
  readonly parentHash: string
}

/** A block with what a scheduler wants to know about it. */
export interface ChainBlock extends BlockHeader {
  /** Block time as the chain recorded it, where the chain records one. */
  readonly timestamp?: Date
}

/** Which tip of the chain a task follows. `finalized` never changes its mind; `latest` may be reorganised. */
export const HEADS = ['finalized', 'latest'] as const
export type Head = (typeof HEADS)[number]

/**
 * What the scheduler needs from a chain, implemented for Substrate, EVM and a scripted fake.
 *
 * Truth comes from `head()` and `finalized()`, which ask the node anew each time. `wakeUps()` is only a hint that asking
 * may be worth it: subscriptions skip blocks by design and fall silent on half-dead sockets.
 */
export interface ChainSource {
  /** Connects, checks the genesis hash and resolves when the chain can be asked. Retries until the signal aborts. */
  start(signal?: AbortSignal): Promise<void>
  /** Genesis hash of the connected chain: `0x` and 64 hex digits. */
  genesisHash(): Promise<string>
  /** The newest block, finalized or not. Throws a `RetryableError` when no endpoint answers. */
  head(): Promise<BlockHeader>
  /** The newest finalized block. Throws a `RetryableError` when no endpoint answers. */
  finalized(): Promise<BlockHeader>
  /** The canonical block of this number. Throws a `RetryableError` when it cannot be read, `undefined` when it does not exist yet. */
  block(number: number): Promise<ChainBlock | undefined>
  /** Canonical hashes of many blocks in one request, in the order asked; `undefined` where a block does not exist yet. */
  hashes(numbers: readonly number[]): Promise<(string | undefined)[]>
  /** Yields whenever a new head may exist. Ends when the source closes. Never the only thing to rely on. */
  wakeUps(signal: AbortSignal): AsyncIterable<void>
  /** True while at least one endpoint is connected and answers. */
  isHealthy(): boolean
  /**
   * Drops the endpoint in use and goes on with the next one: it still answers, but shows no new head any more. Requests in flight
   * reject with a `RetryableError`. `reason` goes into the log.
   */
  reset(reason: string): void
  /** Closes all connections. Idempotent. */
  close(): Promise<void>
}
