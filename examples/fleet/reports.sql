-- Lets each device of the fleet ask what to run and report on it: of a thousand
-- about 970 succeed, 20 fail, and 10 stay silent.  A device's hash decides.

SELECT coalesce(status, '(silent)') AS status, count(*) AS devices
FROM (
	SELECT CASE WHEN draw < 990 THEN twinset.report_status(device_id, revision,
		CASE WHEN draw < 970 THEN 200 ELSE 500 END,
		CASE WHEN draw >= 970 THEN 'sensor: exited with code 1' END) END AS status
	FROM twinset.device_status,
		 sha256(convert_to('report ' || device_id, 'UTF8')) AS hash,
		 LATERAL (SELECT (get_byte(hash, 0) * 256 + get_byte(hash, 1)) * 1000 / 65536) AS drawn (draw)
	WHERE deployment_id IS NOT NULL
) AS reported
GROUP BY status ORDER BY count(*) DESC;
