-- Ties are prevented where sessions are opened: an amount at an address is one session's at a time.

CREATE TABLE amount_claims (
    network       text COLLATE "C" NOT NULL,
    token_address text COLLATE "C" NOT NULL,
    to_address    text COLLATE "C" NOT NULL,
    amount        numeric NOT NULL,
    -- Null between the reservation and the insert of its session.
    session_id    text REFERENCES deposit_sessions DEFERRABLE INITIALLY DEFERRED,
    claimed_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (network, token_address, to_address, amount)
);
CREATE INDEX amount_claims_session ON amount_claims (session_id);
COMMENT ON TABLE amount_claims IS 'Which session an amount at an address belongs to. W';

-- True while nobody else may have the amount: its session is open or was closed less than reuse_after ago, or it was
-- reserved within the last hour and its session is yet to come.
CREATE FUNCTION deposit_watcher_claim_holds(claim amount_claims, reuse_after interval) RETURNS boolean
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT CASE WHEN claim.session_id IS NULL THEN claim.claimed_at > clock_timestamp() - interval '1 hour'
           ELSE EXISTS (SELECT FROM deposit_sessions s WHERE s.id = claim.session_id
                          AND (s.closed_at IS NULL OR s.closed_at > clock_timestamp() - reuse_after)) END
$$;

-- Reserves an amount for a session that is about to be inserted in the same transaction, and returns it.
--   clash 'bump'   the amount, or the smallest free number (at most 1,000) of steps of 10^max(0, decimals-6) base units above it
--         'tag'    a random free number of such steps, 1 to 1,000, above it: nobody gets the round amount
--         'reject' the amount or an error
--         'allow'  the amount, unclaimed: ties are possible and held for a person
-- Errors: SQLSTATE 23505 with constraint amount_claims_pkey when no amount is free (`amount_clash`); 22023 for a token
-- that no watcher has followed on that network.
CREATE FUNCTION deposit_watcher_reserve(network text, token text, address text, amount numeric,
                                        clash text DEFAULT 'bump', reuse_after interval DEFAULT '24 hours')
RETURNS numeric LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
#variable_conflict use_column
DECLARE
    _network ALIAS FOR $1;
    _token text := lower($2);
    _address text := lower($3);
    _amount ALIAS FOR $4;
    step numeric;
    candidate record;
    decimals smallint;
BEGIN
    SELECT t.decimals INTO decimals FROM tokens t WHERE t.network = _network AND t.address = _token;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'token % is not followed on network %', _token, _network USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF _amount IS NULL OR NOT (_amount > 0 AND _amount < 'Infinity') OR scale(trim_scale(_amount)) > decimals THEN
        RAISE EXCEPTION 'amount % is not positive or has more than % decimals', _amount, decimals USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF clash NOT IN ('bump', 'tag', 'reject', 'allow') THEN
        RAISE EXCEPTION 'clash is bump, tag, reject or allow' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF clash = 'allow' THEN
        RETURN trim_scale(_amount);
    END IF;
    step := (10::numeric) ^ (-least(6, decimals));
    FOR candidate IN
        SELECT k.n, trim_scale(_amount + k.n * step) AS amount
          FROM generate_series(CASE clash WHEN 'tag' THEN 1 ELSE 0 END, CASE clash WHEN 'reject' THEN 0 ELSE 1000 END) AS k (n)
         WHERE NOT EXISTS (SELECT FROM amount_claims c
                            WHERE c.network = _network AND c.token_address = _token AND c.to_address = _address
                              AND c.amount = _amount + k.n * step AND deposit_watcher_claim_holds(c, reuse_after))
         ORDER BY CASE clash WHEN 'tag' THEN random() ELSE k.n END
    LOOP
        -- Somebody reserving the same amount at this moment is not waited for: the next one is taken.
        CONTINUE WHEN NOT pg_try_advisory_xact_lock(hashtextextended(concat_ws(' ', _network, _token, _address, candidate.amount), 0));
        INSERT INTO amount_claims AS c (network, token_address, to_address, amount) VALUES (_network, _token, _address, candidate.amount)
        ON CONFLICT ON CONSTRAINT amount_claims_pkey DO UPDATE SET session_id = NULL, claimed_at = clock_timestamp()
              WHERE NOT deposit_watcher_claim_holds(c, reuse_after);
        IF FOUND THEN
            RETURN candidate.amount;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'amount_clash: % of % at % on % is taken', _amount, _token, _address, _network
        USING ERRCODE = 'unique_violation', CONSTRAINT = 'amount_claims_pkey';
END $$;

-- Whoever inserts a session, its amount is claimed, so that later reservations see it. An amount that is another's
-- stays the other's: the tie is the inserter's, and is held when money comes.
CREATE FUNCTION deposit_sessions_claim() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO amount_claims AS c (network, token_address, to_address, amount, session_id)
    VALUES (NEW.network, NEW.token_address, NEW.to_address, trim_scale(NEW.amount), NEW.id)
    ON CONFLICT ON CONSTRAINT amount_claims_pkey DO UPDATE SET session_id = EXCLUDED.session_id, claimed_at = clock_timestamp()
          WHERE c.session_id IS NULL OR NOT deposit_watcher_claim_holds(c, interval '0');
    RETURN NULL;
END $$;
CREATE TRIGGER deposit_sessions_claim AFTER INSERT ON deposit_sessions FOR EACH ROW EXECUTE FUNCTION deposit_sessions_claim();
