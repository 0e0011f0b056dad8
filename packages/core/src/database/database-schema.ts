/** The PostgreSQL schema that all tables live in. */
export const DATABASE_SCHEMA = 'blockmill'
