import type * as Core from '@acala-network/chopsticks-core'

/** What a block changed in the chain's state, by key; null where a key was removed. */
export type StateChanges = Readonly<Record<string, string | null>>

/** The state of a chain after each of its blocks. */
export interface VersionedStorage {
  /** Adds what a block changed. Blocks come in order. */
  add(block: number, changes: StateChanges): void
  /** The state after a block, as Chopsticks reads it. */
  at(block: number): Core.StorageLayerProvider
  /** What blocks up to this one changed, taken together. */
  changesUpTo(block: number): StateChanges
  /** Forgets how the state was before this block, which itself stays readable. */
  forgetBefore(block: number): void
}

interface Version {
  readonly block: number
  readonly value: string | null
}

/**
 * Keeps the values of each key in the order of their blocks. Chopsticks itself stacks a layer for each block on those before, and
 * asks them one within the other for what the newest lacks: it gets slower with every block, and after some thousands ends in a
 * stack overflow.
 *
 * @param genesis the state that all of it began with.
 * @param deleted what Chopsticks takes for the value of a key that was removed.
 */
export function createVersionedStorage(
  genesis: Core.StorageLayerProvider,
  deleted: Core.StorageValue,
): VersionedStorage {
  const versions = new Map<string, Version[]>()
  let sortedKeys: string[] | undefined

  /** The value after a block; undefined where the genesis is to be asked. */
  const valueAt = (key: string, block: number): string | null | undefined =>
    versions.get(key)?.findLast((version) => version.block <= block)?.value

  const keysAfter = (key: string): readonly string[] => {
    sortedKeys ??= [...versions.keys()].sort()
    let [low, high] = [0, sortedKeys.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sortedKeys[middle] ?? '') <= key) low = middle + 1
      else high = middle
    }
    return sortedKeys.slice(low)
  }

  const nextKey = async (prefix: string, startKey: string, block: number): Promise<string | undefined> => {
    const isThere = (key: string): boolean => typeof valueAt(key, block) === 'string'
    const added = keysAfter(startKey).find((key) => key.startsWith(prefix) && isThere(key))
    let first = await genesis.findNextKey(prefix, startKey)
    while (first !== undefined && valueAt(first, block) === null) first = await genesis.findNextKey(prefix, first)
    if (added === undefined || first === undefined) return added ?? first
    return added < first ? added : first
  }

  const get = async (key: string, block: number): Promise<Core.StorageValue> => {
    const value = valueAt(key, block)
    return value === undefined ? genesis.get(key, false) : (value ?? deleted)
  }

  return {
    add(block, changes) {
      for (const [key, value] of Object.entries(changes)) {
        const known = versions.get(key)
        if (known === undefined) {
          versions.set(key, [{ block, value }])
          sortedKeys = undefined
        } else if (known.at(-1)?.value !== value) known.push({ block, value })
      }
    },
    at: (block) => ({
      deleted: (key) => valueAt(key, block) === null,
      get: (key) => get(key, block),
      getMany: (keys) => Promise.all(keys.map((key) => get(key, block))),
      findNextKey: (prefix, startKey) => nextKey(prefix, startKey, block),
      async getKeysPaged(prefix, pageSize, startKey) {
        const page: string[] = []
        for (
          let key = await nextKey(prefix, startKey, block);
          key !== undefined;
          key = await nextKey(prefix, key, block)
        ) {
          page.push(key)
          if (page.length === pageSize) break
        }
        return page
      },
    }),
    changesUpTo: (block) =>
      Object.fromEntries(
        [...versions.keys()].flatMap((key) => {
          const value = valueAt(key, block)
          return value === undefined ? [] : [[key, value]]
        }),
      ),
    forgetBefore(block) {
      for (const [key, known] of versions) {
        const kept = known.findLastIndex((version) => version.block <= block)
        if (kept > 0) versions.set(key, known.slice(kept))
      }
    },
  }
}
