-- Networks, who works them, and the blocks they have seen. Written by the watcher alone.

CREATE TABLE networks (
    slug           text PRIMARY KEY,
    chain_id       bigint NOT NULL,
    testnet        boolean NOT NULL,
    genesis_hash   text CHECK (genesis_hash ~ '^0x[0-9a-f]{64}$'),
    -- The cursor: the newest block whose effects are committed. Null until the first step.
    scanned_number bigint,
    scanned_hash   text CHECK (scanned_hash ~ '^0x[0-9a-f]{64}$'),
    scanned_time   timestamptz,
    -- The block below the first one ever scanned.
    first_number   bigint,
    -- Every block up to this one has been looked at twice.
    confirmed_number bigint,
    -- The highest safe or finalized block that stood on our own chain.
    final_number   bigint,
    final_hash     text,
    -- What the newest look at the chain's head said; informative.
    head_number    bigint,
    head_time      timestamptz,
    head_seen_at   timestamptz,
    halted_at      timestamptz,
    halted_reason  text,
    -- A person has looked and wants it to go on; the holder carries it out.
    resume_requested_at timestamptz,
    -- Number of the newest lease: a condition of every move of the cursor.
    fence          bigint NOT NULL DEFAULT 0,
    CONSTRAINT networks_cursor_is_whole
        CHECK (num_nulls(scanned_number, scanned_hash, scanned_time, first_number, confirmed_number) IN (0, 5)),
    CONSTRAINT networks_confirmed_follows_scanned CHECK (confirmed_number <= scanned_number)
);
COMMENT ON TABLE networks IS 'One row a network: cursor, watermark of the second look, halt, fence. W';

CREATE TABLE leases (
    network       text PRIMARY KEY REFERENCES networks,
    holder        text NOT NULL,
    fence         bigint NOT NULL,
    config_digest text NOT NULL,
    expires_at    timestamptz NOT NULL
);
COMMENT ON TABLE leases IS 'Which watcher works which network, until when, by the clock of the database. W';

CREATE TABLE tokens (
    network     text NOT NULL REFERENCES networks,
    key         text NOT NULL,
    address     text NOT NULL CHECK (address ~ '^0x[0-9a-f]{40}$'),
    symbol      text NOT NULL,
    decimals    smallint NOT NULL CHECK (decimals BETWEEN 0 AND 77),
    tolerance   numeric NOT NULL DEFAULT 0,
    -- True while the cursor covers it; what was missed before is read by a row of rescans.
    followed    boolean NOT NULL,
    left_at     bigint,
    PRIMARY KEY (network, key),
    UNIQUE (network, address)
);
COMMENT ON TABLE tokens IS 'Tokens that a network has ever followed; address and decimals are pinned. W';

CREATE TABLE blocks (
    network     text COLLATE "C" NOT NULL REFERENCES networks,
    number      bigint NOT NULL CHECK (number >= 0),
    hash        text COLLATE "C" NOT NULL CHECK (hash ~ '^0x[0-9a-f]{64}$'),
    parent_hash text COLLATE "C" CHECK (parent_hash ~ '^0x[0-9a-f]{64}$'),
    time        timestamptz NOT NULL,
    canonical   boolean NOT NULL DEFAULT true,
    looked_at   timestamptz NOT NULL DEFAULT now(),
    orphaned_at timestamptz,
    PRIMARY KEY (network, hash)
);
CREATE UNIQUE INDEX blocks_one_canonical_a_height ON blocks (network, number) WHERE canonical;
CREATE INDEX blocks_by_time ON blocks (network, time) WHERE canonical;
COMMENT ON TABLE blocks IS 'Recorded blocks: those with transfers, and those a rewind can go back to. W';

-- A cursor stands on a recorded canonical block, and a step of one block stands on its parent.
CREATE FUNCTION networks_cursor_follows() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    PERFORM FROM blocks b
      WHERE b.network = NEW.slug AND b.hash = NEW.scanned_hash AND b.number = NEW.scanned_number AND b.canonical
        AND (OLD.scanned_number IS NULL OR NEW.scanned_number <> OLD.scanned_number + 1
             OR b.parent_hash IS NULL OR b.parent_hash = OLD.scanned_hash);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'cursor of % cannot move to block % (%): it does not follow', NEW.slug, NEW.scanned_number, NEW.scanned_hash
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'networks_cursor_follows';
    END IF;
    IF NEW.scanned_number > OLD.scanned_number THEN
        PERFORM FROM blocks b WHERE b.network = NEW.slug AND b.hash = OLD.scanned_hash AND b.canonical;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'cursor of % cannot move up: its block % left the chain', NEW.slug, OLD.scanned_number
                USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'networks_cursor_follows';
        END IF;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER networks_cursor_follows BEFORE UPDATE OF scanned_number, scanned_hash ON networks
    FOR EACH ROW WHEN (NEW.scanned_hash IS DISTINCT FROM OLD.scanned_hash)
    EXECUTE FUNCTION networks_cursor_follows();

CREATE TABLE rescans (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network      text NOT NULL,
    from_block   bigint NOT NULL CHECK (from_block >= 0),
    to_block     bigint NOT NULL CHECK (to_block >= from_block),
    -- Address of the one token it reads; null for all that are followed.
    token        text,
    reason       text NOT NULL CHECK (reason IN ('operator', 'token')),
    -- The next block of the first look, then of the second.
    next_first   bigint NOT NULL,
    next_second  bigint NOT NULL,
    added        bigint NOT NULL DEFAULT 0,
    requested_at timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz
);
CREATE INDEX rescans_open ON rescans (network) WHERE finished_at IS NULL;
COMMENT ON TABLE rescans IS 'Ranges to read again, by request or because a token was added; carried out by the holder. W';
