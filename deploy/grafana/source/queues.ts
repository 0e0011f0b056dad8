import { dashboard, labelVariable, row, stat, timeSeries } from './panel.ts'

/** What waits, who works on it, and how the broker and the record are. */
export const queues = dashboard({
  uid: 'blockmill-queues',
  title: 'Blockmill: queues and workers',
  description: 'What waits, who works on it, and how the broker and the record are.',
  variables: [labelVariable('queue', 'blockmill_work_queue_messages')],
  rows: [
    row(
      9,
      timeSeries({
        title: 'Messages that wait, by lane',
        description: 'Ready for workers; what workers hold is not among them. One message may carry a chunk of tasks.',
        queries: [['max by (queue, lane) (blockmill_work_queue_messages{queue=~"$queue"})', '{{queue}} {{lane}}']],
      }),
      timeSeries({
        title: 'Started, by queue',
        description: 'Attempts that workers have started.',
        unit: 'ops',
        stacked: true,
        queries: [
          ['sum by (queue) (rate(blockmill_tasks_started_total{queue=~"$queue"}[$__rate_interval]))', '{{queue}}'],
        ],
      }),
      timeSeries({
        title: 'Waiting for a worker, 95 %',
        description: 'Rises when workers do not keep up.',
        unit: 's',
        queries: [['queue:blockmill_task_queue_wait_seconds:p95_5m{queue=~"$queue"}', '{{queue}}']],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Slots',
        description: 'Handlers that run, and how many may. Used at the limit while queues grow: start more workers.',
        queries: [
          ['sum(blockmill_worker_slots_used)', 'used'],
          ['sum(blockmill_worker_slots_limit)', 'limit'],
          ['sum(blockmill_worker_buffered_messages)', 'buffered'],
        ],
      }),
      timeSeries({
        title: 'Workers',
        description: 'A worker is lost when it has been silent for 30 seconds without a good-bye.',
        queries: [['max by (state) (blockmill_workers)', '{{state}}']],
        colors: [
          ['green', 'running'],
          ['red', 'lost'],
        ],
      }),
      timeSeries({
        title: 'Threads and processes of isolated tasks',
        description: 'Those that ended as lost or unusable took an attempt with them.',
        queries: [
          ['sum by (kind) (blockmill_worker_children)', '{{kind}}'],
          [
            'sum by (reason) (increase(blockmill_worker_children_ended_total{reason=~"lost|unusable"}[$__rate_interval]))',
            'ended: {{reason}}',
          ],
        ],
      }),
    ),
    row(
      4,
      stat({
        title: 'Broker',
        description:
          'Whether it takes messages. It stops when it is short of memory or disk space; nothing is lost then.',
        queries: [['max(blockmill_broker_blocked)', 'broker']],
        words: { 0: 'takes messages', 1: 'blocked' },
        limits: [1, 1],
      }),
      stat({
        title: 'Waiting for the monitor',
        description: 'Messages in its queue. Lookback and back-fill pause when there are too many.',
        queries: [['max(blockmill_queue_messages{queue!~".*[.](dead|parked)"})', 'messages']],
        limits: [5_000, 10_000],
      }),
      stat({
        title: 'Record is late by',
        description: 'Age of the latest event of the last batch when it was stored.',
        unit: 's',
        queries: [['max(blockmill_recorder_lag_seconds)', 'late']],
        limits: [5, 60],
      }),
      stat({
        title: 'Database of the record',
        description: 'Without it, what happens is kept in the broker and recorded later.',
        queries: [['min(blockmill_recorder_database_available)', 'database']],
        words: { 0: 'away', 1: 'available' },
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Messages that the broker confirmed',
        description: 'By the service that published them.',
        unit: 'ops',
        stacked: true,
        queries: [['sum by (service) (rate(blockmill_broker_published_total[$__rate_interval]))', '{{service}}']],
      }),
      timeSeries({
        title: 'Recorder',
        description:
          'Messages stored, and rows written for them. Fewer rows than messages: records of one task met in a batch.',
        unit: 'ops',
        queries: [
          ['sum(rate(blockmill_recorder_messages_total[$__rate_interval]))', 'messages'],
          ['sum(rate(blockmill_recorder_rows_total[$__rate_interval]))', 'rows'],
        ],
      }),
      timeSeries({
        title: 'Writing a batch of the record',
        description: 'Grows when the database is busy.',
        unit: 's',
        queries: [
          [
            'histogram_quantile(0.95, sum by (le) (rate(blockmill_recorder_write_seconds_bucket[$__rate_interval])))',
            '95 %',
          ],
        ],
      }),
    ),
    row(
      8,
      timeSeries({
        title: 'RabbitMQ: memory',
        description: 'At its limit the broker takes no more messages.',
        unit: 'bytes',
        queries: [
          ['max by (instance) (rabbitmq_process_resident_memory_bytes)', '{{instance}} used'],
          ['max by (instance) (rabbitmq_resident_memory_limit_bytes)', '{{instance}} limit'],
        ],
      }),
      timeSeries({
        title: 'RabbitMQ: free disk space',
        description: 'At its limit the broker takes no more messages.',
        unit: 'bytes',
        queries: [
          ['min by (instance) (rabbitmq_disk_space_available_bytes)', '{{instance}} free'],
          ['max by (instance) (rabbitmq_disk_space_available_limit_bytes)', '{{instance}} limit'],
        ],
      }),
    ),
  ],
})
