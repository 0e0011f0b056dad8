import type { Transform, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip, createZstdCompress } from 'node:zlib'

/** How the text of an export may be compressed. */
export const COMPRESSIONS = ['gzip', 'zstd'] as const
export type Compression = (typeof COMPRESSIONS)[number]

export interface SendOptions {
  readonly compress?: Compression | undefined
  readonly signal: AbortSignal
  /** Whether the destination ends with what is sent. Default true. */
  readonly end?: boolean
}

const COMPRESSOR: Readonly<Record<Compression, () => Transform>> = { gzip: createGzip, zstd: createZstdCompress }

/** Sends chunks to where they go, as fast as they are taken there. Throws what either side throws. */
export function sendChunks(
  chunks: AsyncIterable<Uint8Array>,
  destination: Writable,
  { compress, ...options }: SendOptions,
): Promise<void> {
  if (compress === undefined) return pipeline(chunks, destination, options)
  return pipeline(chunks, COMPRESSOR[compress](), destination, options)
}
