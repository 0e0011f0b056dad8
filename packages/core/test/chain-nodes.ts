import { once } from 'node:events'
import { createServer } from 'node:net'

import { type JsonRpcMethod, type JsonRpcServer, startJsonRpcServer } from '@blockmill/testkit'
import { onTestFinished } from 'vitest'

import {
  type ChainConnection,
  type ChainConnectionOptions,
  createChainConnection,
  createLogger,
  substrateProtocol,
} from '../src/index.ts'

export const GENESIS = `0x${'11'.repeat(32)}`
export const OTHER_GENESIS = `0x${'22'.repeat(32)}`

export interface LogLine {
  readonly level: number
  readonly msg: string
  readonly endpoint: string
  readonly reason: string
  readonly failures?: number
  readonly retryInMs?: number
}

export const WARN = 40
export const ERROR = 50

/** A node that knows its genesis and what a test adds. */
export async function node(
  methods: Record<string, JsonRpcMethod> = {},
  genesis = GENESIS,
  port = 0,
): Promise<JsonRpcServer> {
  const server = await startJsonRpcServer({ port, methods: { chain_getBlockHash: () => genesis, ...methods } })
  onTestFinished(() => server.stop())
  return server
}

export const urlOf = ({ port }: { readonly port: number }): string => `ws://127.0.0.1:${port}`

/** A connection that is hasty enough for a test, though not for a busy machine, and what it logs. */
export function connectionTo(
  endpoints: readonly string[],
  options: Partial<ChainConnectionOptions> = {},
): { connection: ChainConnection; lines: LogLine[] } {
  const lines: LogLine[] = []
  const destination = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) }
  const connection = createChainConnection({
    protocol: substrateProtocol,
    endpoints,
    logger: createLogger({ service: 'test', level: 'debug', destination }),
    maxBackoffMs: 200,
    requestTimeoutMs: 5_000,
    connectTimeoutMs: 5_000,
    ...options,
  })
  onTestFinished(() => connection.close())
  return { connection, lines }
}

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
