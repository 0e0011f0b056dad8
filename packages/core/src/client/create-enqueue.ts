import { closest } from 'fastest-levenshtein'
import { ConfigurationError, NonRetryableError } from '../errors/blockmill-error.ts'
import type { TaskItem, TaskMessage } from '../message/task-message.ts'
import type { AnyTaskDefinition } from '../task/define-task.ts'
import type { JsonObject } from '../task/json.ts'
import type { TaskRegistry } from '../task/registry.ts'
import { RETRY_DEFAULTS } from '../task/retry-policy.ts'
import { argsHash } from '../task/task-id.ts'
import { adHocMessage, isUnique } from './ad-hoc-message.ts'
import type { Enqueue, EnqueuedTask, EnqueueOptions } from './client.ts'
import type { UniqueClaims } from './unique-claims.ts'

/** What enqueuing needs. */
export interface EnqueuePorts {
  /** The chain that tasks are for. */
  readonly chain: string
  /** Where tasks are looked up that are given by name. */
  readonly registry?: TaskRegistry | undefined
  /** Resolves when the broker has confirmed the message. */
  readonly publish: (message: TaskMessage) => Promise<void>
  /** Needed for unique tasks alone. */
  readonly claims?: UniqueClaims | undefined
  /** Executions of tasks that set none themselves. Default 3. */
  readonly maxAttempts?: number | undefined
  /** Unix milliseconds; default the system's clock. */
  readonly now?: (() => number) | undefined
}

/** @internal Makes an `Enqueue` on ports of its own, for where there is no broker client. */
export function createEnqueue({
  chain,
  registry,
  publish,
  claims,
  maxAttempts = RETRY_DEFAULTS.maxAttempts,
  now = Date.now,
}: EnqueuePorts): Enqueue {
  return async function enqueue(
    task: string | { readonly name: string },
    args: JsonObject,
    options: EnqueueOptions = {},
  ): Promise<EnqueuedTask> {
    // `Enqueue` sees to it that definition and arguments fit each other.
    const definition = typeof task === 'string' ? findTask(task, registry) : (task as AnyTaskDefinition)
    const message = adHocMessage({ chain, definition, args, options, defaultMaxAttempts: maxAttempts, nowMs: now() })
    const [item] = message.items as [TaskItem]
    if (isUnique(options)) return publishOnce(message, item)
    await publish(message)
    return { id: item.id, isNew: true }
  }

  async function publishOnce(message: TaskMessage, { id, args }: TaskItem): Promise<EnqueuedTask> {
    if (claims === undefined) throw withoutDatabase(message.task)
    const claim = await claims.claim({
      id,
      chain,
      name: message.task,
      argsHash: argsHash(args as JsonObject),
      generation: Date.parse(message.scheduledAt),
    })
    if (claim === undefined) return { id, isNew: false }
    try {
      await publish({ ...message, generation: claim.generation })
    } catch (error) {
      await claims.refused(id, claim)
      throw error
    }
    await claims.published(id, claim)
    return { id, isNew: claim.isNew }
  }
}

function findTask(name: string, registry: TaskRegistry | undefined): AnyTaskDefinition {
  if (registry === undefined) {
    throw new ConfigurationError(
      'CONFIG_INVALID',
      `Task '${name}' was given by name, but there is no registry to look it up in. Give the client a registry, or enqueue the definition itself.`,
    )
  }
  const definition = registry.get(name)
  if (definition !== undefined) return definition
  const names = registry.list().map((one) => one.definition.name)
  const hint = names.length === 0 ? 'There are no tasks at all.' : `Did you mean '${closest(name, names)}'?`
  throw new NonRetryableError('TASK_UNKNOWN', `No task named '${name}' is registered. ${hint}`)
}

function withoutDatabase(name: string): ConfigurationError {
  return new ConfigurationError(
    'CONFIG_INVALID',
    `Task '${name}' is to be unique, and only a database can tell whether it is live already, but there is none here. Give the client a database, or enqueue with \`unique: false\`.`,
  )
}
