import { Migration } from '@mikro-orm/migrations'

const UNFINISHED = `status in ('scheduled', 'running', 'retrying', 'postponed')`

/**
 * Blocks of tasks that are unfinished or have failed, from indexes alone. The index of what is unfinished, which every task
 * passes through, gets the block with it; failures are rare, and get an index in the order of coverage.
 */
export class GapIndexes extends Migration {
  override up(): void {
    this.addSql('drop index blockmill.task_unfinished')
    this.addSql(`
create index task_unfinished on blockmill.task (id)
  include (chain, name, args_hash, status, scheduled_at, block_number) where ${UNFINISHED}`)
    this.addSql(`
create index task_failed on blockmill.task (chain, name, args_hash, block_number) where status in ('failed', 'dead')`)
  }

  override down(): void {
    this.addSql('drop index blockmill.task_failed')
    this.addSql('drop index blockmill.task_unfinished')
    this.addSql(`
create index task_unfinished on blockmill.task (id)
  include (chain, name, args_hash, status, scheduled_at) where ${UNFINISHED}`)
  }
}
