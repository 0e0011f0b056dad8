import { Migration } from '@mikro-orm/migrations'

/**
 * Failures of one kind by chain and time, so that the kinds, their chains and times are found without a look at each failure.
 */
export class FailureIndex extends Migration {
  override up(): void {
    this.addSql('drop index blockmill.task_by_fingerprint')
    this.addSql(`
create index task_by_fingerprint on blockmill.task (fingerprint, chain, changed_at)
  include (name, status) where fingerprint is not null`)
  }

  override down(): void {
    this.addSql('drop index blockmill.task_by_fingerprint')
    this.addSql(`
create index task_by_fingerprint on blockmill.task (fingerprint, changed_at)
  include (name, chain, status) where fingerprint is not null`)
  }
}
