import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'

import type { StateChanges } from './versioned-storage.ts'

/** A block as it is kept in a file. */
export interface RecordedBlock {
  readonly number: number
  readonly hash: string
  readonly parentHash: string
  /** SCALE, in hex. */
  readonly header: string
  readonly extrinsics: readonly string[]
  /** What it changed; for the first block of a file, what all before it did as well. */
  readonly changes: StateChanges
}

/** The blocks of a chain in a file, a line of JSON each. */
export interface BlockFile {
  /** Adds one. Resolves when it is with the operating system, so that the end of the process does not lose it. */
  append(block: RecordedBlock): Promise<void>
  /** Puts these in place of all. */
  replace(blocks: readonly RecordedBlock[]): Promise<void>
}

/** Opens a file, which need not be there yet, and reads the blocks in it. A last line that was cut off is none. */
export async function openBlockFile(
  file: string,
): Promise<{ readonly blocks: RecordedBlock[]; readonly file: BlockFile }> {
  await mkdir(path.dirname(file), { recursive: true })
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  })
  // What stands behind the last line break was being written when the process ended.
  const lines = text.split('\n').slice(0, -1)
  const blocks = lines.map((line) => JSON.parse(line) as RecordedBlock)
  const opened: BlockFile = {
    append: (block) => appendFile(file, `${JSON.stringify(block)}\n`),
    async replace(all) {
      const next = `${file}.next`
      await writeFile(next, all.map((block) => `${JSON.stringify(block)}\n`).join(''))
      await rename(next, file)
    },
  }
  if (lines.join('\n').length + lines.length < text.length) await opened.replace(blocks)
  return { blocks, file: opened }
}
