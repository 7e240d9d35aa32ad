-- What `reconcile` found: a row a run, never changed. Since when a token is followed, which decides what must be here.

SET LOCAL lock_timeout = '5s';

-- Blocks below it were not asked for this token but by a rescan. Null: followed since the network began.
ALTER TABLE tokens ADD COLUMN followed_from bigint;
COMMENT ON COLUMN tokens.followed_from IS 'The first block that was read for it since it is followed; null: all of them';

CREATE FUNCTION tokens_followed_from() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.followed AND (TG_OP = 'INSERT' OR NOT OLD.followed) THEN
        NEW.followed_from := (SELECT n.scanned_number + 1 FROM networks n WHERE n.slug = NEW.network);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER tokens_followed_from BEFORE INSERT OR UPDATE OF followed ON tokens
    FOR EACH ROW EXECUTE FUNCTION tokens_followed_from();

CREATE TABLE reconciliations (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network     text NOT NULL REFERENCES networks,
    from_block  bigint NOT NULL CHECK (from_block >= 0),
    to_block    bigint NOT NULL CONSTRAINT reconciliations_range CHECK (to_block >= from_block),
    -- Address of the one token it compared; null for all that are configured.
    token       text CHECK (token ~ '^0x[0-9a-f]{40}$'),
    balances    boolean NOT NULL,
    -- Key of the endpoint that was asked.
    endpoint    text NOT NULL,
    transfers   bigint NOT NULL CHECK (transfers >= 0),
    differences bigint NOT NULL CHECK (differences >= 0),
    -- The differences, the first of them where they are very many.
    found       jsonb NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT now(),
    asked_by    text NOT NULL DEFAULT session_user
);
CREATE INDEX reconciliations_network ON reconciliations (network, id);
COMMENT ON TABLE reconciliations IS 'Append-only: what each run of `reconcile` compared and how many differences it found';
CREATE TRIGGER reconciliations_append_only BEFORE UPDATE OR DELETE ON reconciliations FOR EACH ROW EXECUTE FUNCTION deposit_watcher_refuse();
CREATE TRIGGER reconciliations_never_truncated BEFORE TRUNCATE ON reconciliations FOR EACH STATEMENT EXECUTE FUNCTION deposit_watcher_refuse();

-- A run's differences stand until a later run that compared as much, or more, says otherwise.
CREATE VIEW reconciliations_standing AS
SELECT r.* FROM reconciliations r
 WHERE NOT EXISTS (SELECT FROM reconciliations l
                    WHERE l.network = r.network AND l.id > r.id AND l.from_block <= r.from_block AND l.to_block >= r.to_block
                      AND (l.token IS NULL OR l.token = r.token) AND (l.balances OR NOT r.balances));
COMMENT ON VIEW reconciliations_standing IS 'Of the runs of `reconcile` those that no later one covers';

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'deposit_watcher_report') THEN
        GRANT SELECT ON reconciliations, reconciliations_standing TO deposit_watcher_report;
    END IF;
END $$;
