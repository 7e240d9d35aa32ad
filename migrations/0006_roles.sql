-- Roles for outside programs: what they cannot reach they cannot break. Grant them to login roles of your own.
-- A database whose migrating user may not create roles goes without; README says how to make them by hand.

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['deposit_watcher_api', 'deposit_watcher_report'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', name);
            EXCEPTION
                WHEN duplicate_object OR unique_violation THEN NULL;
                WHEN insufficient_privilege THEN RAISE WARNING 'role % was not created: no right to', name;
            END;
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'deposit_watcher_api') THEN
        GRANT SELECT ON deposit_sessions, transfers, events, networks, tokens TO deposit_watcher_api;
        GRANT INSERT (id, widget_id, business_id, payment_status, amount, requested_amount, currency, network, currency_address,
                      deposit_address, customer_email, customer_reference, metadata, opened_by, created_at, expires_at)
            ON deposit_sessions TO deposit_watcher_api;
        GRANT UPDATE (payment_status, cancelled_at, expires_at, customer_email, customer_reference, metadata)
            ON deposit_sessions TO deposit_watcher_api;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'deposit_watcher_report') THEN
        GRANT SELECT ON deposit_sessions, transfers, events, networks, tokens, ledger, blocks TO deposit_watcher_report;
    END IF;
    REVOKE ALL ON FUNCTION deposit_watcher_reserve(text, text, text, numeric, text, interval) FROM PUBLIC;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'deposit_watcher_api') THEN
        GRANT EXECUTE ON FUNCTION deposit_watcher_reserve(text, text, text, numeric, text, interval) TO deposit_watcher_api;
    END IF;
END $$;
