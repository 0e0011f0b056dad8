/** The keys that were added last. */
export interface RecentKeys {
  add(key: string): void
  has(key: string): boolean
}

/** No key stands there. */
const NONE = -1

/**
 * Remembers the last keys that were added, so many of them, by 64 bits of hash each: of 10,000 keys, two that are taken for one
 * another come once in 10^15 questions.
 *
 * Fixed arrays of numbers, because whatever lives as long as 10,000 tasks ends in V8's old generation: as strings, the keys
 * were most of what a busy worker left there.
 */
export function createRecentKeys(capacity: number): RecentKeys {
  // A hash table whose chains run through a ring: the next key takes the place of the oldest.
  const heads = new Int32Array(capacity).fill(NONE)
  const links = new Int32Array(capacity).fill(NONE)
  const hashes = new Uint32Array(2 * capacity)
  let added = 0

  function find(high: number, low: number): number {
    let at = heads[high % capacity] ?? NONE
    while (at !== NONE && (hashes[2 * at] !== high || hashes[2 * at + 1] !== low)) at = links[at] ?? NONE
    return at
  }

  function unlink(place: number): void {
    const bucket = (hashes[2 * place] ?? 0) % capacity
    const next = links[place] ?? NONE
    let at = heads[bucket] ?? NONE
    if (at === place) {
      heads[bucket] = next
      return
    }
    while (at !== NONE && links[at] !== place) at = links[at] ?? NONE
    if (at !== NONE) links[at] = next
  }

  return {
    add(key) {
      const [high, low] = hash(key)
      if (find(high, low) !== NONE) return
      const place = added % capacity
      if (added >= capacity) unlink(place)
      added += 1
      hashes[2 * place] = high
      hashes[2 * place + 1] = low
      const bucket = high % capacity
      links[place] = heads[bucket] ?? NONE
      heads[bucket] = place
    },
    has(key) {
      const [high, low] = hash(key)
      return find(high, low) !== NONE
    },
  }
}

/** Two lanes of multiply and exclusive-or with different odd factors, each mixed with the other at the end. */
function hash(key: string): [high: number, low: number] {
  let high = 0x811c9dc5
  let low = 0x9747b28c
  for (let index = 0; index < key.length; index += 1) {
    const code = key.charCodeAt(index)
    high = Math.imul(high ^ code, 0x9e3779b1)
    low = Math.imul(low ^ code, 0x5f356495)
  }
  high = Math.imul(high ^ (high >>> 16), 0x85ebca6b) ^ Math.imul(low ^ (low >>> 13), 0xc2b2ae35)
  low = Math.imul(low ^ (low >>> 16), 0x85ebca6b) ^ Math.imul(high ^ (high >>> 13), 0xc2b2ae35)
  return [high >>> 0, low >>> 0]
}
