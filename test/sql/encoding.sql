-- CREATE EXTENSION in a database that is not UTF-8 says so.
\set SHOW_CONTEXT never
\set tests :DBNAME
CREATE DATABASE twinset_latin1 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0;
\c twinset_latin1
CREATE EXTENSION twinset;
SELECT count(*) FROM pg_extension WHERE extname = 'twinset';
\c :tests
DROP DATABASE twinset_latin1;
