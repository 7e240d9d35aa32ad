-- Reports read periods of the ledger and of the sessions, as the role that is there for it. May be run again at any time.

CREATE INDEX IF NOT EXISTS ledger_booked ON ledger (booked_at, id);
CREATE INDEX IF NOT EXISTS deposit_sessions_accepted ON deposit_sessions (accepted_at);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'deposit_watcher_report') THEN
        GRANT SELECT ON businesses TO deposit_watcher_report;
        -- To know whether the schema is the program's.
        IF to_regclass('_sqlx_migrations') IS NOT NULL THEN
            GRANT SELECT ON _sqlx_migrations TO deposit_watcher_report;
        END IF;
    END IF;
END $$;
