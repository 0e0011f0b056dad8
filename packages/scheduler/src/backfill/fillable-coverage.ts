import { type AnyTaskDefinition, argsHash, type JsonObject } from '@blockmill/core'

import type { Heads } from '../chain/head-watcher.ts'
import type { Coverage, CoverageStore, FollowedCoverage } from '../coverage/coverage-store.ts'
import type { TaskCoverage } from '../coverage/task-coverage.ts'
import { nextLiveBlock } from '../planner/next-blocks.ts'
import { resolveArgs, type ResolvedArgs } from '../planner/resolve-args.ts'
import type { OpenCoverage } from './backfill-ports.ts'

/** The coverage of a leadership, which back-fill shares with the followers. */
export interface SharedCoverage {
  readonly store: CoverageStore
  readonly token: number
  readonly heads: () => Heads
  /** Everything that was on record when the leadership began. */
  readonly recorded: () => Iterable<Coverage>
  /** The coverage that followers and back-fill work with already. */
  readonly opened: () => Iterable<TaskCoverage>
  /** That with this key, opened if it is not yet. */
  readonly open: (coverage: Omit<FollowedCoverage, 'evaluated'>) => TaskCoverage
  /** The coverage of sets of arguments that the task runs with now. */
  readonly coverageOf: (
    definition: AnyTaskDefinition,
    argsList: readonly ResolvedArgs[],
    head: number,
  ) => Promise<readonly TaskCoverage[]>
}

/**
 * Opens coverage for back-fill. Sets of arguments that the task runs with share theirs with the followers, and are filled in
 * up to the live run. A set that it no longer runs with goes on from what is on record, up to the head. A set that it never
 * ran with is put on record with a start block behind the head: it owes nothing but what is asked for.
 */
export function createOpenCoverage(shared: SharedCoverage): OpenCoverage {
  const { store, token, heads, recorded, opened, open, coverageOf } = shared

  const unfollowed = async ({ name, head }: AnyTaskDefinition, args: JsonObject): Promise<TaskCoverage> => {
    const key = { task: name, argsHash: argsHash(args), head }
    const known = [...opened(), ...recorded()].find(
      (one) => one.task === name && one.argsHash === key.argsHash && one.head === head,
    )
    const coverage = { ...key, args, startBlock: known?.startBlock ?? heads()[head].number + 1 }
    if (known === undefined) await store.register(token, [coverage])
    return open({ ...coverage, liveFrom: coverage.startBlock })
  }

  return async function openCoverage(definition, argsList) {
    const now = await resolveArgs(definition)
    const followed = await coverageOf(definition, now, heads()[definition.head].number)
    const former = [...recorded(), ...opened()].filter(
      ({ task, head }) => task === definition.name && head === definition.head,
    )
    const wanted = argsList ?? [...now, ...former].map(({ args }) => args)
    const byHash = new Map(wanted.map((args) => [argsHash(args), args]))
    const finalized = heads().finalized.number
    return Promise.all(
      Array.from(byHash, async ([hash, args]) => {
        const live = followed.find((one) => one.argsHash === hash)
        const coverage = live ?? (await unfollowed(definition, args))
        const last = live === undefined ? heads()[definition.head].number : nextLiveBlock(live) - 1
        return { coverage, upTo: Math.min(last, finalized) }
      }),
    )
  }
}
