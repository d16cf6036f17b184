-- What the feature tables count: every item of every event up to now, of customers who consent to personalisation.
-- An event is known from when the server received it. One that came more than 30 days after it happened is history
-- that was loaded later, not a late event: it counts as known when it happened, or imported history could train nothing.
CREATE TEMP TABLE actions AS
WITH allowed AS (
    SELECT *, CASE WHEN user_id IS NOT NULL THEN 'u:' || user_id ELSE 'a:' || anonymous_id END AS customer_key
    FROM events
    WHERE coalesce(consent.personalisation, true) AND event_time <= getvariable('now')
)
SELECT
    customer_key,
    user_id IS NULL AS is_device,
    event_id,
    event_name,
    epoch_us(event_time) AS time_us,
    CAST(event_time AS DATE) AS day,
    CASE WHEN received_at - event_time > INTERVAL 30 DAY THEN event_time ELSE greatest(received_at, event_time) END
        AS known_at,
    market,
    currency,
    transaction_id,
    value,
    generate_subscripts(items, 1) - 1 AS position,
    unnest(items).item_id AS item_id,
    unnest(items).item_category AS item_category,
    unnest(items).price AS price,
    coalesce(unnest(items).quantity, 1) AS quantity
FROM allowed
WHERE event_name IN (
    'view_item', 'select_item', 'add_to_wishlist', 'add_to_cart', 'purchase', 'refund'
);

-- A refund without items takes back its whole order.
INSERT INTO actions
SELECT
    bought.* REPLACE (
        refund.event_id AS event_id,
        'refund' AS event_name,
        epoch_us(refund.event_time) AS time_us,
        CAST(refund.event_time AS DATE) AS day,
        greatest(bought.known_at, refund.received_at) AS known_at,
        refund.value AS value
    )
FROM events refund
JOIN actions bought
    ON bought.event_name = 'purchase'
    AND bought.transaction_id = refund.transaction_id
    AND bought.customer_key
        = CASE WHEN refund.user_id IS NOT NULL THEN 'u:' || refund.user_id ELSE 'a:' || refund.anonymous_id END
WHERE refund.event_name = 'refund' AND coalesce(len(refund.items), 0) = 0
    AND coalesce(refund.consent.personalisation, true) AND refund.event_time <= getvariable('now');

-- Each moment at which an event named both an account and a device.
CREATE TEMP TABLE links AS
SELECT
    'u:' || user_id AS customer_key,
    anonymous_id,
    epoch_us(event_time) AS time_us,
    CAST(event_time AS DATE) AS day,
    max(CASE
        WHEN received_at - event_time > INTERVAL 30 DAY THEN event_time ELSE greatest(received_at, event_time)
    END) AS known_at
FROM events
WHERE user_id IS NOT NULL AND anonymous_id IS NOT NULL
    AND coalesce(consent.personalisation, true) AND event_time <= getvariable('now')
GROUP BY ALL;
