-- Conditions, tags and identifiers are UTF-8 everywhere in the module. (The script itself is ASCII: it
-- is converted before its first statement runs, and the error of that would say nothing.)

DO $$
BEGIN
	IF pg_catalog.getdatabaseencoding() <> 'UTF8' THEN
		RAISE EXCEPTION 'twinset needs a database with the encoding UTF8' USING ERRCODE = '0A000',
			DETAIL = pg_catalog.format('The encoding of database "%s" is %s.',
				pg_catalog.current_database(), pg_catalog.getdatabaseencoding()),
			HINT = 'CREATE DATABASE ... ENCODING ''UTF8'' TEMPLATE template0';
	END IF;
END $$;

