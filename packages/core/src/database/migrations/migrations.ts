import type { MigrationObject } from '@mikro-orm/core'

import { ControlState } from './control-state.ts'
import { InitialSchema } from './initial-schema.ts'
import { UniqueTasks } from './unique-tasks.ts'

/** All migrations, in order. Names are kept in the database: never rename or reorder; add at the end. */
export const MIGRATIONS: readonly MigrationObject[] = [
  { name: '0001-initial-schema', class: InitialSchema },
  { name: '0002-unique-tasks', class: UniqueTasks },
  { name: '0003-control-state', class: ControlState },
]
