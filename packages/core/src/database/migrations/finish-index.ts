import { Migration } from '@mikro-orm/migrations'

/**
 * Finished tasks in the order in which they finished, so that the oldest are deleted a batch at a time. The block-range index
 * that was there cannot say which are oldest, and once the space of deleted rows is used again it excludes no block any more.
 */
export class FinishIndex extends Migration {
  override up(): void {
    this.addSql('drop index blockmill.task_by_finish')
    this.addSql('create index task_by_finish on blockmill.task (finished_at) where finished_at is not null')
  }

  override down(): void {
    this.addSql('drop index blockmill.task_by_finish')
    this.addSql('create index task_by_finish on blockmill.task using brin (finished_at)')
  }
}
