-- What `reconcile` may count as compared: which tokens a run compared, and no block that was read again since. Each span of
-- blocks that were read for a token, so that one that left and came back excuses nothing from before.

SET LOCAL lock_timeout = '5s';

CREATE TABLE token_spans (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network    text NOT NULL REFERENCES networks,
    token      text NOT NULL CHECK (token ~ '^0x[0-9a-f]{40}$'),
    -- Null: from the first block of the network.
    from_block bigint,
    -- Null while it is followed, and where it was left before any block was read.
    to_block   bigint,
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Null while it is followed.
    until      timestamptz
);
CREATE INDEX token_spans_token ON token_spans (network, token);
CREATE UNIQUE INDEX token_spans_one_is_open ON token_spans (network, token) WHERE until IS NULL;
COMMENT ON TABLE token_spans IS 'The blocks that were read for a token while it was followed, a row each time; rescans besides. W';
COMMENT ON COLUMN tokens.followed_from IS 'The first block of the newest of its token_spans; null: of the network';
CREATE TRIGGER token_spans_append_only BEFORE DELETE ON token_spans FOR EACH ROW EXECUTE FUNCTION deposit_watcher_refuse();
CREATE TRIGGER token_spans_never_truncated BEFORE TRUNCATE ON token_spans FOR EACH STATEMENT EXECUTE FUNCTION deposit_watcher_refuse();

INSERT INTO token_spans (network, token, from_block, to_block, since, until)
SELECT k.network, k.address, k.followed_from, CASE WHEN NOT k.followed THEN k.left_at END, '-infinity', CASE WHEN NOT k.followed THEN now() END
  FROM tokens k;
-- Earlier spans were not kept. Where something of a token is stored below, it was read between the first and the last of it.
INSERT INTO token_spans (network, token, from_block, to_block, since, until)
SELECT k.network, k.address, min(t.block_number), max(t.block_number), '-infinity', now()
  FROM tokens k JOIN transfers t ON t.network = k.network AND t.token_address = k.address AND t.block_number < k.followed_from
 GROUP BY k.network, k.address;

CREATE FUNCTION tokens_note_spans() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.followed AND (TG_OP = 'INSERT' OR NOT OLD.followed) THEN
        INSERT INTO token_spans (network, token, from_block)
        SELECT n.slug, NEW.address, n.scanned_number + 1 FROM networks n WHERE n.slug = NEW.network;
    ELSIF TG_OP = 'UPDATE' AND OLD.followed AND NOT NEW.followed THEN
        UPDATE token_spans s SET to_block = NEW.left_at, until = clock_timestamp()
         WHERE s.network = NEW.network AND s.token = NEW.address AND s.until IS NULL;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tokens_note_spans AFTER INSERT OR UPDATE OF followed ON tokens FOR EACH ROW EXECUTE FUNCTION tokens_note_spans();

CREATE TABLE rereads (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network    text NOT NULL REFERENCES networks,
    from_block bigint NOT NULL,
    -- Null: all above, as after a reorganisation.
    to_block   bigint,
    -- Null: of all tokens.
    token      text,
    noted_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX rereads_network ON rereads (network, id);
COMMENT ON TABLE rereads IS 'Append-only: blocks that were looked at twice and then read again, by a reorganisation or a rescan. W';
CREATE TRIGGER rereads_append_only BEFORE UPDATE OR DELETE ON rereads FOR EACH ROW EXECUTE FUNCTION deposit_watcher_refuse();
CREATE TRIGGER rereads_never_truncated BEFORE TRUNCATE ON rereads FOR EACH STATEMENT EXECUTE FUNCTION deposit_watcher_refuse();

-- Both are noted under the lock of the network's row: ids come in the order of the commits.
CREATE FUNCTION networks_note_rewind() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE token_spans s SET to_block = NEW.scanned_number
     WHERE s.network = NEW.slug AND s.until IS NOT NULL AND s.to_block > NEW.scanned_number;
    -- What is above is read for the tokens of now.
    UPDATE token_spans s SET from_block = NEW.scanned_number + 1
     WHERE s.network = NEW.slug AND s.until IS NULL AND coalesce(s.from_block, NEW.first_number + 1) > NEW.scanned_number + 1;
    IF NEW.confirmed_number < OLD.confirmed_number THEN
        INSERT INTO rereads (network, from_block) VALUES (NEW.slug, NEW.confirmed_number + 1);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER networks_note_rewind AFTER UPDATE ON networks FOR EACH ROW
    WHEN (NEW.scanned_number < OLD.scanned_number OR NEW.confirmed_number < OLD.confirmed_number) EXECUTE FUNCTION networks_note_rewind();

CREATE FUNCTION rescans_note_end() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM networks n WHERE n.slug = NEW.network FOR NO KEY UPDATE;
    INSERT INTO rereads (network, from_block, to_block, token) VALUES (NEW.network, NEW.from_block, NEW.to_block, NEW.token);
    RETURN NULL;
END $$;
CREATE TRIGGER rescans_note_end AFTER UPDATE OF finished_at ON rescans FOR EACH ROW
    WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL) EXECUTE FUNCTION rescans_note_end();

ALTER TABLE reconciliations
    ADD COLUMN tokens text[] NOT NULL DEFAULT '{}',
    ADD COLUMN differing text[] NOT NULL DEFAULT '{}',
    ADD COLUMN rereads bigint;
COMMENT ON COLUMN reconciliations.tokens IS 'Addresses of the tokens that it compared; none where the chain had another block';
COMMENT ON COLUMN reconciliations.differing IS 'Of these, those that it found a difference of';
COMMENT ON COLUMN reconciliations.rereads IS 'The newest row of rereads when it began; null: not known, and nothing counts as compared';

-- Runs of before: which tokens they compared was not kept. One that is not followed now may have been out of them.
ALTER TABLE reconciliations DISABLE TRIGGER reconciliations_append_only;
UPDATE reconciliations r
   SET tokens = CASE WHEN r.token IS NOT NULL THEN ARRAY[r.token]
                     ELSE ARRAY(SELECT k.address FROM tokens k WHERE k.network = r.network AND k.followed ORDER BY 1) END,
       differing = CASE WHEN r.differences = 0 THEN '{}'
                        WHEN r.token IS NOT NULL THEN ARRAY[r.token]
                        ELSE ARRAY(SELECT k.address FROM tokens k
                                    WHERE k.network = r.network
                                      AND (r.differences > jsonb_array_length(r.found) OR r.found @> jsonb_build_array(jsonb_build_object('token', k.key)))
                                    ORDER BY 1) END;
ALTER TABLE reconciliations ENABLE TRIGGER reconciliations_append_only;

-- A run's differences stand until a later run compared those tokens over as much, or more.
CREATE OR REPLACE VIEW reconciliations_standing AS
SELECT r.* FROM reconciliations r
 WHERE NOT EXISTS (SELECT FROM reconciliations l
                    WHERE l.network = r.network AND l.id > r.id AND l.from_block <= r.from_block AND l.to_block >= r.to_block
                      AND l.tokens @> r.differing AND (l.balances OR NOT r.balances));

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'deposit_watcher_report') THEN
        GRANT SELECT ON token_spans, rereads TO deposit_watcher_report;
    END IF;
END $$;
