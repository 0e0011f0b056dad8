/** Copies reach no further back than two bytes can say. */
const MAX_OFFSET = 0xffff
const HASH_BITS = 14
const MAX_COPY = 64

/**
 * Makes a compressor of raw Snappy, as `format_description.txt` of google/snappy has it. The result is good until the next call:
 * all memory is used again. The one that hyparquet-writer brings makes two objects for each literal, which is ten kilobytes of
 * garbage for a row, and what is being read meanwhile grows old for it.
 */
export function createSnappyCompressor(): (input: Uint8Array) => Uint8Array {
  const seen = new Int32Array(1 << HASH_BITS)
  let output = new Uint8Array(0)
  let size = 0

  return (input) => {
    // The bound of the reference implementation.
    const atMost = 32 + input.length + Math.floor(input.length / 6)
    if (output.length < atMost) output = new Uint8Array(atMost)
    size = 0
    seen.fill(-1)
    writeLength(input.length)
    let done = 0
    let misses = 0
    for (let at = 0; at + 4 <= input.length;) {
      const word = wordAt(input, at)
      const hash = Math.imul(word, 0x1e35a7bd) >>> (32 - HASH_BITS)
      const before = seen[hash] ?? -1
      seen[hash] = at
      if (before < 0 || at - before > MAX_OFFSET || wordAt(input, before) !== word) {
        // What cannot be compressed is passed by in larger and larger steps.
        at += 1 + (misses >>> 5)
        misses += 1
        continue
      }
      let length = 4
      while (at + length < input.length && input[before + length] === input[at + length]) length += 1
      writeLiteral(input, done, at)
      writeCopies(at - before, length)
      at += length
      done = at
      misses = 0
    }
    writeLiteral(input, done, input.length)
    return output.subarray(0, size)
  }

  function writeByte(byte: number): void {
    output[size] = byte
    size += 1
  }

  function writeLength(length: number): void {
    let rest = length
    for (; rest > 0x7f; rest >>>= 7) writeByte((rest & 0x7f) | 0x80)
    writeByte(rest)
  }

  function writeLiteral(input: Uint8Array, from: number, to: number): void {
    if (from === to) return
    const last = to - from - 1
    if (last < 60) {
      writeByte(last << 2)
    } else {
      const bytes = Math.ceil((32 - Math.clz32(last)) / 8)
      writeByte((59 + bytes) << 2)
      for (let byte = 0; byte < bytes; byte += 1) writeByte((last >>> (8 * byte)) & 0xff)
    }
    for (let at = from; at < to; at += 1) writeByte(input[at] ?? 0)
  }

  function writeCopies(offset: number, length: number): void {
    for (let rest = length; rest > 0; rest -= MAX_COPY) {
      writeByte(((Math.min(rest, MAX_COPY) - 1) << 2) | 2)
      writeByte(offset & 0xff)
      writeByte(offset >>> 8)
    }
  }
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)
}
