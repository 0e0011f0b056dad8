import { Migration } from '@mikro-orm/migrations'

/**
 * Who changed what through the REST API, also where it was refused. A row is written before anything is changed; it has no status
 * until the answer is known, and keeps none when the process died in between.
 */
export class Audit extends Migration {
  override up(): void {
    this.addSql(`
create table blockmill.audit (
  id bigint generated always as identity primary key,
  at timestamptz not null default now(),
  role text not null check (role in ('viewer', 'operator')),
  actor text not null,
  address text not null,
  method text not null,
  route text not null,
  params jsonb not null,
  status integer
)`)
    this.addSql('create index audit_by_time on blockmill.audit (at)')
  }

  override down(): void {
    this.addSql('drop table blockmill.audit')
  }
}
