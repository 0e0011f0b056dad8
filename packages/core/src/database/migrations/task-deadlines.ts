import { Migration } from '@mikro-orm/migrations'

/** Between which times a task may start, where its message says so: what is published again from the record must say it too. */
export class TaskDeadlines extends Migration {
  override up(): void {
    this.addSql('alter table blockmill.task add column not_before timestamptz, add column expires_at timestamptz')
  }

  override down(): void {
    this.addSql('alter table blockmill.task drop column not_before, drop column expires_at')
  }
}
