"""The assortment: what the lake's catalogue says of products, so that those nobody touched yet can be learnt about.

A product has a record of its own, one for each market that sells it otherwise, or both. What describes it comes from
its own record and, where that is silent, from the first of its markets by name.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from training.interactions import Content, Taxonomy


class CatalogueFiles(NamedTuple):
    """Parquet files of the lake's tables; either may be empty."""

    products: Sequence[str] = ()
    taxonomy: Sequence[str] = ()


NO_CATALOGUE: Final = CatalogueFiles()

_PRODUCTS: Final = """
CREATE TEMP TABLE assortment AS
WITH records AS (
    SELECT *, min(epoch_us(updated_at)) OVER (PARTITION BY item_id) AS first_us
    FROM read_parquet($files, union_by_name = true)
), newest AS (
    SELECT DISTINCT ON (item_id, market) * FROM records ORDER BY item_id, market, log_offset DESC
), usual AS (
    SELECT mode(currency) AS currency FROM newest
)
SELECT
    item_id,
    first(name ORDER BY market NULLS FIRST) FILTER (name IS NOT NULL) AS name,
    first(brand ORDER BY market NULLS FIRST) FILTER (brand IS NOT NULL) AS brand,
    first(category_id ORDER BY market NULLS FIRST) FILTER (category_id IS NOT NULL) AS category_id,
    first(price ORDER BY market NULLS FIRST) FILTER (newest.currency = usual.currency) AS price,
    coalesce(min(epoch_us(published_at)), min(first_us)) AS published_us,
    coalesce(min(epoch_us(published_at)), min(first_us)) < $until AND NOT bool_and(coalesce(hidden, false)) AS offered
FROM newest CROSS JOIN usual GROUP BY item_id
"""

_NO_PRODUCTS: Final = """
CREATE TEMP TABLE assortment (
    item_id VARCHAR, name VARCHAR, brand VARCHAR, category_id VARCHAR, price DOUBLE, published_us BIGINT, offered BOOL
)
"""

# Versions of the tree compare as text, and one counts once it has all of its nodes.
_TREE: Final = """
CREATE TEMP TABLE tree AS
WITH nodes AS (
    SELECT DISTINCT ON (taxonomy_version, category_id) taxonomy_version, category_id, parent_id, name, size
    FROM read_parquet($files, union_by_name = true) ORDER BY taxonomy_version, category_id, log_offset DESC
), whole AS (
    SELECT taxonomy_version FROM nodes GROUP BY taxonomy_version HAVING count(*) = max(size)
)
SELECT category_id, parent_id, name FROM nodes WHERE taxonomy_version = (SELECT max(taxonomy_version) FROM whole)
"""

_NO_TREE: Final = "CREATE TEMP TABLE tree (category_id VARCHAR, parent_id VARCHAR, name VARCHAR)"

_OF_ITEMS: Final = """
SELECT
    coalesce(name, '') AS name,
    if(brand IS NULL, -1, dense_rank() OVER (ORDER BY brand NULLS LAST) - 1)::INT AS brand,
    coalesce(price, 'nan'::DOUBLE)::FLOAT AS price,
    coalesce(published_us // 1_000_000, 0) AS published,
    if(category_id IS NULL, -1, dense_rank() OVER (ORDER BY category_id NULLS LAST) - 1)::INT AS category,
    if(above IS NULL, -1, dense_rank() OVER (ORDER BY above NULLS LAST) - 1)::INT AS parent
FROM (
    SELECT assortment.*, item_code, coalesce(parent_id, category_id) AS above
    FROM vocabulary LEFT JOIN assortment USING (item_id) LEFT JOIN tree USING (category_id)
)
ORDER BY item_code
"""


# In the order of their numbers. Two of one name are told apart by their ids.
_PARENTS: Final = """
WITH above AS (
    SELECT DISTINCT coalesce(parent_id, category_id) AS category_id
    FROM vocabulary JOIN assortment USING (item_id) LEFT JOIN tree USING (category_id) WHERE category_id IS NOT NULL
)
SELECT CASE
    WHEN name IS NULL THEN category_id
    WHEN count(*) OVER (PARTITION BY name) > 1 THEN name || ' (' || category_id || ')'
    ELSE name
END
FROM above LEFT JOIN tree USING (category_id) ORDER BY category_id
"""


def read_assortment(connection: duckdb.DuckDBPyConnection, files: CatalogueFiles, until_us: int) -> None:
    """Make the tables ``assortment``, a row a product, and ``tree``, a row a category of the newest whole taxonomy.

    ``offered`` is False where every record of a product hides it, and for what was published at ``until_us`` or later.
    """
    if files.products:
        connection.execute(_PRODUCTS, {"files": list(files.products), "until": until_us})
    else:
        connection.execute(_NO_PRODUCTS)
    if files.taxonomy:
        connection.execute(_TREE, {"files": list(files.taxonomy)})
    else:
        connection.execute(_NO_TREE)


def described(connection: duckdb.DuckDBPyConnection) -> tuple[Taxonomy | None, Content | None]:
    """What is known of the items of the table ``vocabulary`` (item_id, item_code); None where nothing is."""
    columns = connection.execute(_OF_ITEMS).fetchnumpy()
    known = connection.execute("SELECT count(*) FROM vocabulary SEMI JOIN assortment USING (item_id)").fetchone()
    if known is None or not known[0]:
        return None, None
    content = Content(
        name=tuple(str(name) for name in columns["name"]),
        brand=_plain(columns["brand"], np.int32),
        price=_plain(columns["price"], np.float32),
        published=_plain(columns["published"], np.int64),
    )
    category, parent = (_plain(columns[name], np.int32) for name in ("category", "parent"))
    if not (category >= 0).any():
        return None, content
    parents = tuple(str(row[0]) for row in connection.execute(_PARENTS).fetchall())
    return Taxonomy(category, parent, parents), content


def _plain(column: Any, dtype: type[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(np.ma.getdata(column), dtype=dtype)
