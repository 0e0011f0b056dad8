import type { Metrics, RowsPart, ResultSinkName } from '@blockmill/core'
import { Counter } from 'prom-client'

/** What is counted of the rows of range jobs. */
export interface ResultMetrics {
  /** A part is on record. */
  stored(part: RowsPart & { readonly sink: ResultSinkName }): void
  /** The job of a part does not exist any more. */
  dropped(): void
  retried(): void
  buried(reason: string): void
  /** Parts that no result names were deleted. */
  pruned(parts: number): void
}

export function createResultMetrics(register: Metrics): ResultMetrics {
  const registers = [register]
  const bySink = (name: string, help: string) => new Counter({ name, help, labelNames: ['sink'], registers })
  const counter = (name: string, help: string) => new Counter({ name, help, registers })
  const parts = bySink('blockmill_result_parts_stored_total', 'Parts of rows of range jobs that were stored.')
  const rows = bySink('blockmill_result_rows_stored_total', 'Rows of range jobs that were stored.')
  const bytes = bySink('blockmill_result_bytes_stored_total', 'Size of the parts that were stored, compressed.')
  const dropped = counter('blockmill_result_parts_dropped_total', 'Parts whose job had been deleted when they came.')
  const retries = counter('blockmill_result_retries_total', 'Writes of parts that had to be made again.')
  const pruned = counter(
    'blockmill_result_parts_pruned_total',
    'Parts deleted because no result of a batch names them.',
  )
  const dead = new Counter({
    name: 'blockmill_result_parts_dead_total',
    help: 'Parts sent to the dead queue, because they could not be read or stored.',
    labelNames: ['reason'],
    registers,
  })
  return {
    stored(part) {
      const { sink } = part
      parts.inc({ sink })
      rows.inc({ sink }, part.rows)
      bytes.inc({ sink }, part.data.length)
    },
    dropped: () => dropped.inc(),
    retried: () => retries.inc(),
    buried: (reason) => dead.inc({ reason }),
    pruned: (count) => pruned.inc(count),
  }
}
