import { type BackfillDetail, type BackfillSummary, canonicalJson } from '@blockmill/core'

import { outlineLines, rangesText, timeLeft } from '../job-text.ts'
import { textTable } from '../text-table.ts'

const MISSING_SHOWN = 5

/** Jobs as a table, or that there is no such job. */
export function backfillsText(jobs: readonly BackfillSummary[], which: 'all' | 'such'): string {
  if (jobs.length === 0) {
    return which === 'all'
      ? 'There is no back-fill on record.'
      : 'There is no such back-fill. `blockmill backfill list` shows those that are over as well.'
  }
  return textTable(
    ['id', 'chain', 'task', 'from', 'to', 'state', 'done', 'total', 'blocks/s', 'left', 'note'],
    jobs.map((job) => [
      job.id,
      job.chain,
      job.task,
      job.from,
      job.to,
      job.state,
      job.done,
      job.total ?? '-',
      Math.round(job.blocksPerSecond),
      timeLeft(job),
      job.error ?? '',
    ]),
  )
}

/** One job, line by line. */
export function backfillText(job: BackfillDetail): string {
  const { tasks } = job
  const options = [
    ...(job.args === null ? [] : [`arguments ${canonicalJson(job.args)}`]),
    ...(job.chunk === null ? [] : [`chunk ${job.chunk}`]),
    ...(job.window === null ? [] : [`window ${job.window}`]),
    ...(job.rate === null ? [] : [`at most ${job.rate} tasks/s`]),
    ...(job.force ? ['forced'] : []),
  ]
  return [
    ...outlineLines(job, options, job.error),
    `${job.scheduled} tasks scheduled; on record ${tasks.succeeded} succeeded, ${tasks.failed} failed, ${tasks.unfinished} unfinished, ${tasks.dropped} cancelled or orphaned`,
    ...(job.parts.length === 0 ? [] : [partsTable(job)]),
  ].join('\n')
}

function partsTable({ parts }: BackfillDetail): string {
  return textTable(
    ['arguments', 'done', 'total', 'tasks', 'not done'],
    parts.map(({ args, done, total, scheduled, missing }) => [
      canonicalJson(args),
      done,
      total,
      scheduled,
      rangesText(missing, { most: MISSING_SHOWN }),
    ]),
  )
}
