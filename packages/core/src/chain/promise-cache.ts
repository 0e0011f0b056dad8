import { LRUCache } from 'lru-cache'

/** Remembers the most recently used results of something asynchronous. */
export interface PromiseCache<V> {
  /** The remembered or running result for the key, or else a new one. */
  get(key: string, create: () => Promise<V>): Promise<V>
  /** Forgets the key. */
  delete(key: string): void
}

/**
 * A cache of at most `max` results that forgets a rejection at once: those who wait for the same key share it, and the next
 * one who asks makes a new try.
 */
export function createPromiseCache<V>(max: number): PromiseCache<V> {
  const entries = new LRUCache<string, Promise<V>>({ max })
  return {
    get(key, create) {
      const known = entries.get(key)
      if (known !== undefined) return known
      const made = create()
      entries.set(key, made)
      made.catch(() => {
        // A newer try may stand in its place by now.
        if (entries.peek(key) === made) entries.delete(key)
      })
      return made
    },
    delete(key) {
      entries.delete(key)
    },
  }
}
