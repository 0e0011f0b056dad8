/** Texts in UTF-8, one after the other in memory that is taken once and used again: nothing that the collector moves or counts. */
export interface TextArena {
  /** Of all texts since it was cleared. */
  readonly bytes: number
  /** @returns the number of the text, from 0. Half a surrogate pair becomes U+FFFD. */
  add(text: string): number
  /** The bytes of a text, good until the next text is added or all are cleared. */
  at(index: number): Uint8Array
  clear(): void
}

const FIRST_BYTES = 64 * 1024

/** Makes an empty arena. It grows as texts need it, to at most twice the bytes that it ever held at once, and 64 KiB at least. */
export function createTextArena(): TextArena {
  let memory = Buffer.allocUnsafeSlow(FIRST_BYTES)
  let ends: number[] = []
  let used = 0

  function makeRoom(bytes: number): void {
    if (used + bytes <= memory.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(used + bytes, 2 * memory.length))
    memory.copy(larger, 0, 0, used)
    memory = larger
  }

  return {
    get bytes() {
      return used
    },
    add(text) {
      makeRoom(Buffer.byteLength(text))
      used += memory.write(text, used)
      return ends.push(used) - 1
    },
    at(index) {
      return memory.subarray(ends[index - 1] ?? 0, ends[index])
    },
    clear() {
      ends = []
      used = 0
    },
  }
}
