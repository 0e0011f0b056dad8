import { Migration } from '@mikro-orm/migrations'

/**
 * What tells failures of one kind from others, computed by the recorder where the last attempt of a task has failed. Failures
 * on record before have none, and are in no group.
 */
export class FailureFingerprints extends Migration {
  override up(): void {
    this.addSql('alter table blockmill.task add column fingerprint text')
    this.addSql(`
create index task_by_fingerprint on blockmill.task (fingerprint, changed_at)
  include (name, chain, status) where fingerprint is not null`)
  }

  override down(): void {
    this.addSql('alter table blockmill.task drop column fingerprint')
  }
}
