import { type AnyTaskDefinition, type JsonObject, unlessAborted } from '@blockmill/core'

import { failureFields } from '../failure-fields.ts'
import { backoffMs } from '../backoff.ts'
import type { TaskCoverage } from '../coverage/task-coverage.ts'
import { isLeaseLost } from '../lease/lease-lost.ts'
import { resolveArgs, type ResolvedArgs } from '../planner/resolve-args.ts'
import { createWakeUp, pause } from '../wake-up.ts'
import { ArgsFollower } from './args-follower.ts'
import type { FollowerPorts } from './follower-ports.ts'

export interface TaskFollowerOptions {
  readonly definition: AnyTaskDefinition
  readonly ports: FollowerPorts
  /** The coverage of the task with these arguments at this head, put on record where it is new. */
  readonly coverageOf: (
    definition: AnyTaskDefinition,
    argsList: readonly ResolvedArgs[],
    head: number,
  ) => Promise<readonly TaskCoverage[]>
}

/**
 * Takes one task along with the head. For each new head it asks for the task's arguments, and sends a follower of its own
 * after each set of them, so that a set whose condition fails or is slow holds up nothing else.
 */
export class TaskFollower {
  readonly #options: TaskFollowerOptions
  readonly #wakeUp = createWakeUp()
  readonly #followers = new Map<string, ArgsFollower>()
  readonly #running: Promise<void>[] = []
  #active: readonly ArgsFollower[] = []
  #head = -1
  #hasWarned = false

  constructor(options: TaskFollowerOptions) {
    this.#options = options
  }

  /** All blocks up to this one are due. */
  follow(head: number): void {
    this.#head = head
    this.#wakeUp.notify()
  }

  /** Every live block up to this one was evaluated for all arguments; `undefined` while there are none. */
  get height(): number | undefined {
    return this.#active.length === 0 ? undefined : Math.min(...this.#active.map(({ height }) => height))
  }

  /** True while blocks could be scheduled at once: back-fill lets them go first. */
  get isDue(): boolean {
    return this.#active.some((follower) => follower.isDue)
  }

  /** Resolves when stopped, with nothing in flight. */
  async run(): Promise<void> {
    const { stopping } = this.#options.ports
    await this.#wakeUp.wait(stopping)
    for (let failures = 0; !stopping.aborted;) {
      failures = (await this.#advance(failures + 1)) ? 0 : failures + 1
      await (failures === 0 ? this.#wakeUp.wait(stopping) : pause(backoffMs(failures), stopping))
    }
    await Promise.all(this.#running)
  }

  async #advance(attempt: number): Promise<boolean> {
    const { definition, ports, coverageOf } = this.#options
    const head = this.#head
    const log = ports.logger.child({ task: definition.name })
    const retryInMs = backoffMs(attempt)
    let argsList: readonly ResolvedArgs[]
    try {
      argsList = await unlessAborted(resolveArgs(definition), ports.abandoned)
    } catch (error) {
      if (ports.abandoned.aborted) return false
      ports.metrics.conditionFailed(definition.name)
      log.error({ err: error, head, retryInMs }, 'the arguments of a task could not be had; trying again')
      return false
    }
    this.#warnWithoutArgs(argsList)
    try {
      const coverage = await unlessAborted(coverageOf(definition, argsList, head), ports.abandoned)
      this.#active = coverage.map((one) => this.#followerOf(one))
      for (const follower of this.#active) follower.follow(head)
      return true
    } catch (error) {
      if (ports.abandoned.aborted) return false
      if (isLeaseLost(error)) ports.onLeaseLost(error)
      else log.warn({ ...failureFields(error), retryInMs }, 'a task could not be put on record; trying again')
      return false
    }
  }

  #followerOf(coverage: TaskCoverage): ArgsFollower {
    const known = this.#followers.get(coverage.argsHash)
    if (known !== undefined) return known
    const follower = new ArgsFollower(this.#options.definition, coverage, this.#options.ports)
    this.#followers.set(coverage.argsHash, follower)
    this.#running.push(follower.run())
    return follower
  }

  #warnWithoutArgs(argsList: readonly { readonly args: JsonObject }[]): void {
    if (argsList.length === 0 && !this.#hasWarned) {
      this.#options.ports.logger.warn({ task: this.#options.definition.name }, 'a task has no arguments and so no runs')
    }
    this.#hasWarned = argsList.length === 0
  }
}
