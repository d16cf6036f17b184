-- One row per customer and day with an order or a refund, and one as of now: everything bought so far, net of refunds.
-- Units of an item that was refunded more than it was bought, as where the history begins later, count as none.
-- What is net of refunds is kept as running totals that hold from their day until the next change of the same thing.
CREATE OR REPLACE TEMP TABLE profile_days AS
WITH active AS (SELECT customer_key, day, max(known_at) AS known_at FROM slice_order_lines GROUP BY ALL),
refreshed AS (
    FROM active
    UNION ALL
    SELECT customer_key, getvariable('today') AS day, max(known_at) AS known_at
    FROM active
    GROUP BY ALL
    HAVING max(known_at) >= getvariable('since')
),
daily AS (SELECT customer_key, day, max(known_at) AS known_at FROM refreshed GROUP BY ALL)
SELECT customer_key, day, max(known_at) OVER (PARTITION BY customer_key ORDER BY day) AS known_at FROM daily;

CREATE OR REPLACE TEMP TABLE first_currency AS
SELECT customer_key, arg_min(currency, time_us) AS currency
FROM slice_order_lines
WHERE event_name = 'purchase' AND currency IS NOT NULL
GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE items_held AS
WITH daily AS (
    SELECT
        customer_key, item_id, day,
        sum(units) AS units,
        count(DISTINCT transaction_id) FILTER (event_name = 'purchase') AS orders,
        max(time_us) FILTER (event_name = 'purchase') AS last_us
    FROM slice_order_lines
    GROUP BY ALL
)
SELECT
    customer_key, item_id, day,
    sum(units) OVER so_far AS units,
    sum(orders) OVER so_far AS orders,
    max(last_us) OVER so_far AS last_us,
    coalesce(lead(day) OVER so_far, DATE '9999-12-31') AS until
FROM daily
WINDOW so_far AS (PARTITION BY customer_key, item_id ORDER BY day);

WITH order_days AS (
    SELECT customer_key, transaction_id, day, sum(units) AS units FROM slice_order_lines GROUP BY ALL
),
order_changes AS (
    SELECT customer_key, day, CAST(after > 0 AS INTEGER) - CAST(after - units > 0 AS INTEGER) AS change
    FROM (
        SELECT *, sum(units) OVER (PARTITION BY customer_key, transaction_id ORDER BY day) AS after FROM order_days
    )
),
first_days AS (
    SELECT customer_key, transaction_id, min(day) AS day, min(time_us) AS time_us
    FROM slice_order_lines
    WHERE event_name = 'purchase'
    GROUP BY ALL
),
events_paid AS (
    SELECT
        customer_key, event_id, event_name, day,
        coalesce(any_value(value), sum(price * abs(units)), 0) * sign(any_value(units)) AS amount,
        sum(units) AS units
    FROM slice_order_lines order_lines
    JOIN first_currency USING (customer_key)
    WHERE order_lines.currency = first_currency.currency OR order_lines.currency IS NULL
    GROUP BY ALL
),
prices AS (
    SELECT customer_key, day, sum(price * units) AS paid, sum(units) AS units
    FROM slice_order_lines order_lines
    JOIN first_currency USING (customer_key)
    WHERE event_name = 'purchase' AND price IS NOT NULL AND order_lines.currency = first_currency.currency
    GROUP BY ALL
),
markets AS (
    SELECT customer_key, market, day, count(DISTINCT transaction_id) AS orders
    FROM slice_order_lines
    WHERE event_name = 'purchase' AND market IS NOT NULL
    GROUP BY ALL
),
main_markets AS (
    SELECT customer_key, day, arg_max(market, (orders, market)) AS main_market
    FROM (
        SELECT profile_days.customer_key, profile_days.day, market, sum(orders) AS orders
        FROM profile_days
        JOIN markets ON markets.customer_key = profile_days.customer_key AND markets.day <= profile_days.day
        GROUP BY ALL
    )
    GROUP BY ALL
),
changes AS (
    SELECT customer_key, day, change AS orders, NULL::DOUBLE AS spend, NULL::BIGINT AS placed,
        NULL::BIGINT AS first_us, NULL::BIGINT AS last_us, NULL::DOUBLE AS paid, NULL::HUGEINT AS priced
    FROM order_changes
    UNION ALL BY NAME
    SELECT customer_key, day, amount AS spend FROM events_paid
    UNION ALL BY NAME
    SELECT customer_key, day, 1 AS placed, time_us AS first_us, time_us AS last_us FROM first_days
    UNION ALL BY NAME
    SELECT customer_key, day, paid, units AS priced FROM prices
    UNION ALL BY NAME
    SELECT customer_key, day FROM profile_days
),
daily AS (
    SELECT
        customer_key, day,
        sum(orders) AS orders, sum(spend) AS spend, sum(placed) AS placed,
        min(first_us) AS first_us, max(last_us) AS last_us, sum(paid) AS paid, sum(priced) AS priced
    FROM changes
    GROUP BY ALL
),
totals AS (
    SELECT
        customer_key, day,
        coalesce(sum(orders) OVER so_far, 0) AS orders,
        coalesce(sum(spend) OVER so_far, 0) AS spend,
        coalesce(sum(placed) OVER so_far, 0) AS placed,
        coalesce(min(first_us) OVER so_far, 0) AS first_us,
        coalesce(max(last_us) OVER so_far, 0) AS last_us,
        coalesce(sum(paid) OVER so_far / nullif(sum(priced) OVER so_far, 0), 0) AS price_level
    FROM daily
    WINDOW so_far AS (PARTITION BY customer_key ORDER BY day)
),
held AS (
    SELECT profile_days.customer_key, profile_days.day, item_id, units, orders, last_us
    FROM profile_days
    JOIN items_held
        ON items_held.customer_key = profile_days.customer_key
        AND profile_days.day >= items_held.day AND profile_days.day < items_held.until
    WHERE units > 0
),
bought AS (
    SELECT customer_key, day, sum(units) AS units, list({'item': item_id, 'orders': orders, 'last_us': last_us}
        ORDER BY last_us DESC, item_id)[:100] AS items
    FROM held
    GROUP BY ALL
),
category_units AS (
    SELECT customer_key, day, category_id, sum(units) AS units
    FROM held
    JOIN item_categories USING (item_id)
    GROUP BY ALL
),
categories AS (
    SELECT customer_key, day,
        list({'category': category_id, 'units': units} ORDER BY units DESC, category_id)[:5] AS top,
        sum(units) AS total
    FROM category_units
    GROUP BY ALL
)
SELECT
    customer_key,
    CAST(orders AS BIGINT) AS n_orders,
    CAST(coalesce(bought.units, 0) AS BIGINT) AS n_items,
    CAST(spend AS DOUBLE) AS spend,
    coalesce(currency, '') AS currency,
    first_us AS first_order_time,
    last_us AS last_order_time,
    (epoch_us(end_of(day)) - first_us) / 86400e6 AS days_since_first_order,
    (epoch_us(end_of(day)) - last_us) / 86400e6 AS days_since_last_order,
    CASE WHEN placed > 1 THEN (last_us - first_us) / 86400e6 / (placed - 1) ELSE 0 END AS mean_days_between_orders,
    list_transform(coalesce(bought.items, []), lambda i: i.item) AS bought_items,
    list_transform(coalesce(bought.items, []), lambda i: CAST(i.orders AS BIGINT)) AS bought_counts,
    list_transform(coalesce(bought.items, []), lambda i: i.last_us) AS bought_last_times,
    list_transform(coalesce(categories.top, []), lambda c: c.category) AS top_categories,
    list_transform(coalesce(categories.top, []), lambda c: c.units / categories.total) AS top_category_shares,
    coalesce(main_market, '') AS main_market,
    CAST(price_level AS DOUBLE) AS price_level,
    end_of(day) AS event_timestamp,
    profile_days.known_at AS created_timestamp
FROM profile_days
JOIN totals USING (customer_key, day)
LEFT JOIN first_currency USING (customer_key)
LEFT JOIN bought USING (customer_key, day)
LEFT JOIN categories USING (customer_key, day)
LEFT JOIN main_markets USING (customer_key, day)
ORDER BY customer_key, event_timestamp
