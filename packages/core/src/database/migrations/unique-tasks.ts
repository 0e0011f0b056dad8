import { Migration } from '@mikro-orm/migrations'

/**
 * Claims of unique tasks that are live. The id of such a task is made of its chain, name, arguments and block, so it is the
 * key; the other columns are for people who look.
 */
export class UniqueTasks extends Migration {
  override up(): void {
    this.addSql(`
create table blockmill.unique_task (
  task_id uuid primary key,
  chain text not null,
  name text not null,
  args_hash text not null,
  generation bigint not null,
  claimed_at timestamptz not null default now(),
  published boolean not null default false
)`)
  }

  override down(): void {
    this.addSql('drop table blockmill.unique_task')
  }
}
