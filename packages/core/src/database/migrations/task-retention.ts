import { Migration } from '@mikro-orm/migrations'

/**
 * For how long tasks of a definition are kept after their end, where that differs from what the monitor is set to: milliseconds, -1 for
 * ever, null as the monitor is set. Kept with the definition and not with each task, so that recording costs nothing for it.
 */
export class TaskRetention extends Migration {
  override up(): void {
    this.addSql(`
create table blockmill.task_retention (
  chain text not null,
  task text not null,
  succeeded_ms bigint,
  failed_ms bigint,
  primary key (chain, task)
)`)
  }

  override down(): void {
    this.addSql('drop table blockmill.task_retention')
  }
}
