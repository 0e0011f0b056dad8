import { dashboard, row, stat, timeSeries } from './panel.ts'

/** Is everything done, in time, and without failures? */
export const overview = dashboard({
  uid: 'blockmill-overview',
  title: 'Blockmill: overview',
  description: 'Is everything done, in time, and without failures?',
  rows: [
    row(
      4,
      stat({
        title: 'Behind the head',
        description:
          'Blocks that the slowest task still has to evaluate. More than 10 for five minutes raises an alert.',
        queries: [['max(blockmill_scheduler_lag_blocks)', 'blocks']],
        limits: [5, 10],
      }),
      stat({
        title: 'Gaps',
        description:
          'Blocks that were never evaluated, over all tasks. A lookback or a back-fill under way counts until it is done.',
        queries: [['sum(max by (chain, task) (blockmill_gap_blocks))', 'blocks']],
        limits: [1, 1],
      }),
      stat({
        title: 'Workers',
        description: 'Workers that run. One that is silent for 30 seconds no longer does.',
        queries: [['max(blockmill_workers{state="running"})', 'running']],
      }),
      stat({
        title: 'Oldest waiting task',
        description: 'How long the task that has waited longest could have run already.',
        unit: 's',
        queries: [['max(blockmill_oldest_waiting_seconds)', 'waits']],
        limits: [60, 600],
      }),
      stat({
        title: 'Failure ratio',
        description:
          'Tasks that failed for good, of all that ended in the last five minutes. More than 1 % of one task raises an alert.',
        unit: 'percentunit',
        queries: [
          [
            'sum(task:blockmill_tasks_failed:rate5m) / (sum(task:blockmill_tasks_failed:rate5m) + sum(task:blockmill_tasks_succeeded:rate5m))',
            'failed',
          ],
        ],
        limits: [0.001, 0.01],
      }),
      stat({
        title: 'Dead letters',
        description: 'Messages that nobody could process. `blockmill dead list` says why.',
        queries: [['max(blockmill_dead_letters)', 'letters']],
        limits: [1, 1],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Tasks that end',
        description: 'By outcome, over all workers.',
        unit: 'ops',
        stacked: true,
        queries: [
          ['sum(rate(blockmill_tasks_succeeded_total[$__rate_interval]))', 'succeeded'],
          ['sum(rate(blockmill_tasks_failed_total[$__rate_interval]))', 'failed'],
          ['sum(rate(blockmill_tasks_cancelled_total[$__rate_interval]))', 'cancelled'],
        ],
        colors: [
          ['green', 'succeeded'],
          ['red', 'failed'],
          ['#888888', 'cancelled'],
        ],
      }),
      timeSeries({
        title: 'Head, finalized, scheduled',
        description:
          'A scheduled line that falls away from the head: a condition is slow or fails, or the broker blocks.',
        unit: 'none',
        queries: [
          ['max by (chain) (blockmill_chain_head)', '{{chain}} head'],
          ['max by (chain) (blockmill_chain_finalized)', '{{chain}} finalized'],
          ['min by (chain) (max by (chain, task) (blockmill_scheduler_height))', '{{chain}} scheduled, slowest task'],
        ],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Scheduled until succeeded, 95 % of the work at the head',
        description: 'Critical time: delays, queues, failed attempts and postpones are all in it.',
        unit: 's',
        queries: [['task:blockmill_task_critical_seconds:p95_5m', '{{task}}']],
      }),
      timeSeries({
        title: 'Messages that wait in work queues',
        description: 'A queue that grows without end has too few workers, or none.',
        queries: [['max by (queue, lane) (blockmill_work_queue_messages)', '{{queue}} {{lane}}']],
      }),
      timeSeries({
        title: 'Slots in use',
        description: 'Near 100 % while queues grow: start more workers, or give them more slots.',
        unit: 'percentunit',
        max: 1,
        queries: [['blockmill_worker_slots:ratio', 'all workers']],
      }),
    ),
    row(
      7,
      timeSeries({
        title: 'Memory of the processes',
        description: 'Resident memory. A line that only rises over days is a leak, in a handler most likely.',
        unit: 'bytes',
        queries: [['process_resident_memory_bytes{service=~"scheduler|worker|monitor"}', '{{service}} {{instance}}']],
      }),
      timeSeries({
        title: 'Event loop lag, 99 %',
        description:
          'How long a process was too busy to turn to anything else. Over 0.1 s, a handler computes: isolate it.',
        unit: 's',
        queries: [
          ['nodejs_eventloop_lag_p99_seconds{service=~"scheduler|worker|monitor"}', '{{service}} {{instance}}'],
        ],
      }),
      timeSeries({
        title: 'Processor time',
        description: 'Cores in use by each process; 1 is one whole core.',
        unit: 'none',
        decimals: 2,
        queries: [
          [
            'rate(process_cpu_seconds_total{service=~"scheduler|worker|monitor"}[$__rate_interval])',
            '{{service}} {{instance}}',
          ],
        ],
      }),
    ),
  ],
})
