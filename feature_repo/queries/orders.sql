-- Order lines as they count for a customer: units of a refund are negative. A device's lines count to an account from
-- the next moment on at which an event named both, the same rule as activity.with_devices.
CREATE TEMP TABLE order_lines AS
WITH owned AS (
    SELECT *, day AS counts_from, known_at AS counts_known_at FROM actions
    WHERE event_name IN ('purchase', 'refund')
    UNION ALL BY NAME
    SELECT
        device.* REPLACE (links.customer_key AS customer_key),
        links.day AS counts_from,
        greatest(device.known_at, links.known_at) AS counts_known_at
    FROM (
        SELECT actions.*, pair.customer_key AS account
        FROM actions
        JOIN (SELECT DISTINCT customer_key, anonymous_id FROM links) pair
            ON actions.customer_key = 'a:' || pair.anonymous_id
        WHERE is_device AND event_name IN ('purchase', 'refund')
    ) device
    ASOF JOIN links
        ON device.account = links.customer_key
        AND device.customer_key = 'a:' || links.anonymous_id
        AND device.time_us <= links.time_us
)
SELECT * EXCLUDE (day, known_at, quantity), counts_from AS day, counts_known_at AS known_at,
    CASE event_name WHEN 'refund' THEN -quantity ELSE quantity END AS units
FROM owned;
