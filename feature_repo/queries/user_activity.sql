-- One row per customer and active day: the newest 50 interactions and 5 links by the end of that day, as
-- feature_repo/activity.py defines them. Devices stay apart; they are joined to their accounts on reading.
WITH interactions AS (
    SELECT
        customer_key,
        {'time_us': time_us, 'event_id': event_id, 'position': position, 'item_id': item_id, 'kind': kind} AS one,
        day,
        max(known_at) AS known_at,
        row_number() OVER (PARTITION BY customer_key ORDER BY time_us, event_id, position, item_id, kind) AS number
    FROM slice_actions
    JOIN kinds USING (event_name)
    GROUP BY customer_key, time_us, event_id, position, item_id, kind, day
),
interaction_days AS (
    SELECT customer_key, day, max(number) AS last_number, max(known_at) AS known_at FROM interactions GROUP BY ALL
),
active_days AS (
    SELECT customer_key, day, max(last_number) AS last_number, max(known_at) AS known_at
    FROM (
        FROM interaction_days
        UNION ALL
        SELECT customer_key, day, NULL, max(known_at) FROM slice_links GROUP BY ALL
    )
    GROUP BY ALL
),
days AS (
    SELECT
        customer_key,
        day,
        coalesce(max(last_number) OVER so_far, 0) AS last_number,
        max(known_at) OVER so_far AS known_at
    FROM active_days
    WINDOW so_far AS (PARTITION BY customer_key ORDER BY day)
    QUALIFY NOT getvariable('newest_only') OR lead(day) OVER so_far IS NULL
),
newest AS (
    SELECT days.customer_key, days.day, list(one ORDER BY number) AS ones
    FROM days
    JOIN interactions
        ON interactions.customer_key = days.customer_key
        AND number BETWEEN last_number - getvariable('max_interactions') + 1 AND last_number
    GROUP BY ALL
),
devices AS (
    SELECT days.customer_key, days.day, anonymous_id, max(time_us) AS time_us
    FROM days
    JOIN slice_links links ON links.customer_key = days.customer_key AND links.day <= days.day
    GROUP BY ALL
),
linked AS (
    SELECT customer_key, day,
        list({'device': anonymous_id, 'time_us': time_us} ORDER BY time_us, anonymous_id)[-getvariable('max_links'):]
            AS ones
    FROM devices
    GROUP BY ALL
),
rows AS (
    SELECT
        days.*,
        coalesce(newest.ones, []) AS ones,
        coalesce(linked.ones, []) AS devices
    FROM days
    LEFT JOIN newest USING (customer_key, day)
    LEFT JOIN linked USING (customer_key, day)
)
SELECT
    customer_key,
    list_transform(ones, lambda o: o.item_id) AS item_ids,
    list_transform(ones, lambda o: CAST(o.kind AS BIGINT)) AS kinds,
    list_transform(ones, lambda o: o.time_us) AS times,
    list_transform(ones, lambda o: o.event_id) AS event_ids,
    list_transform(ones, lambda o: CAST(o.position AS BIGINT)) AS positions,
    list_transform(devices, lambda d: d.device) AS link_devices,
    list_transform(devices, lambda d: d.time_us) AS link_times,
    len(list_filter(ones, lambda o: o.kind = 1)) AS n_views,
    len(list_filter(ones, lambda o: o.kind = 3)) AS n_carts,
    len(list_filter(ones, lambda o: o.kind = 4)) AS n_buys,
    greatest(coalesce(ones[-1].time_us, 0), coalesce(devices[-1].time_us, 0)) AS last_time,
    end_of(day) AS event_timestamp,
    known_at AS created_timestamp
FROM rows
ORDER BY customer_key, event_timestamp
