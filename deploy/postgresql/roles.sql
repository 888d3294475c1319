-- Creates the two roles for Butaca. Run this once as a superuser, in Butaca's database, before the first migration.
-- butaca_owner migrates and owns the tables. butaca serves and can only change rows.
-- Set their passwords afterwards: \password butaca_owner, \password butaca
CREATE ROLE butaca_owner LOGIN;
CREATE ROLE butaca LOGIN;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO butaca_owner;
GRANT USAGE ON SCHEMA public TO butaca;

ALTER DEFAULT PRIVILEGES FOR ROLE butaca_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO butaca;
ALTER DEFAULT PRIVILEGES FOR ROLE butaca_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO butaca;
