import { zstdDecompressSync } from 'node:zlib'

/** What stands before the compressed code of a runtime: `sp-maybe-compressed-blob`. */
const COMPRESSED = Buffer.from('52bc537646db8e05', 'hex')
/** Name of the WebAssembly section that holds the encoded version. */
const VERSION_SECTION = Buffer.from('runtime_version')
/** Both names have the same length, so that nothing else in the code moves. */
const EVENT_BEFORE = Buffer.from('ExtrinsicSuccess')
const EVENT_AFTER = Buffer.from('ExtrinsicSucceed')

/**
 * The code of a runtime, made into that of a later version: `specVersion` is one higher, and the event
 * `system.ExtrinsicSuccess` is called `system.ExtrinsicSucceed`, so that what is decoded with the wrong metadata shows.
 */
export function upgradedRuntime(code: Buffer): Buffer {
  const wasm = code.subarray(0, COMPRESSED.length).equals(COMPRESSED)
    ? zstdDecompressSync(code.subarray(COMPRESSED.length))
    : Buffer.from(code)
  const version = specVersionOffset(wasm)
  wasm.writeUInt32LE(wasm.readUInt32LE(version) + 1, version)
  const event = wasm.indexOf(EVENT_BEFORE)
  // Renamed by an earlier upgrade already.
  if (event !== -1) EVENT_AFTER.copy(wasm, event)
  return wasm
}

/** Where `specVersion` stands: after two names, each with its length before it, and the authoring version. */
function specVersionOffset(wasm: Buffer): number {
  // The name of the section has its own length before it; in the runtime's texts the same words have not.
  const start = wasm.indexOf(Buffer.concat([Buffer.of(VERSION_SECTION.length), VERSION_SECTION]))
  if (start === -1) throw new Error('The runtime has no version section.')
  const specName = start + 1 + VERSION_SECTION.length
  const implName = specName + 1 + shortLength(wasm, specName)
  const authoringVersion = implName + 1 + shortLength(wasm, implName)
  return authoringVersion + 4
}

/** SCALE's compact number below 64: one byte, shifted by two bits. */
function shortLength(wasm: Buffer, offset: number): number {
  return wasm.readUInt8(offset) >> 2
}
