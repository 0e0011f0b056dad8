import { randomUUID } from 'node:crypto'
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { NonRetryableError } from '../errors/blockmill-error.ts'
import type { RowsPart } from '../message/rows-message.ts'
import type { PartPlace, ResultSink } from './result-sink.ts'

/**
 * Keeps each part in a file of its own, `<job>/<task id>/<execution>-<part>.ndjson.zst`, which `zstdcat` reads. A file is there
 * whole or not at all: it is written under another name, synced, and renamed.
 *
 * @param folder where the files are. It is made when the first part comes.
 */
export function createNdjsonSink(folder: string): ResultSink {
  const pathOf = ({ file }: PartPlace): string => {
    if (file !== null) return path.join(folder, file)
    throw new NonRetryableError('RESULTS_INCOMPLETE', 'A part of the rows is on record without the name of its file.')
  }

  return {
    async put(part) {
      const place = { data: null, file: fileOf(part) }
      const target = pathOf(place)
      const directory = path.dirname(target)
      await mkdir(directory, { recursive: true })
      // Two monitors may write one part at the same time.
      const temporary = path.join(directory, `.${randomUUID()}.tmp`)
      try {
        await writeSynced(temporary, part.data)
        await rename(temporary, target)
      } catch (error) {
        await rm(temporary, { force: true })
        throw error
      }
      await syncDirectory(directory)
      return place
    },
    get: (place) => readFile(pathOf(place)),
    remove: (place) => rm(pathOf(place), { force: true }),
  }
}

/**
 * Removes all files of a job; nothing happens when it has none. For whoever deletes a job.
 *
 * @param resultsDir the folder of the sink.
 */
export function removeResultFiles(resultsDir: string, job: string): Promise<void> {
  return rm(path.join(resultsDir, asUuid(job)), { recursive: true, force: true })
}

/** What is removed with all that is in it must be the folder of a job, and nothing else. */
function asUuid(job: string): string {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(job)) return job
  throw new NonRetryableError('RANGE_JOB_UNKNOWN', `${JSON.stringify(job)} is no id of a range job.`)
}

function fileOf({ job, taskId, execution, part }: RowsPart): string {
  return path.join(job, taskId, `${execution}-${part}.ndjson.zst`)
}

async function writeSynced(file: string, data: Buffer): Promise<void> {
  const handle = await open(file, 'wx')
  try {
    await handle.writeFile(data)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** Without it, the name of the file may be gone after a power cut, though its content is safe. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
