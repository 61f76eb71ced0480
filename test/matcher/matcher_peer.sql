-- Vespa's predicate search beside the matcher, on the same expressions and
-- events, by turns: µs of processor time an event, the median of some turns
-- and the least and the greatest.  See VespaBench.java.
-- Variables: those of workloads.sql, whose sizes are measured; peer, a command
-- that is given two files and a number of seconds; seconds, of each of its turns.
\set ON_ERROR_STOP on
\ir workloads.sql

/* Each expression with its NOT, where it has one, and without. */
CREATE VIEW expression AS
SELECT negated, n, CASE WHEN negated THEN condition ELSE regexp_replace(condition::text, ' AND NOT .*', '')::target_condition
				   END AS condition
FROM condition, unnest('{f,t}'::boolean[]) AS negated
WHERE workload = 'attributes';

CREATE TABLE ours (negated boolean, deployments integer, turn integer, matches float8, look_up float8, winner float8,
				   "all" float8);
/* the columns are the peer's */
CREATE TABLE theirs (negated boolean DEFAULT current_setting('peer.negated')::boolean,
					 deployments integer DEFAULT current_setting('peer.deployments')::integer,
					 turn integer DEFAULT current_setting('peer.turn')::integer,
					 conjunctions float8, different_matches float8, documents float8, document_matches float8,
					 intervals float8, interval_matches float8);

/* Ours, then the peer's, which must have found as many. */
CREATE PROCEDURE take_turn(is_negated boolean, size integer, number integer, peer text, seconds integer) LANGUAGE plpgsql AS $$
DECLARE
	file	text := current_setting('data_directory') || '/peer.';
BEGIN
	INSERT INTO ours
	SELECT is_negated, size, number, matches, look_up, winner, "all"
	FROM (SELECT array_agg(condition ORDER BY n) AS conditions FROM expression WHERE negated = is_negated AND n <= size) AS c,
		(SELECT array_agg(id) AS ids, array_agg(tags) AS tags FROM device WHERE workload = 'attributes') AS d,
		matcher_bench(conditions, ids, tags, 15);

	-- such as "a1=v3 a2=v4 !a5=v1"
	EXECUTE format($copy$
		COPY (SELECT replace(replace(regexp_replace(condition::text, 'AND |tags\.|''', '', 'g'), ' = ', '='), 'NOT ', '!')
			  FROM expression WHERE negated = %L AND n <= %s ORDER BY n) TO %L $copy$, is_negated, size, file || 'expressions');
	EXECUTE format($copy$
		COPY (SELECT string_agg(key || '=' || value, ' ') FROM device, jsonb_each_text(tags)
			  WHERE workload = 'attributes' GROUP BY id) TO %L $copy$, file || 'events');
	PERFORM set_config('peer.negated', is_negated::text, false), set_config('peer.deployments', size::text, false),
		set_config('peer.turn', number::text, false);
	EXECUTE format('COPY theirs (conjunctions, different_matches, documents, document_matches, intervals, interval_matches)
					FROM PROGRAM %L', format('%1$s %2$sexpressions %2$sevents %3$s', peer, file, seconds));
	IF EXISTS (SELECT FROM ours JOIN theirs USING (negated, deployments, turn)
			   WHERE abs(matches - document_matches) > 0.01 OR abs(matches - interval_matches) > 0.01) THEN
		RAISE 'the peer finds other matches';
	END IF;
END $$;

SELECT format('CALL take_turn(%L, %s, %s, %L, %s)', negated, size, turn, :'peer', :seconds)
FROM generate_series(1, 3) AS turn, unnest(:'sizes'::integer[]) AS size, unnest('{t,f}'::boolean[]) AS negated \gexec

CREATE FUNCTION spread(numbers float8[], digits integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
	SELECT format('%s (%s–%s)', round(percentile_disc(0.5) WITHIN GROUP (ORDER BY n)::numeric, digits),
				  round(min(n)::numeric, digits), round(max(n)::numeric, digits)) FROM unnest(numbers) AS n
$$;

CREATE VIEW result AS
SELECT *, winner - look_up AS terms_winner, greatest("all" - look_up, 0.01) AS terms_all,
	least(conjunctions, documents, intervals) AS peer
FROM ours JOIN theirs USING (negated, deployments, turn);

\pset footer off
\echo 'winner, all: from terms; tags_: from the tags; of the peer documents and intervals find all, conjunctions each expression once'
SELECT negated AS "NOT", deployments, round(avg(matches)::numeric, 1) AS matches,
	round(avg(different_matches)::numeric, 1) AS different, spread(array_agg(terms_winner), 2) AS winner,
	spread(array_agg(winner), 2) AS tags_winner, spread(array_agg(terms_all), 2) AS "all",
	spread(array_agg("all"), 2) AS tags_all,
	spread(array_agg(conjunctions), 1) AS conjunctions, spread(array_agg(documents), 1) AS documents,
	spread(array_agg(intervals), 1) AS intervals
FROM result GROUP BY 1, 2 ORDER BY 1, 2;

\echo 'the least of the peer''s three over ours'
SELECT negated AS "NOT", deployments, spread(array_agg(peer / terms_winner), 0) AS winner,
	spread(array_agg(peer / terms_all), 0) AS "all", spread(array_agg(peer / winner), 0) AS tags_winner,
	spread(array_agg(peer / "all"), 0) AS tags_all
FROM result GROUP BY 1, 2 ORDER BY 1, 2;
