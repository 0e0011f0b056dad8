import { randomInt } from 'node:crypto'
import { join } from 'node:path'

import { ConfigurationError } from '@blockmill/core'

import { onProcessExit } from '../services/exit-hook.ts'
import { retryPortConflicts, takeFreePorts } from '../services/free-ports.ts'
import { createInstanceFolder } from '../services/instance-folder.ts'
import { removeLeftovers } from '../services/leftovers.ts'
import { type PrivateProcess, startPrivateProcess } from '../services/private-process.ts'
import { waitUntilReady } from '../services/readiness.ts'
import { findStateFolder } from '../services/state-folder.ts'
import { findAnvil } from './anvil-binary.ts'
import { callJsonRpc } from './call-json-rpc.ts'

export interface AnvilOptions {
  /** Milliseconds from one block to the next, or `on-demand`: only `mine` builds. Default `on-demand`. */
  readonly blockTime?: number | 'on-demand'
  /**
   * How many blocks the finalized block is behind the newest; the safe one is half as far. An even number, because anvil counts in
   * epochs of which two make a block final. Default 0: final at once.
   */
  readonly finalityLag?: number
  /** Port on the loopback address. Default: any free one. */
  readonly port?: number
  /** Where instances are kept; see `findStateFolder`. */
  readonly stateFolder?: string
  /** Longest wait for the node to answer. Default 60 s. */
  readonly startTimeoutMs?: number
}

/** A block of anvil. */
export interface AnvilBlock {
  readonly number: number
  readonly hash: string
  readonly parentHash: string
}

/** What can be sent; `from` is the first of anvil's accounts unless told otherwise. Quantities are hex. */
export interface AnvilTransaction {
  readonly from?: string
  /** Left out, the data is the code of a new contract. */
  readonly to?: string
  readonly data?: string
  readonly value?: string
  readonly gas?: string
}

/** A running EVM development chain: the real anvil, in a process of its own. */
export interface Anvil {
  /** `http://127.0.0.1:<port>` */
  readonly url: string
  /** `ws://127.0.0.1:<port>`, the same port. */
  readonly wsUrl: string
  /** Another one for each chain that is started; the same after a restart. */
  readonly genesisHash: string
  /** The pid of the node. Another one after a restart. */
  readonly pid: number
  /** Any JSON-RPC request, anvil's own methods included. Rejects with a `JsonRpcError` when anvil answers with an error. */
  request(method: string, params?: readonly unknown[]): Promise<unknown>
  /** The newest block. */
  head(): Promise<AnvilBlock>
  /** The newest finalized block. */
  finalized(): Promise<AnvilBlock>
  /** Builds blocks, some 700 a second, and resolves with the last one. Their times are a second apart. Default 1. */
  mine(blocks?: number): Promise<AnvilBlock>
  /** Replaces the newest blocks by as many others, empty ones, and resolves with the new head. Takes no notice of finality. */
  reorg(depth: number): Promise<AnvilBlock>
  /** Sends a transaction, which the next block has, and resolves with its hash. */
  sendTransaction(transaction: AnvilTransaction): Promise<string>
  /** Creates a contract in a block of its own, and resolves with its address. `code` is what runs once and returns the contract. */
  deploy(code: string): Promise<string>
  /** Ends the node by SIGKILL, as a crash does. `restart()` brings it back with the blocks of its last restart, or none. */
  kill(): Promise<void>
  /** Stops the node if it runs, and starts it again with the same port, genesis and blocks. */
  restart(): Promise<void>
  /** Ends the node and removes what it left. Idempotent. */
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
const START_TIMEOUT_MS = 60_000

/**
 * Starts anvil with its usual accounts, unlocked, each with 10,000 ether. Takes a fraction of a second.
 * @throws ConfigurationError `SERVICE_UNAVAILABLE` when there is none for this platform, or it does not start.
 * @throws RangeError for a `finalityLag` that is not an even number.
 */
export async function startAnvil(options: AnvilOptions = {}): Promise<Anvil> {
  const { finalityLag = 0 } = options
  if (!Number.isSafeInteger(finalityLag) || finalityLag < 0 || finalityLag % 2 !== 0)
    throw new RangeError(`finalityLag is ${finalityLag}; it must be an even number from 0 up.`)
  const stateFolder = options.stateFolder ?? findStateFolder()
  await removeLeftovers(stateFolder)
  const binary = findAnvil()
  return retryPortConflicts(() => startNode(binary, stateFolder, options))
}

async function startNode(
  binary: string,
  stateFolder: string,
  { blockTime = 'on-demand', finalityLag = 0, port: wanted, startTimeoutMs = START_TIMEOUT_MS }: AnvilOptions,
): Promise<Anvil> {
  const folder = createInstanceFolder(stateFolder, 'anvil')
  const logFile = join(folder.path, 'anvil.log')
  const port = wanted ?? (await takeFreePorts(['port'])).port
  const url = `http://${HOST}:${port}`
  const args = [
    `--host=${HOST}`,
    `--port=${port}`,
    `--slots-in-an-epoch=${finalityLag / 2}`,
    `--timestamp=${Math.floor(Date.now() / 1_000)}`,
    // The genesis block has it, so that two chains can be told apart that were started in the same second.
    `--gas-limit=${30_000_000 + randomInt(1_000_000)}`,
    '--order=fifo',
    `--state=${join(folder.path, 'state.json')}`,
    `--cache-path=${join(folder.path, 'cache')}`,
    '--quiet',
    ...(blockTime === 'on-demand' ? ['--no-mining'] : [`--block-time=${blockTime / 1_000}`]),
  ]
  let node: PrivateProcess | undefined
  let stopping: Promise<void> | undefined
  const request = (method: string, params: readonly unknown[] = []): Promise<unknown> =>
    callJsonRpc(url, method, params)

  const forgetExitHook = onProcessExit(() => {
    node?.signal('SIGKILL')
    folder.removeNow()
  })

  const stop = async (): Promise<void> => {
    forgetExitHook()
    await node?.end('SIGKILL')
    await folder.remove()
  }

  const boot = async (): Promise<void> => {
    const started = await startPrivateProcess({
      command: binary,
      args,
      environment: serverEnvironment(),
      cwd: folder.path,
      logFile,
    })
    node = started
    folder.recordProcess(started.identity)
    const isHopeless = (): Error | undefined => (started.isRunning() ? undefined : new Error('It ended at once.'))
    const prepare = async (): Promise<void> => {
      await request('eth_chainId')
      if (blockTime !== 'on-demand') return
      // Else all blocks that are built within a second have the same time, and those after a restart an earlier one.
      const { timestamp } = (await request('eth_getBlockByNumber', ['latest', false])) as { readonly timestamp: string }
      await request('evm_setNextBlockTimestamp', [hex(Number(timestamp) + 1)])
      await request('anvil_setBlockTimestampInterval', [1])
    }
    await waitUntilReady(prepare, { timeoutMs: startTimeoutMs, isHopeless })
  }

  const block = async (name: string): Promise<AnvilBlock> => {
    const found = (await request('eth_getBlockByNumber', [name, false])) as Record<
      'number' | 'hash' | 'parentHash',
      string
    >
    return { number: Number(found.number), hash: found.hash, parentHash: found.parentHash }
  }

  const account = async (): Promise<unknown> => ((await request('eth_accounts')) as readonly unknown[])[0]

  const sendTransaction = async (transaction: AnvilTransaction): Promise<string> =>
    String(await request('eth_sendTransaction', [{ from: transaction.from ?? (await account()), ...transaction }]))

  const mine = async (blocks = 1): Promise<AnvilBlock> => {
    await request('anvil_mine', [hex(blocks)])
    return block('latest')
  }

  try {
    await boot()
  } catch (cause) {
    const output = node?.logTail() ?? ''
    await stop()
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigurationError('SERVICE_UNAVAILABLE', `anvil did not start. ${reason} It printed last:\n${output}`, {
      cause,
    })
  }

  return {
    url,
    wsUrl: `ws://${HOST}:${port}`,
    genesisHash: (await block('0x0')).hash,
    get pid() {
      return node?.identity.pid ?? 0
    },
    request,
    head: () => block('latest'),
    finalized: () => block('finalized'),
    mine,
    async reorg(depth) {
      await request('anvil_reorg', [depth, []])
      return block('latest')
    },
    sendTransaction,
    async deploy(code) {
      const hash = await sendTransaction({ data: code })
      await mine()
      const receipt = (await request('eth_getTransactionReceipt', [hash])) as { readonly contractAddress: string }
      return receipt.contractAddress
    },
    async kill() {
      await node?.end('SIGKILL')
    },
    async restart() {
      await node?.end('SIGTERM')
      await boot()
    },
    stop: () => (stopping ??= stop()),
  }
}

function hex(number: number): string {
  return `0x${number.toString(16)}`
}

/** Without variables that change how anvil runs. */
function serverEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !key.startsWith('ANVIL_') && !key.startsWith('FOUNDRY_')),
  )
}
