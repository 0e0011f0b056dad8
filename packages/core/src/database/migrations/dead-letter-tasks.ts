import { Migration } from '@mikro-orm/migrations'

/** Which chain and task a dead letter is of: the record of the task itself may be deleted, the letter waits for a person. */
export class DeadLetterTasks extends Migration {
  override up(): void {
    this.addSql('alter table blockmill.dead_letter add column chain text, add column task text')
    this.addSql(`
update blockmill.dead_letter as letter set chain = task.chain, task = task.name
from blockmill.task where task.id = letter.task_id`)
  }

  override down(): void {
    this.addSql('alter table blockmill.dead_letter drop column chain, drop column task')
  }
}
