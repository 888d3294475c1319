-- Two roles for Butaca, to be made once, by a superuser, in its database and before its first migration:
-- the one that migrates owns the tables, the one that serves can change rows and nothing else.
-- Give them passwords afterwards: \password butaca_owner, \password butaca
CREATE ROLE butaca_owner LOGIN;
CREATE ROLE butaca LOGIN;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO butaca_owner;
GRANT USAGE ON SCHEMA public TO butaca;

ALTER DEFAULT PRIVILEGES FOR ROLE butaca_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO butaca;
ALTER DEFAULT PRIVILEGES FOR ROLE butaca_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO butaca;
