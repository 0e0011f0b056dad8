import type { BranchStore, OrphanedBlock } from '../src/reorg/branch-store.ts'
import type { Branch } from '../src/reorg/branch.ts'
import type { MemoryCoverageStore } from './memory-coverage-store.ts'

/** A branch in memory, to be shared by schedulers that come one after the other, with the coverage that it takes back. */
export interface MemoryBranchStore extends BranchStore {
  readonly blocks: Branch
  readonly orphaned: readonly OrphanedBlock[]
  /** Held back before each replacement. */
  onReplace: () => Promise<void>
  setFinalized(block: { readonly number: number; readonly hash: string }): void
  /** What tasks on record were scheduled for. */
  setScheduled(blocks: readonly { readonly number: number; readonly hash: string }[]): void
}

export function createMemoryBranchStore(coverage: MemoryCoverageStore): MemoryBranchStore {
  let blocks: Branch = []
  let finalized: { readonly number: number; readonly hash: string } | undefined
  let scheduled: readonly { readonly number: number; readonly hash: string }[] = []
  const orphaned = new Map<string, OrphanedBlock>()

  const write = (added: Branch, keptFrom: number): void => {
    const numbers = new Set(added.map(({ number }) => number))
    const tip = added.at(-1)?.number ?? 0
    const before = blocks.filter(({ number }) => number < tip && !numbers.has(number))
    blocks = [...before, ...added].filter(({ number }) => number >= keptFrom).sort((a, b) => a.number - b.number)
    for (const { hash } of added) orphaned.delete(hash)
  }

  const store: MemoryBranchStore = {
    get blocks() {
      return blocks
    },
    get orphaned() {
      return [...orphaned.values()]
    },
    onReplace: async () => undefined,
    setFinalized(block) {
      finalized = block
    },
    setScheduled(given) {
      scheduled = given
    },
    load: async () => ({ blocks, orphaned: [...orphaned.values()], finalized }),
    scheduledBlocks: async (from, to) => scheduled.filter(({ number }) => number >= from && number <= to),
    async extend(_, extension) {
      write(extension.blocks, extension.keptFrom)
    },
    async replace(_, replacement) {
      await store.onReplace()
      write(replacement.blocks, replacement.keptFrom)
      for (const block of replacement.orphaned) orphaned.set(block.hash, block)
      coverage.retract(replacement.ancestor + 1)
    },
  }
  return store
}
