-- One row per item and day on which its product record changed, and one as of now. The record for all markets tells
-- name, price and category; where there is none, the newest of a market's.
CREATE TEMP TABLE records AS
SELECT
    *,
    coalesce(market, '*') AS shelf,
    CAST(updated_at AS DATE) AS day,
    coalesce(lead(CAST(updated_at AS DATE)) OVER history, DATE '9999-12-31') AS until
FROM products
WHERE updated_at <= getvariable('now')
WINDOW history AS (PARTITION BY item_id, market ORDER BY updated_at, log_offset)
QUALIFY row_number() OVER (PARTITION BY item_id, market, day ORDER BY updated_at DESC, log_offset DESC) = 1;

WITH days AS (
    SELECT DISTINCT item_id, day FROM records
    UNION
    SELECT item_id, getvariable('today') FROM records GROUP BY ALL HAVING max(updated_at) >= getvariable('since')
)
SELECT
    days.item_id,
    coalesce(arg_max(name, standing), '') AS name,
    coalesce(arg_max(brand, standing), '') AS brand,
    coalesce(arg_max(category_id, standing), '') AS category_id,
    coalesce(arg_max(price, standing), 0) AS price,
    coalesce(arg_max(currency, standing) FILTER (price IS NOT NULL), '') AS currency,
    list(shelf ORDER BY shelf) AS markets,
    coalesce(list(shelf ORDER BY shelf) FILTER (in_stock AND NOT hidden), []) AS available_markets,
    CAST(coalesce(arg_max(rebuyable, standing), true) AS BIGINT) AS rebuyable,
    coalesce(epoch_us(min(published_at)), 0) AS published_time,
    end_of(days.day) AS event_timestamp,
    max(updated_at) AS created_timestamp
FROM days
JOIN (SELECT *, (market IS NULL, updated_at) AS standing FROM records) records
    ON records.item_id = days.item_id AND days.day >= records.day AND days.day < records.until
GROUP BY days.item_id, days.day
ORDER BY days.item_id, event_timestamp
