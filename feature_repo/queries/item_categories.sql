-- Each item's category: the catalogue's, else the one that events name most often.
CREATE TEMP TABLE item_categories AS
WITH catalogue AS (
    SELECT item_id, arg_max(category_id, (market IS NULL, updated_at)) AS category_id
    FROM products
    WHERE category_id IS NOT NULL
    GROUP BY ALL
),
told AS (SELECT item_id, mode(item_category) AS category_id FROM actions WHERE item_category IS NOT NULL GROUP BY ALL)
SELECT item_id, coalesce(catalogue.category_id, told.category_id) AS category_id
FROM catalogue
FULL JOIN told USING (item_id);
