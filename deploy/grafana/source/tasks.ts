import { bars, dashboard, labelVariable, type PanelQuery, row, timeSeries } from './panel.ts'

const CHOSEN = 'task=~"$task", queue=~"$queue"'

/** The 50 %, 95 % and 99 % of a histogram of the chosen tasks. */
const quantiles = (histogram: string, labels = CHOSEN): PanelQuery[] =>
  [0.5, 0.95, 0.99].map((part) => [
    `histogram_quantile(${part}, sum by (le) (rate(${histogram}_bucket{${labels}}[$__rate_interval])))`,
    `${part * 100} %`,
  ])

/** What the chosen tasks do, how long they take, and how they end. */
export const tasks = dashboard({
  uid: 'blockmill-tasks',
  title: 'Blockmill: tasks',
  description: 'What the chosen tasks do, how long they take, and how they end.',
  variables: [
    labelVariable('task', 'blockmill_tasks_started_total'),
    labelVariable('queue', 'blockmill_tasks_started_total'),
  ],
  rows: [
    row(
      9,
      timeSeries({
        title: 'Succeeded',
        description: 'Tasks whose handler returned.',
        unit: 'ops',
        stacked: true,
        queries: [[`sum by (task) (rate(blockmill_tasks_succeeded_total{${CHOSEN}}[$__rate_interval]))`, '{{task}}']],
      }),
      timeSeries({
        title: 'Failed for good',
        description: 'Attempts used up, an error that is not retried, too many postpones, or expired.',
        unit: 'ops',
        queries: [[`sum by (task) (rate(blockmill_tasks_failed_total{${CHOSEN}}[$__rate_interval]))`, '{{task}}']],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Failure ratio',
        description: 'Of all that ended in five minutes. More than 1 % raises an alert.',
        unit: 'percentunit',
        queries: [['task:blockmill_failure_ratio:rate5m{task=~"$task"}', '{{task}}']],
      }),
      timeSeries({
        title: 'Retried and postponed',
        description: 'Attempts that failed and are tried again, and tasks that asked to run later.',
        unit: 'ops',
        queries: [
          [`sum by (task) (rate(blockmill_tasks_retried_total{${CHOSEN}}[$__rate_interval]))`, '{{task}} retried'],
          [`sum by (task) (rate(blockmill_tasks_postponed_total{${CHOSEN}}[$__rate_interval]))`, '{{task}} postponed'],
        ],
      }),
      timeSeries({
        title: 'Held up by a rate limit',
        description: 'Tasks that had to wait although a slot was free.',
        unit: 'ops',
        queries: [['sum by (task) (rate(blockmill_rate_limited_total{task=~"$task"}[$__rate_interval]))', '{{task}}']],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Run time of an attempt',
        description: 'However it ended. Set timeouts and concurrency by it.',
        unit: 's',
        queries: quantiles('blockmill_task_duration_seconds'),
      }),
      timeSeries({
        title: 'Waiting for a worker',
        description: 'From when an attempt was allowed to run until it started; deliberate delays do not count.',
        unit: 's',
        queries: quantiles('blockmill_task_queue_wait_seconds'),
      }),
      timeSeries({
        title: 'Scheduled until succeeded, work at the head',
        description: 'Critical time: delays, queues, failed attempts and postpones are all in it.',
        unit: 's',
        queries: quantiles('blockmill_task_critical_seconds', `${CHOSEN}, cause="live"`),
      }),
    ),
    row(
      9,
      bars({
        title: 'On record by status',
        description: 'All tasks that the monitor keeps. Finished ones are deleted after the time of retention.',
        queries: [['sum by (status) (max by (chain, task, status) (blockmill_tasks{task=~"$task"}))', '{{status}}']],
      }),
      timeSeries({
        title: 'Not finished, by task',
        description: 'Scheduled, running, waiting for a retry or postponed.',
        queries: [
          [
            'sum by (task) (max by (chain, task, status) (blockmill_tasks{task=~"$task", status=~"scheduled|running|retrying|postponed"}))',
            '{{task}}',
          ],
        ],
      }),
    ),
  ],
})
