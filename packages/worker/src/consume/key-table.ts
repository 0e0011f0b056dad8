/** Values by string keys, for values that come and go by the thousand. */
export interface KeyTable<Value> {
  readonly size: number
  get(key: string): Value | undefined
  /** Adds a value, or puts it in the place of the one with the same key. */
  set(key: string, value: Value): void
  /** @returns false when there is none with this key. */
  delete(key: string): boolean
}

interface Entry<Value> {
  readonly key: string
  value: Value
}

/**
 * Makes a table with this many buckets, best about as many as it holds.
 *
 * Not a `Map`, because V8 links each hash table that a `Map` outgrows to the one after it, also when it grows out of places that
 * were deleted. Once one of them is old, all that follow are kept until the next full garbage collection, with everything that
 * was ever in them. In a worker that was every task with its message: 3.5 KB each, and 60 MB more of memory.
 */
export function createKeyTable<Value>(buckets: number): KeyTable<Value> {
  const table = Array.from({ length: buckets }, (): Entry<Value>[] => [])
  let size = 0

  const bucketOf = (key: string): Entry<Value>[] => table[hash(key) % buckets] as Entry<Value>[]

  return {
    get size() {
      return size
    },
    get: (key) => bucketOf(key).find((entry) => entry.key === key)?.value,
    set(key, value) {
      const bucket = bucketOf(key)
      const entry = bucket.find((each) => each.key === key)
      if (entry === undefined) {
        bucket.push({ key, value })
        size += 1
      } else entry.value = value
    },
    delete(key) {
      const bucket = bucketOf(key)
      const index = bucket.findIndex((entry) => entry.key === key)
      if (index === -1) return false
      bucket.splice(index, 1)
      size -= 1
      return true
    },
  }
}

/** FNV-1a, 32 bits. */
function hash(key: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < key.length; index += 1) value = Math.imul(value ^ key.charCodeAt(index), 0x01000193)
  return value >>> 0
}
