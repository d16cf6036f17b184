-- One row per item and day on which a count changed, by an event or by one that left a window, and one as of now.
-- Everything is a change on a day, summed up over the days: what an event adds on its day leaves again after the
-- window, and a customer leaves a window when it ends or, to be counted once, at their next event.
CREATE TEMP TABLE item_changes AS
WITH counted AS (
    SELECT
        item_id, customer_key, day,
        count(*) FILTER (event_name IN ('view_item', 'select_item')) AS views,
        count(*) FILTER (event_name = 'add_to_cart') AS carts,
        count(*) FILTER (event_name = 'purchase') AS buys
    FROM actions
    WHERE event_name <> 'refund'
    GROUP BY ALL
),
daily AS (
    SELECT *, lead(day) OVER (PARTITION BY item_id, customer_key ORDER BY day) AS next_day FROM counted
),
windows AS (SELECT unnest(getvariable('window_days')) AS days),
orders AS (
    SELECT item_id, day, row_number() OVER (PARTITION BY item_id, customer_key ORDER BY time_us) AS number
    FROM (
        SELECT item_id, customer_key, transaction_id, min(time_us) AS time_us, min(day) AS day
        FROM actions
        WHERE event_name = 'purchase'
        GROUP BY ALL
    )
),
first_currency AS (
    SELECT item_id, arg_min(currency, time_us) AS currency FROM actions WHERE price IS NOT NULL GROUP BY ALL
)
SELECT item_id, windows.days, day, views, carts, buys, 1 AS customers, NULL::BIGINT AS buyers,
    NULL::BIGINT AS repeaters, NULL::DOUBLE AS paid, NULL::BIGINT AS priced
FROM daily, windows
UNION ALL BY NAME
SELECT item_id, windows.days, day + windows.days AS day, -views AS views, -carts AS carts, -buys AS buys
FROM daily, windows
UNION ALL BY NAME
SELECT item_id, windows.days, least(day + windows.days, coalesce(next_day, DATE '9999-12-31')) AS day, -1 AS customers
FROM daily, windows
UNION ALL BY NAME
SELECT item_id, day, CAST(number = 1 AS BIGINT) AS buyers, CAST(number = 2 AS BIGINT) AS repeaters
FROM orders
WHERE number <= 2
UNION ALL BY NAME
SELECT item_id, day, sum(price) AS paid, count(*) AS priced
FROM actions
JOIN first_currency USING (item_id)
WHERE event_name <> 'refund' AND price IS NOT NULL AND actions.currency = first_currency.currency
GROUP BY ALL;

WITH seen AS (
    SELECT item_id, day, max(known_at) AS known_at, min(time_us) AS first_us
    FROM actions
    WHERE event_name <> 'refund'
    GROUP BY ALL
),
changes AS (
    SELECT item_id, day, {{ window_changes }},
        sum(buyers) AS buyers, sum(repeaters) AS repeaters, sum(paid) AS paid, sum(priced) AS priced,
        NULL::TIMESTAMPTZ AS known_at, NULL::BIGINT AS first_us
    FROM item_changes
    WHERE day <= getvariable('today')
    GROUP BY ALL
    UNION ALL BY NAME
    SELECT item_id, day, known_at, first_us FROM seen
    UNION ALL BY NAME
    SELECT item_id, getvariable('today') AS day FROM seen GROUP BY ALL HAVING max(known_at) >= getvariable('since')
),
days AS (SELECT item_id, day, {{ day_sums }}, sum(buyers) AS buyers, sum(repeaters) AS repeaters, sum(paid) AS paid,
    sum(priced) AS priced, max(known_at) AS known_at, min(first_us) AS first_us FROM changes GROUP BY ALL),
totals AS (
    SELECT item_id, day, {{ running_sums }},
        sum(buyers) OVER so_far AS buyers, sum(repeaters) OVER so_far AS repeaters,
        sum(paid) OVER so_far AS paid, sum(priced) OVER so_far AS priced,
        max(known_at) OVER so_far AS known_at, min(first_us) OVER so_far AS first_us
    FROM days
    WINDOW so_far AS (PARTITION BY item_id ORDER BY day)
)
SELECT
    item_id,
    {{ window_features }},
    CASE WHEN views_28d > 0 THEN CAST(buys_28d / views_28d AS DOUBLE) ELSE 0 END AS conversion_28d,
    coalesce(paid / nullif(priced, 0), 0) AS mean_price,
    first_us AS first_seen_time,
    (epoch_us(end_of(day)) - first_us) / 86400e6 AS days_since_first_seen,
    coalesce(CAST(repeaters / nullif(buyers, 0) AS DOUBLE), 0) AS repeat_purchase_rate,
    end_of(day) AS event_timestamp,
    known_at AS created_timestamp
FROM totals
ORDER BY item_id, event_timestamp
