"""Where the feature tables lie."""

from pathlib import Path

from feature_repo.layout import View


def table_path(features_folder: Path, view: View) -> Path:
    """The Parquet file that the batch job publishes for a view."""
    return features_folder / view.name / "table.parquet"
