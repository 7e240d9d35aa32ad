-- What the roles for other programs may do, as of now: 0006 and the later grants in one place, for roles that were made by
-- hand afterwards. May be run again at any time.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'deposit_watcher_report') THEN
        GRANT SELECT ON businesses, settlements, reconciliations, reconciliations_standing, token_spans, rereads
            TO deposit_watcher_report;
        GRANT EXECUTE ON FUNCTION deposit_watcher_unfinished(timestamptz) TO deposit_watcher_report;
        -- To know whether the schema is the program's.
        IF to_regclass('_sqlx_migrations') IS NOT NULL THEN
            GRANT SELECT ON _sqlx_migrations TO deposit_watcher_report;
        END IF;
    END IF;
END $$;
