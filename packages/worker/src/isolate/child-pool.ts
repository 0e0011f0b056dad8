import { RetryableError } from '@blockmill/core'
import type { Child } from './child.ts'
import type { ChildEndReason } from './child-fate.ts'

/** Where isolated attempts run. */
export const CHILD_KINDS = ['thread', 'process'] as const
export type ChildKind = (typeof CHILD_KINDS)[number]

/** What an attempt asks of the child that runs it. */
export interface ChildNeed {
  readonly kind: ChildKind
  /** Attempts that one child may run. Default: any number. */
  readonly maxTasks?: number | undefined
  /** Memory above which a child runs no other attempt. Default: any. */
  readonly maxMemoryBytes?: number | undefined
}

/** The threads and processes of a worker. */
export interface ChildPool {
  /** How many run attempts, start, or wait for attempts. */
  readonly size: number
  /** The same for one kind. */
  sizeOf(kind: ChildKind): number
  /**
   * Takes a child out of the pool, for one attempt. Waits while as many as allowed are out.
   *
   * @throws ChildLost when it cannot be started; the signal's reason when it aborts first; `WORKER_STOPPING` once stopped.
   */
  acquire(need: ChildNeed, signal: AbortSignal): Promise<Child>
  /** Gives a child back. One that has reached what the need allows is replaced. */
  release(child: Child, need: ChildNeed): void
  /** Ends all children, also those that run. Resolves when none is left. */
  stop(): Promise<void>
}

export interface ChildPoolOptions {
  /** Children at once, of both kinds together. */
  readonly maxChildren: number
  readonly create: (kind: ChildKind, onUnfit: () => void) => Child
  /** How long a child may wait for an attempt before it is ended. Default one minute. */
  readonly idleMs?: number
  /** Called once for each child that leaves the pool. */
  readonly onEnded?: (kind: ChildKind, reason: ChildEndReason) => void
}

interface Member {
  readonly child: Child
  readonly kind: ChildKind
  idleTimer?: NodeJS.Timeout
}

interface Waiter {
  readonly need: ChildNeed
  readonly resolve: (child: Child) => void
  readonly reject: (error: unknown) => void
}

/**
 * Children are started when an attempt needs one, the one that waited least runs the next attempt, and those that nobody
 * needs for a while end. A child that ends makes room at once: it may overlap with the one that takes its place.
 */
export function createChildPool({ maxChildren, create, idleMs = 60_000, onEnded }: ChildPoolOptions): ChildPool {
  /** All that count: those that end do not. */
  const members = new Map<Child, Member>()
  /** The one that waits for the shortest time is last. */
  const idle: Member[] = []
  const waiters: Waiter[] = []
  const ending = new Set<Child>()
  let stopped = false

  function serve(): void {
    while (waiters.length > 0) {
      const [waiter] = waiters
      if (waiter === undefined || !tryServe(waiter)) return
      waiters.shift()
    }
  }

  /** False when there is no child and no room for one. */
  function tryServe({ need, resolve, reject }: Waiter): boolean {
    const suited = idle.findLast(({ child, kind }) => kind === need.kind && endReason(child, need) === undefined)
    if (suited !== undefined) {
      takeFromIdle(suited)
      resolve(suited.child)
      return true
    }
    if (members.size >= maxChildren) {
      const [other] = idle
      if (other === undefined) return false
      retire(other, 'room')
    }
    void start(need).then(resolve, reject)
    return true
  }

  async function start({ kind }: ChildNeed): Promise<Child> {
    const child = create(kind, () => drop(child))
    members.set(child, { child, kind })
    try {
      await child.ready
    } catch (error) {
      drop(child)
      throw error
    }
    return child
  }

  /** For one that became unfit or went away by itself. */
  function drop(child: Child): void {
    const member = members.get(child)
    if (member === undefined) return
    retire(member, child.fate ?? 'lost')
    serve()
  }

  function retire(member: Member, reason: ChildEndReason): void {
    const { child, kind } = member
    takeFromIdle(member)
    members.delete(child)
    ending.add(child)
    void child.end().then(() => ending.delete(child))
    onEnded?.(kind, reason)
  }

  function takeFromIdle(member: Member): void {
    clearTimeout(member.idleTimer)
    const at = idle.indexOf(member)
    if (at >= 0) idle.splice(at, 1)
  }

  function putToIdle(member: Member): void {
    member.idleTimer = setTimeout(() => retire(member, 'idle'), idleMs)
    idle.push(member)
  }

  return {
    get size() {
      return members.size
    },
    sizeOf: (kind) => [...members.values()].filter((member) => member.kind === kind).length,
    acquire(need, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<Child>()
      if (signal.aborted) reject(signal.reason)
      else if (stopped) reject(stopping())
      else {
        const abort = (): void => {
          const at = waiters.indexOf(waiter)
          if (at >= 0) waiters.splice(at, 1)
          reject(signal.reason)
        }
        const settled = (): void => signal.removeEventListener('abort', abort)
        const waiter: Waiter = {
          need,
          resolve(child) {
            settled()
            // Nobody wants it any more, because the attempt was aborted while its child started.
            if (signal.aborted) release(child, need)
            else resolve(child)
          },
          reject(error) {
            settled()
            reject(error)
          },
        }
        signal.addEventListener('abort', abort, { once: true })
        waiters.push(waiter)
        serve()
      }
      return promise
    },
    release,
    async stop() {
      stopped = true
      for (const { reject } of waiters.splice(0)) reject(stopping())
      for (const member of members.values()) retire(member, 'stopped')
      await Promise.all([...ending].map((child) => child.gone))
    },
  }

  function release(child: Child, need: ChildNeed): void {
    const member = members.get(child)
    if (member !== undefined) {
      const reason = endReason(child, need)
      if (reason === undefined) putToIdle(member)
      else retire(member, reason)
    }
    serve()
  }
}

/** Why a child must not run an attempt with this need. */
function endReason(
  { fate, tasks, memoryBytes }: Child,
  { maxTasks, maxMemoryBytes }: ChildNeed,
): ChildEndReason | undefined {
  if (fate !== undefined) return fate
  if (maxTasks !== undefined && tasks >= maxTasks) return 'max_tasks'
  return maxMemoryBytes !== undefined && memoryBytes > maxMemoryBytes ? 'max_memory' : undefined
}

function stopping(): RetryableError {
  return new RetryableError('WORKER_STOPPING', 'The worker stops; this attempt will be run again by another.')
}
