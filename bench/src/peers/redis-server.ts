import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

/** A Redis of our own, with a folder of its own. */
export interface RedisServer {
  /** A Unix socket. */
  readonly path: string
  /** Ends it, and removes what it left. */
  stop(): Promise<void>
}

/** Which Redis this program is; `undefined` when there is no such program. */
export async function redisVersion(program: string): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'])
    return /v=([\d.]+)/.exec(stdout)?.[1]
  } catch {
    // It is not installed: the caller says so, and how to do that.
    return undefined
  }
}

/** Starts a Redis that appends all it does to a file, and has it written to disk every second: its usual durable setting. */
export async function startRedis(program: string): Promise<RedisServer> {
  const folder = await mkdtemp(path.join(tmpdir(), 'blockmill-redis-'))
  const socket = path.join(folder, 'redis.sock')
  const durable = ['--save', '', '--appendonly', 'yes', '--appendfsync', 'everysec']
  const policy = ['--maxmemory-policy', 'noeviction']
  const server = spawn(program, ['--port', '0', '--unixsocket', socket, '--dir', folder, ...durable, ...policy], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(server, 'exit')
  const stop = async (): Promise<void> => {
    server.kill('SIGTERM')
    await exited
    await rm(folder, { recursive: true, force: true })
  }
  const lines: string[] = []
  for await (const line of createInterface({ input: server.stdout })) {
    lines.push(line)
    if (/ready to accept connections/i.test(line)) break
  }
  server.stdout.resume()
  if (server.exitCode === null) return { path: socket, stop }
  await stop()
  throw new Error(`${program} did not start: ${lines.join('\n')}`)
}
