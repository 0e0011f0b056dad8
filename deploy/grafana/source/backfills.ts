import { dashboard, labelVariable, row, stat, timeSeries } from './panel.ts'

const CHOSEN = 'chain=~"$chain", task=~"$task"'

/** How far back-fills and range jobs are, how fast, and what holds them up. */
export const backfills = dashboard({
  uid: 'blockmill-backfills',
  title: 'Blockmill: back-fills and jobs',
  description: 'How far back-fills and range jobs are, how fast, and what holds them up.',
  variables: [
    labelVariable('chain', 'blockmill_backfill_remaining_blocks'),
    labelVariable('task', 'blockmill_backfill_remaining_blocks'),
  ],
  rows: [
    row(
      4,
      stat({
        title: 'Remaining',
        description: 'Blocks that running back-fills still have to evaluate.',
        queries: [[`sum(max by (chain, task) (blockmill_backfill_remaining_blocks{${CHOSEN}}))`, 'blocks']],
      }),
      stat({
        title: 'Speed',
        description: 'Blocks evaluated in a second, over the last minute.',
        unit: 'short',
        queries: [[`sum(max by (chain, task) (blockmill_backfill_blocks_per_second{${CHOSEN}}))`, 'blocks/s']],
      }),
      stat({
        title: 'Done in',
        description: 'The slowest of them, at its present speed. Empty while it stands still.',
        unit: 's',
        queries: [[`max(blockmill_backfill_eta_seconds{${CHOSEN}})`, 'ETA']],
      }),
      stat({
        title: 'Held up by the monitor',
        description: 'Lookback and back-fill wait while too many messages wait for the monitor.',
        queries: [['max by (chain) (blockmill_scheduler_monitor_behind{chain=~"$chain"})', '{{chain}}']],
        words: { 0: 'no', 1: 'yes' },
        limits: [1, 1],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Remaining blocks, by task',
        description: 'A level line for half an hour raises an alert.',
        queries: [[`max by (chain, task) (blockmill_backfill_remaining_blocks{${CHOSEN}})`, '{{chain}} {{task}}']],
      }),
      timeSeries({
        title: 'Blocks per second, by task',
        description: 'At 0 it waits for its queue or for the monitor.',
        queries: [[`max by (chain, task) (blockmill_backfill_blocks_per_second{${CHOSEN}})`, '{{chain}} {{task}}']],
      }),
      timeSeries({
        title: 'Time to go, by task',
        description: 'At the present speed.',
        unit: 's',
        queries: [[`max by (chain, task) (blockmill_backfill_eta_seconds{${CHOSEN}})`, '{{chain}} {{task}}']],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Tasks of back-fills and jobs, scheduled',
        description: 'Everything that is not the work at the head.',
        unit: 'ops',
        queries: [
          [
            `sum by (task, cause) (rate(blockmill_tasks_scheduled_total{${CHOSEN}, cause!="live"}[$__rate_interval]))`,
            '{{task}} {{cause}}',
          ],
        ],
      }),
      timeSeries({
        title: 'Low lane: messages that wait',
        description: 'Back-fills and batches of jobs ride the low lane, and keep it only as full as workers need.',
        queries: [['max by (queue) (blockmill_work_queue_messages{lane="low"})', '{{queue}}']],
      }),
      timeSeries({
        title: 'The head meanwhile',
        description: 'Critical time of the work at the head, 95 %. A back-fill must not show in it.',
        unit: 's',
        queries: [['task:blockmill_task_critical_seconds:p95_5m', '{{task}}']],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Range jobs: remaining blocks',
        description: 'Blocks that range jobs still have to fetch. A level line for half an hour raises an alert.',
        queries: [[`max by (chain, task) (blockmill_range_remaining_blocks{${CHOSEN}})`, '{{chain}} {{task}}']],
      }),
      timeSeries({
        title: 'Range jobs: blocks per second',
        description: 'Over the last minute. At 0, batches wait for workers, or fail: see the dashboard of tasks.',
        queries: [[`max by (chain, task) (blockmill_range_blocks_per_second{${CHOSEN}})`, '{{chain}} {{task}}']],
      }),
      timeSeries({
        title: 'Range jobs: time to go',
        description: 'At the present speed.',
        unit: 's',
        queries: [[`max by (chain, task) (blockmill_range_eta_seconds{${CHOSEN}})`, '{{chain}} {{task}}']],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Batches of range jobs, by state',
        description: 'Those that are not over. Failed ones are bisected down to the block that fails.',
        queries: [['sum by (state) (max by (chain, state) (blockmill_range_batches{chain=~"$chain"}))', '{{state}}']],
      }),
      timeSeries({
        title: 'Rows of range jobs',
        description: 'Confirmed by the broker for workers, and stored by the monitor.',
        unit: 'ops',
        queries: [
          ['sum by (task) (rate(blockmill_rows_emitted_total{task=~"$task"}[$__rate_interval]))', '{{task}} emitted'],
          ['sum by (sink) (rate(blockmill_result_rows_stored_total[$__rate_interval]))', 'stored in {{sink}}'],
        ],
      }),
      timeSeries({
        title: 'Batches that were split',
        description:
          'Their range was too large for what they ask. When it grows for every batch, start jobs with smaller ones.',
        unit: 'ops',
        queries: [['sum by (task) (rate(blockmill_tasks_split_total{task=~"$task"}[$__rate_interval]))', '{{task}}']],
      }),
    ),
  ],
})
