import { randomUUID } from 'node:crypto'
import { link, lstat, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'

import { NonRetryableError } from '@blockmill/core'

import { sendChunks, type SendOptions } from './send-chunks.ts'

export interface WriteFileOptions extends Pick<SendOptions, 'compress' | 'signal'> {
  /** Replaces a file that exists. Default false. */
  readonly force?: boolean | undefined
}

/**
 * Writes a file that is there whole or not at all: under another name beside it, synced, and renamed when it is complete. When the
 * process is killed, that other file, `.<name>.<uuid>.tmp`, stays behind.
 *
 * @throws NonRetryableError `EXPORT_INVALID` when the file exists and is not to be replaced, or is no file; what `chunks` throws,
 * and the errors of the file system.
 */
export async function writeWholeFile(
  target: string,
  chunks: AsyncIterable<Uint8Array>,
  { force = false, ...options }: WriteFileOptions,
): Promise<void> {
  const temporary = path.join(path.dirname(target), `.${path.basename(target)}.${randomUUID()}.tmp`)
  const file = await open(temporary, 'wx')
  try {
    // It syncs before it closes the file.
    await sendChunks(chunks, file.createWriteStream({ flush: true }), options)
    await (force ? rename(temporary, target) : publishNew(temporary, target))
  } finally {
    await file.close()
    await rm(temporary, { force: true })
  }
}

/** @throws NonRetryableError `EXPORT_INVALID` unless the file may be written: so that nobody waits for an export in vain. */
export async function assertWritable(
  target: string,
  { force = false }: { readonly force?: boolean | undefined },
): Promise<void> {
  const found = await lstat(target).catch(ignoreAbsence)
  if (found === undefined) return
  if (!found.isFile()) throw invalid(`${target} is no regular file. Name another, or '-' for standard output.`)
  if (!force) throw invalid(`${target} exists. Name another file, or add --force to replace it.`)
}

/** Unlike a rename, a link replaces nothing that has come meanwhile. */
async function publishNew(temporary: string, target: string): Promise<void> {
  try {
    await link(temporary, target)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw invalid(`${target} exists by now. Name another file, or add --force to replace it.`)
    // Some file systems know no links.
    await assertWritable(target, {})
    await rename(temporary, target)
  }
}

function ignoreAbsence(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function invalid(message: string): NonRetryableError {
  return new NonRetryableError('EXPORT_INVALID', message)
}
