import { NonRetryableError } from '../errors/blockmill-error.ts'
import type { ResultSink } from './result-sink.ts'

/** Keeps parts in their rows of `range_result`: committed with them, and deleted with them. */
export function createPostgresSink(): ResultSink {
  return {
    put: async ({ data }) => ({ data, file: null }),
    async get({ data }) {
      if (data !== null) return data
      throw new NonRetryableError('RESULTS_INCOMPLETE', 'A part of the rows is on record without its data.')
    },
    remove: async () => undefined,
  }
}
