"""Events into interactions and links."""

from feature_repo.activity import EMPTY, Interaction, Kind
from ingestion.sinks.online import folded, interactions_of, links_of
from tests.builders import NOW, event

NOW_US = int(NOW.timestamp()) * 1_000_000


def test_each_item_of_an_event_is_an_interaction_in_its_place() -> None:
    basket = event(event_name="add_to_cart", event_id="e7", items=[{"item_id": "a"}, {"item_id": "b"}])
    assert interactions_of(basket) == (
        Interaction(NOW_US, "e7", 0, "a", Kind.CART),
        Interaction(NOW_US, "e7", 1, "b", Kind.CART),
    )


def test_impressions_and_searches_are_no_interest() -> None:
    assert interactions_of(event(event_name="view_item_list")) == ()
    assert interactions_of(event(event_name="search", search_term="tent")) == ()


def test_any_event_that_names_both_ties_the_device_to_the_account() -> None:
    assert links_of(event(seconds=1, anonymous_id="phone")) == {"phone": NOW_US + 1_000_000}
    assert links_of(event()) == {}
    assert links_of(event(user_id=None, anonymous_id="phone")) == {}


def test_without_consent_to_personalisation_an_event_leaves_no_trace() -> None:
    refused = event(anonymous_id="phone", consent={"personalisation": False})
    assert folded(EMPTY, [refused]) == EMPTY


def test_the_same_events_again_change_nothing() -> None:
    events = [event(seconds=n, event_id=f"e{n}", anonymous_id="phone") for n in range(60)]
    once = folded(EMPTY, events)
    assert folded(once, reversed(events)) == once
