import { Migration } from '@mikro-orm/migrations'

/**
 * What monitors remember of operators' orders, so that workers that start later know of them. The times are the orders' own:
 * of two orders about one lane the later counts, whichever is stored first.
 */
export class ControlState extends Migration {
  override up(): void {
    this.addSql(`
create table blockmill.queue_state (
  queue text not null,
  lane text not null check (lane in ('high', 'normal', 'low')),
  paused boolean not null,
  changed_at timestamptz not null,
  changed_by text not null,
  primary key (queue, lane)
)`)
    this.addSql(`
create table blockmill.cancel_request (
  task_id uuid primary key,
  requested_at timestamptz not null,
  requested_by text not null
)`)
    this.addSql('create index cancel_request_by_time on blockmill.cancel_request (requested_at)')
  }

  override down(): void {
    this.addSql('drop table blockmill.cancel_request')
    this.addSql('drop table blockmill.queue_state')
  }
}
