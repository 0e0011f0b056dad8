import { ConfigurationError } from '../errors/blockmill-error.ts'
import type { RowsPart } from '../message/rows-message.ts'
import { createNdjsonSink } from './ndjson-sink.ts'
import { createPostgresSink } from './postgres-sink.ts'

/** Where the rows of a range job are kept: in PostgreSQL, or in compressed NDJSON files. */
export const RESULT_SINKS = ['postgres', 'ndjson'] as const
export type ResultSinkName = (typeof RESULT_SINKS)[number]

/** A part as its row in `range_result` says where it is: one of both is null. */
export interface PartPlace {
  /** The part itself. */
  readonly data: Buffer | null
  /** The file that holds it, below the folder of results. */
  readonly file: string | null
}

/** Keeps parts of rows. What it is given twice it keeps once. */
export interface ResultSink {
  /** Resolves when what it keeps outside of the database is safe on disk. The place goes into the part's row after that. */
  put(part: RowsPart): Promise<PartPlace>
  /** The part as it was put. @throws the error of the file system when it is not there. */
  get(place: PartPlace): Promise<Buffer>
  /** Removes what it keeps outside of the database; nothing happens when that is gone. */
  remove(place: PartPlace): Promise<void>
}

/** The sinks by name. */
export type ResultSinks = Readonly<Record<ResultSinkName, ResultSink>>

/**
 * @param resultsDir folder of the files, shared by all monitors and readers. Without, jobs that keep their rows in files cannot
 * be stored or read: each operation throws `CONFIG_INVALID`.
 */
export function createResultSinks({ resultsDir }: { readonly resultsDir?: string | undefined } = {}): ResultSinks {
  return {
    postgres: createPostgresSink(),
    ndjson: resultsDir === undefined ? withoutFolder : createNdjsonSink(resultsDir),
  }
}

const refuse = async (): Promise<never> => {
  throw new ConfigurationError(
    'CONFIG_INVALID',
    'The rows of this job are in files, and it is not known where. Set BLOCKMILL_RESULTS_DIR to the folder that the monitor writes them to.',
  )
}
const withoutFolder: ResultSink = { put: refuse, get: refuse, remove: refuse }
