import { dashboard, labelVariable, row, stat, timeSeries } from './panel.ts'

const CHOSEN = 'chain=~"$chain", task=~"$task"'

/** Whether every block is evaluated, and how the nodes of the chain answer. */
export const chain = dashboard({
  uid: 'blockmill-chain',
  title: 'Blockmill: chain and coverage',
  description: 'Whether every block is evaluated, and how the nodes of the chain answer.',
  variables: [labelVariable('chain', 'blockmill_scheduler_leader'), labelVariable('task', 'blockmill_gap_blocks')],
  rows: [
    row(
      4,
      stat({
        title: 'Active scheduler',
        description: 'One per chain; others stand by.',
        queries: [['max by (chain) (blockmill_scheduler_leader{chain=~"$chain"})', '{{chain}}']],
        words: { 0: 'none', 1: 'active' },
      }),
      stat({
        title: 'Head',
        description: 'Number of the newest block seen.',
        unit: 'none',
        queries: [['max by (chain) (blockmill_chain_head{chain=~"$chain"})', '{{chain}}']],
      }),
      stat({
        title: 'Gaps',
        description: 'Blocks that were never evaluated. `blockmill gaps` lists them.',
        queries: [[`sum(max by (chain, task) (blockmill_gap_blocks{${CHOSEN}}))`, 'blocks']],
        limits: [1, 1],
      }),
      stat({
        title: 'Reorganisations, one day',
        description: 'Of the newest blocks. Tasks on the finalized head see none of them.',
        queries: [['sum by (chain) (increase(blockmill_reorgs_total{chain=~"$chain"}[1d]))', '{{chain}}']],
        decimals: 0,
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Blocks behind the head',
        description: 'By task. One that grows alone has a condition that is slow or fails.',
        queries: [[`max by (chain, task) (blockmill_scheduler_lag_blocks{${CHOSEN}})`, '{{chain}} {{task}}']],
      }),
      timeSeries({
        title: 'Time behind the head',
        description: 'How long ago the first block was seen that is not evaluated yet.',
        unit: 's',
        queries: [[`max by (chain, task) (blockmill_scheduler_lag_seconds{${CHOSEN}})`, '{{chain}} {{task}}']],
      }),
      timeSeries({
        title: 'Head over finalized',
        description: 'Blocks that are not final yet. It grows while finality is stuck.',
        queries: [
          [
            'max by (chain) (blockmill_chain_head{chain=~"$chain"}) - max by (chain) (blockmill_chain_finalized{chain=~"$chain"})',
            '{{chain}}',
          ],
        ],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Gaps, by task',
        description: 'Falling: a lookback or a back-fill is under way. Level: start a back-fill.',
        queries: [[`max by (chain, task) (blockmill_gap_blocks{${CHOSEN}})`, '{{chain}} {{task}}']],
      }),
      timeSeries({
        title: 'Scheduled, by cause',
        description: 'Tasks that the broker has confirmed: work at the head, lookback and back-fill.',
        unit: 'ops',
        stacked: true,
        queries: [[`sum by (cause) (rate(blockmill_tasks_scheduled_total{${CHOSEN}}[$__rate_interval]))`, '{{cause}}']],
      }),
      timeSeries({
        title: 'Conditions that failed',
        description:
          'They threw, rejected or took too long. The block is tried again, and no later one is evaluated before.',
        unit: 'ops',
        queries: [[`sum by (task) (rate(blockmill_condition_errors_total{${CHOSEN}}[$__rate_interval]))`, '{{task}}']],
      }),
    ),
    row(
      9,
      timeSeries({
        title: 'Requests to nodes',
        description: 'By how they ended. Rate limited: lower the load, or use another provider.',
        unit: 'ops',
        stacked: true,
        queries: [['sum by (outcome) (rate(blockmill_chain_requests_total[$__rate_interval]))', '{{outcome}}']],
        colors: [
          ['green', 'ok'],
          ['red', 'error'],
          ['yellow', 'rate_limited'],
          ['#888888', 'unreachable'],
        ],
      }),
      timeSeries({
        title: 'Answers of nodes, 95 %',
        description: 'Time from sending a request to its answer, by endpoint.',
        unit: 's',
        queries: [
          [
            'histogram_quantile(0.95, sum by (le, endpoint) (rate(blockmill_chain_request_seconds_bucket[$__rate_interval])))',
            '{{endpoint}}',
          ],
        ],
      }),
      timeSeries({
        title: 'Endpoints in use',
        description: 'Processes that are connected to each endpoint.',
        queries: [['sum by (endpoint) (blockmill_chain_connected)', '{{endpoint}}']],
      }),
    ),
  ],
})
