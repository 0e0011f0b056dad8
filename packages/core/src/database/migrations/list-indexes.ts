import { Migration } from '@mikro-orm/migrations'

/** Lists of one queue, and of what was scheduled within a time, from an index however many tasks are on record. */
export class ListIndexes extends Migration {
  override up(): void {
    this.addSql('create index task_by_queue on blockmill.task (queue, id)')
    this.addSql('create index task_by_schedule on blockmill.task (scheduled_at)')
  }

  override down(): void {
    this.addSql('drop index blockmill.task_by_schedule')
    this.addSql('drop index blockmill.task_by_queue')
  }
}
