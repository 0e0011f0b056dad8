import type { Enqueue, EnqueueOptions, JsonObject } from '@blockmill/core'
import type { HandlerAttempt } from './attempt.ts'

/** Makes what enqueues tasks for a chain. */
export type EnqueueFor = (chain: string) => Enqueue

/**
 * The `enqueue` of an attempt's context: the new task belongs to the family of the one that enqueues it. Unique only when the
 * handler says so, because a worker rarely has the database that this needs.
 */
export function enqueueFrom({ unit: { message }, item }: HandlerAttempt, enqueueFor: EnqueueFor): Enqueue {
  return (task: string | { readonly name: string }, args: JsonObject, options: EnqueueOptions = {}) =>
    // Both forms of `Enqueue` are passed on alike.
    enqueueFor(message.chain)(task as string, args, {
      ...options,
      unique: options.unique ?? false,
      parentId: options.parentId ?? item.id,
      rootId: options.rootId ?? message.rootId ?? item.id,
    })
}
