import { Migration } from '@mikro-orm/migrations'

/**
 * Which generation of a task its schedule (queue, lane, cause and the like) is of, where it is not the first. It is another
 * than the task's own when an event of a later generation has come, and the message that schedules that has not, or never will:
 * a task that is orphaned was scheduled in an earlier one.
 */
export class ScheduleGenerations extends Migration {
  override up(): void {
    this.addSql('alter table blockmill.task add column schedule_generation bigint')
    this.addSql(
      'update blockmill.task set schedule_generation = generation where generation > 0 and scheduled_at is not null',
    )
  }

  override down(): void {
    this.addSql('alter table blockmill.task drop column schedule_generation')
  }
}
