import { fork } from 'node:child_process'
import { type ChildEvents, type ChildHandle, moduleBeside, type SpawnOptions } from './child-handle.ts'
import type { FromChild } from './child-protocol.ts'

/** Starts a process. Its output goes where the worker's goes. */
export function spawnProcess({ heapLimitMb }: SpawnOptions, { onMessage, onExit }: ChildEvents): ChildHandle {
  const child = fork(moduleBeside('child-entry'), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    ...(heapLimitMb !== undefined && { execArgv: [...process.execArgv, `--max-old-space-size=${heapLimitMb}`] }),
  })
  child.on('message', (message) => onMessage(message as FromChild))
  child.once('exit', (exitCode, signal) => {
    const end = (): void => onExit({ exitCode, signal })
    // What it sent last may still be on its way: the channel ends after that.
    if (child.connected) child.once('disconnect', end)
    else end()
  })
  child.on('error', (error) => {
    // Only a process that was never there has no exit.
    if (child.pid === undefined) onExit({ exitCode: null, signal: null, error })
  })
  return {
    name: `process ${child.pid ?? '(not started)'}`,
    // A process that is gone takes no message, and its exit says so.
    send: (message) => void child.send(message, () => undefined),
    kill: () => void child.kill('SIGKILL'),
  }
}
