import { BATCH_STATES, canonicalJson, type RangeJobDetail, type RangeJobSummary } from '@blockmill/core'

import { outlineLines, rangesText, timeLeft } from '../job-text.ts'
import { textTable } from '../text-table.ts'

/** Jobs as a table, or that there is no such job. */
export function jobsText(jobs: readonly RangeJobSummary[], which: 'all' | 'such'): string {
  if (jobs.length === 0) {
    return which === 'all'
      ? 'There is no range job on record.'
      : 'There is no such range job. `blockmill jobs list` shows those that are over as well.'
  }
  return textTable(
    ['id', 'chain', 'task', 'from', 'to', 'state', 'done', 'total', 'rows', 'failed', 'blocks/s', 'left', 'note'],
    jobs.map((job) => [
      job.id,
      job.chain,
      job.task,
      job.from,
      job.to,
      job.state,
      job.done,
      job.total,
      job.rows,
      job.batches.failed,
      Math.round(job.blocksPerSecond),
      timeLeft(job),
      job.note ?? '',
    ]),
  )
}

/** One job, line by line, with the blocks that are missing: the first 1,000 ranges of them. */
export function jobText(job: RangeJobDetail): string {
  const { missing, batches } = job
  const options = [
    ...(Object.keys(job.args).length === 0 ? [] : [`arguments ${canonicalJson(job.args)}`]),
    ...(job.batchSize === null ? [] : [`batches of ${job.batchSize}`]),
    ...(job.window === null ? [] : [`window ${job.window}`]),
    ...(job.queue === null ? [] : [`queue ${job.queue}`]),
    ...(job.sink === 'postgres' ? [] : [`rows in ${job.sink}`]),
  ]
  const counts = BATCH_STATES.filter((state) => batches[state] > 0).map((state) => `${batches[state]} ${state}`)
  return [
    ...outlineLines(job, options, job.note),
    `${job.rows} rows, ${Math.round(job.rowsPerSecond)}/s`,
    `batches: ${counts.length === 0 ? 'none yet' : counts.join(', ')}`,
    ...(missing.blocks === 0
      ? []
      : [`${missing.blocks} blocks missing: ${rangesText(missing, { most: missing.ranges.length })}`]),
  ].join('\n')
}
