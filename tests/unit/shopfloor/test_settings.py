from pathlib import Path

import pytest

from feature_repo.errors import Misconfigured
from shopfloor.settings import LoadedSettings


def read(folder: Path, text: str, **variables: str) -> LoadedSettings:
    path = folder / "shopfloor.toml"
    path.write_text(text)
    return LoadedSettings.read(path, variables)


class TestLoadedSettings:
    def test_without_a_file_everything_is_embedded(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        loaded = LoadedSettings.read(None, {})
        assert loaded.settings.lake_address == str(tmp_path / ".shopfloor" / "lake")
        assert set(loaded.sources.values()) == {"default"}

    def test_a_variable_wins_over_the_file(self, tmp_path: Path) -> None:
        loaded = read(tmp_path, 'port = 9000\nevents = "kafka://a:9092"', SHOPFLOOR_PORT="9001")
        assert (loaded.settings.port, loaded.sources["port"]) == (9001, "SHOPFLOOR_PORT")
        assert loaded.settings.events_address == "kafka://a:9092"

    def test_the_data_folder_counts_from_the_file(self, tmp_path: Path) -> None:
        assert read(tmp_path, 'data = "shop"').settings.data == tmp_path / "shop"

    def test_the_other_places_count_from_the_file_too(self, tmp_path: Path) -> None:
        text = 'lake = "lake"\nevents = "../log"\nonline = "/srv/online.db"\nmodels = "sqlite:///ml.db"'
        settings = read(tmp_path, text).settings
        assert settings.lake_address == str(tmp_path / "lake")
        assert settings.events_address == str(tmp_path / ".." / "log")
        assert settings.online_address == "/srv/online.db"
        assert settings.models_address == f"sqlite:///{tmp_path / 'ml.db'}"

    def test_a_file_named_from_its_own_folder_gives_whole_paths(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "shopfloor.toml").write_text('data = "shop"\nlake = "lake"')
        monkeypatch.chdir(tmp_path)
        settings = LoadedSettings.read(None, {}).settings
        assert (settings.data, settings.lake_address) == (tmp_path / "shop", str(tmp_path / "lake"))

    def test_addresses_of_servers_stay_as_they_are(self, tmp_path: Path) -> None:
        addresses = {
            "events": "kafka://a:9092",
            "online": "redis://b:6379",
            "lake": "s3://bucket/lake",
            "models": "http://c:5000",
        }
        settings = read(tmp_path, "\n".join(f'{name} = "{address}"' for name, address in addresses.items())).settings
        assert {name: getattr(settings, name) for name in addresses} == addresses

    def test_an_empty_address_is_the_embedded_one(self, tmp_path: Path) -> None:
        assert read(tmp_path, 'data = "shop"\nlake = ""').settings.lake_address == str(tmp_path / "shop" / "lake")

    def test_a_path_in_a_variable_counts_from_the_current_folder(self, tmp_path: Path) -> None:
        loaded = read(tmp_path, 'lake = "lake"\ndata = "shop"', SHOPFLOOR_LAKE="elsewhere", SHOPFLOOR_DATA="here")
        assert (loaded.settings.lake_address, loaded.settings.data) == ("elsewhere", Path("here").absolute())

    def test_keys_are_a_list_in_one_variable(self, tmp_path: Path) -> None:
        assert read(tmp_path, "", SHOPFLOOR_KEYS="one,two").settings.keys == ("one", "two")

    @pytest.mark.parametrize("text", ["one, two", "one,two,", " one ,, two"])
    def test_blanks_and_empty_places_between_keys_are_no_keys(self, tmp_path: Path, text: str) -> None:
        assert read(tmp_path, "", SHOPFLOOR_KEYS=text).settings.keys == ("one", "two")

    @pytest.mark.parametrize("text", ["", ",", " , "])
    def test_a_variable_without_any_key_is_no_setting(self, tmp_path: Path, text: str) -> None:
        assert read(tmp_path, "", SHOPFLOOR_KEYS=text).settings.keys == ()
        loaded = read(tmp_path, 'keys = ["of the file"]', SHOPFLOOR_KEYS=text)
        assert (loaded.settings.keys, loaded.sources["keys"]) == (("of the file",), str(tmp_path / "shopfloor.toml"))

    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("prot = 8000", "prot"),
            ("port = 99999", "port"),
            ('keys = ["good", ""]', "keys.1"),
            ('keys = [" "]', "keys.0"),
            ("[stream]\ndedupe_hours = 1", "stream.dedupe_hours"),
            ('[serving]\npins = { hom = ["tent-2"] }', "serving.pins"),
        ],
    )
    def test_what_does_not_fit_is_named_with_its_file(self, tmp_path: Path, text: str, named: str) -> None:
        with pytest.raises(Misconfigured, match=rf"{named} from .*shopfloor\.toml"):
            read(tmp_path, text)

    def test_a_key_that_does_not_fit_is_not_shown(self, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured, match="setting keys from") as refused:
            read(tmp_path, 'keys = "hush-hush"')
        assert "hush-hush" not in str(refused.value)

    def test_broken_toml_is_told(self, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured, match="cannot be read"):
            read(tmp_path, "port = = 1")

    def test_a_file_that_was_asked_for_has_to_exist(self, tmp_path: Path) -> None:
        with pytest.raises(Misconfigured, match=r"nowhere\.toml"):
            LoadedSettings.read(tmp_path / "nowhere.toml", {})

    def test_the_example_of_the_readme_is_read(self, tmp_path: Path) -> None:
        readme = (Path(__file__).parents[3] / "README.md").read_text()
        example = readme.split("```toml")[1].split("```")[0]
        assert read(tmp_path, example).settings.serving.pins == {"home": ("tent-2",)}
