-- Who waited for another's claim counts the session that it is of: it was committed meanwhile.

SET LOCAL lock_timeout = '5s';

-- The same question, asked of what is committed now. ON CONFLICT waits and then sees the newest claim, but a STABLE function
-- still sees the sessions as they were when the statement began. This one looks anew, since it is VOLATILE; inlined it would
-- not, and its SET prevents that. Not for looking through many: the planner can do little with it.
CREATE FUNCTION deposit_watcher_claim_still_holds(claim amount_claims, reuse_after interval) RETURNS boolean
LANGUAGE sql VOLATILE SET search_path FROM CURRENT AS $$
    SELECT deposit_watcher_claim_holds(claim, reuse_after)
$$;

-- Both as before, but for the question that decides.
CREATE OR REPLACE FUNCTION deposit_watcher_reserve(network text, token text, address text, amount numeric,
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
              WHERE NOT deposit_watcher_claim_still_holds(c, reuse_after);
        IF FOUND THEN
            RETURN candidate.amount;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'amount_clash: % of % at % on % is taken', _amount, _token, _address, _network
        USING ERRCODE = 'unique_violation', CONSTRAINT = 'amount_claims_pkey';
END $$;

CREATE OR REPLACE FUNCTION deposit_sessions_claim() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO amount_claims AS c (network, token_address, to_address, amount, session_id)
    VALUES (NEW.network, NEW.token_address, NEW.to_address, trim_scale(NEW.amount), NEW.id)
    ON CONFLICT ON CONSTRAINT amount_claims_pkey DO UPDATE SET session_id = EXCLUDED.session_id, claimed_at = clock_timestamp()
          WHERE c.session_id IS NULL OR NOT deposit_watcher_claim_still_holds(c, interval '0');
    RETURN NULL;
END $$;
