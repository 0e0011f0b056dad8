import { backfills } from './backfills.ts'
import { chain } from './chain.ts'
import { overview } from './overview.ts'
import { queues } from './queues.ts'
import { tasks } from './tasks.ts'

/** All dashboards, as Grafana imports them. */
export const DASHBOARDS = [overview, tasks, queues, chain, backfills]
