"""One example of each body that goes in or out, for the OpenAPI document; a test holds them to their definitions."""

from typing import Any, Final

_ANSWER: Final[dict[str, Any]] = {
    "recommendation_id": "4f1c0d7a9b3e4c52a8d1e6f70b2c9d35",
    "model_version": "7",
    "variant": None,
    "degraded": [],
    "notes": ["recent_item_ids: item 'sku-99' is in neither the catalogue nor the model and was ignored"],
    "items": [
        {
            "item_id": "sku-18",
            "score": 0.82,
            "reason": "because you viewed Tea pot",
            "name": "Tea cups, set of four",
            "price": 24.9,
            "currency": "EUR",
            "url": "https://shop.example/sku-18",
            "image_url": "https://shop.example/sku-18.jpg",
        },
        {"item_id": "sku-31", "score": 0.41, "reason": "popular in DE"},
    ],
}

EXAMPLES: Final[dict[str, Any]] = {
    "EventBatch": {
        "events": [
            {
                "event_id": "0b7e6c1e-1",
                "event_name": "view_item",
                "event_time": "2026-11-20T18:03:07.120+01:00",
                "user_id": "c-1042",
                "anonymous_id": "device-77",
                "market": "DE",
                "currency": "EUR",
                "items": [{"item_id": "sku-17", "price": 12.5}],
            }
        ]
    },
    "EventReceipt": {
        "accepted": 1,
        "duplicates": 0,
        "rejected": [
            {
                "index": 1,
                "event_id": "0b7e6c1e-2",
                "errors": [
                    {"field": "event_time", "value": "2026-11-20T18:03:07", "reason": "Input should have timezone info"}
                ],
            }
        ],
    },
    "ProductBatch": {
        "products": [
            {"item_id": "sku-17", "name": "Tea pot", "category_id": "tea", "price": 12.5, "currency": "EUR"},
            {"item_id": "sku-17", "market": "CH", "name": "Tea pot", "in_stock": False},
        ]
    },
    "ProductReceipt": {"accepted": 2, "rejected": []},
    "TaxonomyBody": {
        "categories": [
            {"category_id": "kitchen", "name": "Kitchen"},
            {"category_id": "tea", "parent_id": "kitchen", "name": "Tea"},
        ]
    },
    "TaxonomyReceipt": {"accepted": 2, "taxonomy_version": "20261120T170307.120000Z-4f1c0d7a"},
    "Question": {"placement": "home", "user_id": "c-1042", "market": "DE", "limit": 5},
    "Answer": _ANSWER,
    "UserFeatures": {
        "user_id": "c-1042",
        "interactions": [
            {
                "event_time": "2026-11-20T17:03:07.120000Z",
                "action": "view",
                "item_id": "sku-17",
                "event_id": "0b7e6c1e-1",
            }
        ],
        "devices": ["device-77"],
        "profile": {
            "n_orders": 2,
            "n_items": 3,
            "spend": 62.4,
            "currency": "EUR",
            "first_order_at": "2026-09-02T08:15:00Z",
            "last_order_at": "2026-10-14T19:40:00Z",
            "mean_days_between_orders": 42.5,
            "bought": [{"item_id": "sku-31", "orders": 2, "last_bought_at": "2026-10-14T19:40:00Z"}],
            "top_categories": {"tea": 0.67, "kitchen": 0.33},
            "main_market": "DE",
            "price_level": 20.8,
        },
    },
    "Erased": {"user_id": "c-1042", "erased_keys": ["u:c-1042", "a:device-77"]},
    "Health": {"status": "alive"},
    "Readiness": {
        "status": "ready",
        "parts": {
            "log": {"state": "ok", "detail": "the log in .shopfloor/log answers"},
            "online": {"state": "ok", "detail": "the online store answers"},
            "catalogue": {"state": "ok", "detail": "2000 products, 41 categories"},
            "model": {"state": "ok", "detail": "model 7 answers"},
        },
    },
    "Problem": {
        "type": "urn:shopfloor:problem:bad-input",
        "title": "Bad input",
        "status": 400,
        "detail": "limit: Input should be less than or equal to 100",
        "instance": "/v1/recommendations",
        "errors": [{"field": "limit", "value": "101", "reason": "Input should be less than or equal to 100"}],
    },
}
"""Name of the definition to an example of it."""

METRICS: Final = """# HELP shopfloor_events_total Events by outcome
# TYPE shopfloor_events_total counter
shopfloor_events_total{outcome="accepted"} 1042.0
"""
