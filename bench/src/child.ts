import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'

/** Flags of Node that the command `blockmill` gives to itself: its first line has them. */
const NODE_FLAGS = ['--max-semi-space-size=16', '--heap-growing-percent=100']

/** A process of a benchmark, started from a file beside this one. */
export interface Child {
  readonly pid: number
  /** Resolves with the next message of this type. */
  message(type: string): Promise<void>
  /** Asks it to end, and resolves when it has. */
  stop(): Promise<void>
}

/** Starts a process with settings, and resolves when it says that it is ready. */
export async function startChild(file: string, settings: object): Promise<Child> {
  const child = fork(path.join(import.meta.dirname, file), [JSON.stringify(settings)], { execArgv: NODE_FLAGS })
  const exited = once(child, 'exit')
  const message = async (type: string): Promise<void> => {
    const failed = exited.then(([status]) => {
      throw new Error(`${file} ended with ${String(status)} before it said '${type}'.`)
    })
    await Promise.race([received(child, type), failed])
  }
  await message('ready')
  return {
    pid: child.pid ?? 0,
    message,
    async stop() {
      if (child.connected) child.disconnect()
      await exited
    },
  }
}

/** In the child: its settings, and a promise that resolves when it should end. */
export function asChild(): { readonly settings: unknown; readonly stopped: Promise<unknown> } {
  return { settings: JSON.parse(process.argv[2] ?? '{}'), stopped: once(process, 'disconnect') }
}

async function received(child: ChildProcess, type: string): Promise<void> {
  const done = Promise.withResolvers<void>()
  const listen = (message: unknown): void => {
    if (message === type) done.resolve()
  }
  child.on('message', listen)
  await done.promise
  child.off('message', listen)
}
