import type { RecordedRetention } from '@blockmill/core'

/** Tasks of one definition, those that succeeded or those that did not. */
export interface TaskKind {
  readonly chain: string
  readonly name: string
  readonly succeeded: boolean
}

/** Which tasks are deleted how long after their end. */
export interface RetentionRule {
  readonly keptMs: number
  /** `only` these, or all `but` these. */
  readonly type: 'only' | 'but'
  readonly kinds: readonly TaskKind[]
  /** Of these, only those that succeeded in one of these queues. Default all. */
  readonly succeededIn?: readonly string[]
}

/** How long tasks are kept whose definition says nothing. */
export interface RetentionDefaults {
  /** Undefined for ever. */
  readonly keptMs: number | undefined
  /** Queues whose tasks are deleted as soon as may be after they have succeeded. */
  readonly deleteOnComplete?: readonly string[]
}

/**
 * No task is deleted sooner after its end. An event that is reported twice, or late, meets the row of its task for that long,
 * and changes nothing. Without the row it would bring half of it back.
 */
export const SHORTEST_KEPT_MS = 10 * 60 * 1_000

/**
 * The rules that follow from how long tasks are kept: one for each length that definitions name, the shortest first, one for queues
 * whose tasks are deleted when they have succeeded, and one for all others. What a definition says counts, whatever is said of its queue.
 */
export function retentionRules(
  retentions: readonly RecordedRetention[],
  { keptMs: defaultMs, deleteOnComplete = [] }: RetentionDefaults,
): readonly RetentionRule[] {
  const named: (TaskKind & { readonly keptMs: number | null })[] = retentions.flatMap(
    ({ chain, task: name, succeededMs, failedMs }) => [
      ...(succeededMs === undefined ? [] : [{ chain, name, succeeded: true, keptMs: succeededMs }]),
      ...(failedMs === undefined ? [] : [{ chain, name, succeeded: false, keptMs: failedMs }]),
    ],
  )
  const byLength = new Map<number, TaskKind[]>()
  for (const { keptMs, ...kind } of named) {
    if (keptMs === null) continue
    const length = Math.max(SHORTEST_KEPT_MS, keptMs)
    byLength.set(length, [...(byLength.get(length) ?? []), kind])
  }
  const only = [...byLength].map(([keptMs, kinds]) => ({ type: 'only' as const, keptMs, kinds }))
  const others = named.map(({ keptMs: _keptMs, ...kind }) => kind)
  return [
    ...only.toSorted((a, b) => a.keptMs - b.keptMs),
    ...(deleteOnComplete.length === 0
      ? []
      : [{ type: 'but' as const, keptMs: SHORTEST_KEPT_MS, kinds: others, succeededIn: deleteOnComplete }]),
    ...(defaultMs === undefined ? [] : [{ type: 'but' as const, keptMs: defaultMs, kinds: others }]),
  ]
}
