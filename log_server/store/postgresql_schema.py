"""The tables of a log in PostgreSQL, and what the server itself refuses to do to them.

Everything lies in the schema ``cvm_log`` and is always named with it, so that no ``search_path``
leads elsewhere. ``entries`` and ``head`` are the log; ``submissions`` and ``sequencer`` only carry
messages between the programs that serve it. These two are UNLOGGED: they cost no write to the
disk, and are empty after a crash of the server, when every front end hands its submissions over
once more.
"""

from __future__ import annotations

__all__ = ["SCHEMA_STATEMENTS", "SCHEMA_VERSION"]

SCHEMA_VERSION = 1
"""Stored in ``cvm_log.schema_version``; another value is refused at start."""

_TABLES = (
    "CREATE SCHEMA cvm_log",
    "CREATE TABLE cvm_log.schema_version (version integer PRIMARY KEY)",
    # The full 256 bits, and those of this entry: a shorter key can be made to collide, and then a
    # submitter is told the index of an entry that is not theirs (Sunlight v0.8.1).
    """CREATE TABLE cvm_log.entries (
        "index" bigint PRIMARY KEY,
        entry bytea NOT NULL,
        leaf_hash bytea NOT NULL UNIQUE,
        CONSTRAINT index_not_negative CHECK ("index" >= 0),
        CONSTRAINT entry_size CHECK (octet_length(entry) BETWEEN 1 AND 65535),
        CONSTRAINT leaf_hash_of_entry CHECK (leaf_hash = sha256('\\x00'::bytea || entry)))""",
    """CREATE TABLE cvm_log.head (
        id integer PRIMARY KEY,
        size bigint NOT NULL,
        root bytea NOT NULL,
        checkpoint bytea NOT NULL,
        "timestamp" bigint NOT NULL,
        CONSTRAINT one_row CHECK (id = 1),
        CONSTRAINT size_not_negative CHECK (size >= 0),
        CONSTRAINT root_size CHECK (octet_length(root) = 32))""",
    # A row is a parcel: the submissions that one front end handed over together, and the answer.
    """CREATE UNLOGGED TABLE cvm_log.submissions (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        front bigint NOT NULL,
        parcel bigint NOT NULL,
        counts integer[] NOT NULL,
        total integer NOT NULL,
        entries bytea NOT NULL,
        answered boolean NOT NULL DEFAULT false,
        indices bigint[],
        refusals bytea[],
        checkpoint bytea,
        UNIQUE (front, parcel))""",
    # Never compressed: that costs more than it saves in a row that lives for milliseconds.
    "ALTER TABLE cvm_log.submissions ALTER COLUMN entries SET STORAGE EXTERNAL",
    """CREATE UNLOGGED TABLE cvm_log.sequencer (
        id integer PRIMARY KEY CHECK (id = 1),
        alive timestamptz NOT NULL,
        failure bytea)""",
)

_FUNCTIONS = (
    """CREATE FUNCTION cvm_log.refuse() RETURNS trigger LANGUAGE plpgsql
       SET search_path = pg_catalog AS $$
       BEGIN RAISE EXCEPTION '%', TG_ARGV[0] || ': no ' || TG_OP; END $$""",
    # One look a statement, not one a row: a batch is one statement. That no index comes twice is
    # the primary key's business, so a count says whether one is missing.
    """CREATE FUNCTION cvm_log.refuse_gap() RETURNS trigger LANGUAGE plpgsql
       SET search_path = pg_catalog AS $$
       DECLARE
         added bigint; lowest bigint; highest bigint; before bigint; after bigint;
       BEGIN
         SELECT count(*), min("index"), max("index") INTO added, lowest, highest FROM fresh;
         SELECT max("index") INTO before FROM cvm_log.entries WHERE "index" < lowest;
         SELECT max("index") INTO after FROM cvm_log.entries;
         IF added > 0 AND (lowest <> coalesce(before, -1) + 1 OR highest - lowest + 1 <> added
                           OR after <> highest) THEN
           RAISE EXCEPTION 'entries is append-only: index out of order';
         END IF;
         RETURN NULL;
       END $$""",
    """CREATE FUNCTION cvm_log.refuse_older_head() RETURNS trigger LANGUAGE plpgsql
       SET search_path = pg_catalog AS $$
       BEGIN
         IF NEW.size < OLD.size THEN
           RAISE EXCEPTION 'head cannot shrink';
         END IF;
         IF NEW.size = OLD.size AND NEW.root <> OLD.root THEN
           RAISE EXCEPTION 'head cannot have a second root of one size';
         END IF;
         RETURN NEW;
       END $$""",
)

_TRIGGERS = (
    """CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cvm_log.entries
       FOR EACH STATEMENT EXECUTE FUNCTION cvm_log.refuse('entries is append-only')""",
    """CREATE TRIGGER entries_no_gap AFTER INSERT ON cvm_log.entries
       REFERENCING NEW TABLE AS fresh
       FOR EACH STATEMENT EXECUTE FUNCTION cvm_log.refuse_gap()""",
    """CREATE TRIGGER head_stays BEFORE DELETE OR TRUNCATE ON cvm_log.head
       FOR EACH STATEMENT EXECUTE FUNCTION cvm_log.refuse('head stays')""",
    """CREATE TRIGGER head_only_grows BEFORE UPDATE ON cvm_log.head
       FOR EACH ROW EXECUTE FUNCTION cvm_log.refuse_older_head()""",
)

SCHEMA_STATEMENTS = (*_TABLES, *_FUNCTIONS, *_TRIGGERS)
"""DDL of an empty log, in order. A wrong statement, ours or an operator's, fails inside."""
