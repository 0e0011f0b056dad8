import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ChildEnd } from './child-lost.ts'
import type { FromChild, ToChild } from './child-protocol.ts'

/** A thread or process that was started, as its owner sees it. */
export interface ChildHandle {
  /** How logs and errors name it: `process 4711`, `thread 3`. */
  readonly name: string
  /** What it is told after its end is lost. */
  send(message: ToChild): void
  /** Ends it at once, whatever it does. */
  kill(): void
}

export interface ChildEvents {
  readonly onMessage: (message: FromChild) => void
  /** Called once, after its last message. */
  readonly onExit: (end: ChildEnd) => void
}

/** Starts a thread or process that runs `child-entry`. May throw when the system has no resources for it. */
export type SpawnChild = (events: ChildEvents) => ChildHandle

export interface SpawnOptions {
  /** Limit of the child's V8 heap. Default: Node's own. */
  readonly heapLimitMb?: number | undefined
}

/** A module beside this one, whether this is source or was built. */
export function moduleBeside(name: string): string {
  return fileURLToPath(new URL(`${name}${extname(import.meta.url)}`, import.meta.url))
}
