-- A decision says itself what money it is about: in the place of a log that an endpoint invented another one comes to stand.

ALTER TABLE settlements
    ADD COLUMN tx_hash       text COLLATE "C",
    ADD COLUMN token_address text COLLATE "C",
    ADD COLUMN from_address  text COLLATE "C",
    ADD COLUMN to_address    text COLLATE "C",
    ADD COLUMN amount_units  numeric(78, 0);

CREATE OR REPLACE FUNCTION settlements_guard() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    allowed settlements;
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.database_user := session_user;
        NEW.asked_at := clock_timestamp();
        IF num_nonnulls(NEW.answered_at, NEW.outcome, NEW.answer, NEW.undoes) > 0 THEN
            RAISE EXCEPTION 'a decision is asked for; the watcher answers it'
                USING ERRCODE = 'check_violation', CONSTRAINT = 'settlements_guard';
        END IF;
        -- Whoever does not say what he has judged means what stands there.
        IF num_nonnulls(NEW.tx_hash, NEW.token_address, NEW.from_address, NEW.to_address, NEW.amount_units) = 0 THEN
            SELECT t.tx_hash, t.token_address, t.from_address, t.to_address, t.amount_units
              INTO NEW.tx_hash, NEW.token_address, NEW.from_address, NEW.to_address, NEW.amount_units
              FROM transfers t WHERE t.network = NEW.network AND t.block_hash = NEW.block_hash AND t.log_index = NEW.log_index;
            IF NOT FOUND THEN
                RAISE EXCEPTION 'there is no such transfer'
                    USING ERRCODE = 'foreign_key_violation', CONSTRAINT = 'settlements_network_block_hash_log_index_fkey';
            END IF;
        END IF;
        RETURN NEW;
    END IF;
    allowed := OLD;
    IF OLD.outcome IS NULL AND deposit_watcher_is_writer() THEN
        allowed.answered_at := NEW.answered_at;
        allowed.outcome := NEW.outcome;
        allowed.answer := NEW.answer;
        allowed.undoes := NEW.undoes;
    END IF;
    IF NEW.* IS DISTINCT FROM allowed.* THEN
        RAISE EXCEPTION 'what was decided is never rewritten: undo it by a release'
            USING ERRCODE = 'restrict_violation', CONSTRAINT = 'settlements_append_only';
    END IF;
    RETURN NEW;
END $$;

-- Of those that were asked for before this, what stands there now is the best that is known.
ALTER TABLE settlements DISABLE TRIGGER settlements_guard;
UPDATE settlements d
   SET tx_hash = t.tx_hash, token_address = t.token_address, from_address = t.from_address, to_address = t.to_address, amount_units = t.amount_units
  FROM transfers t WHERE t.network = d.network AND t.block_hash = d.block_hash AND t.log_index = d.log_index;
ALTER TABLE settlements ENABLE TRIGGER settlements_guard;
ALTER TABLE settlements
    ALTER COLUMN tx_hash SET NOT NULL,
    ALTER COLUMN token_address SET NOT NULL,
    ALTER COLUMN from_address SET NOT NULL,
    ALTER COLUMN to_address SET NOT NULL,
    ALTER COLUMN amount_units SET NOT NULL;
COMMENT ON COLUMN settlements.tx_hash IS 'With token, sender, recipient and units: the money as it was judged. Where other money stands now, the decision is refused';
