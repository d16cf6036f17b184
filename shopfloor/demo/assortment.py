"""What the demo shop sells: a synthetic outdoor shop, written for this project.

Prices are the median of the category in euro. ``gap`` is the usual number of days until a consumable is used up,
0 for what lasts. ``peak`` is the month of highest demand, 0 where the season does not matter.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Leaf:
    """A category of the lowest level."""

    name: str
    noun: str
    price: float
    peak: int = 0
    gap: int = 0
    variants: tuple[str, ...] = ("",)


COLOURS: Final = ("Moss", "Slate", "Ochre", "Fjord Blue", "Rust", "Black")
PERSONS: Final = ("1P", "2P", "3P", "4P")
SIZES: Final = ("S", "M", "L", "XL")
LITRES: Final = ("18 L", "24 L", "32 L", "45 L", "60 L")
FLAVOURS: Final = ("Salted Caramel", "Cocoa", "Apricot", "Blackcurrant", "Lemon", "Hazelnut")
PACKS: Final = ("50 ml", "100 ml", "250 ml", "3 x 100 ml")

TREE: Final[dict[str, dict[str, tuple[Leaf, ...]]]] = {
    "Camping": {
        "Tents": (
            Leaf("Trekking Tents", "Trekking Tent", 380, peak=6, variants=PERSONS),
            Leaf("Family Tents", "Family Tent", 520, peak=7, variants=("4P", "5P", "6P")),
            Leaf("Tarps & Shelters", "Tarp", 95, peak=6, variants=("3x3", "3x4", "4x5")),
        ),
        "Sleeping": (
            Leaf("Sleeping Bags", "Sleeping Bag", 190, peak=6, variants=("-10", "-5", "0", "+5")),
            Leaf("Sleeping Mats", "Sleeping Mat", 95, peak=6, variants=("Regular", "Wide", "Short")),
            Leaf("Hammocks", "Hammock", 85, peak=7, variants=COLOURS),
            Leaf("Camp Pillows", "Camp Pillow", 28, peak=7, variants=COLOURS),
        ),
        "Camp Kitchen": (
            Leaf("Gas Stoves", "Gas Stove", 65, peak=6),
            Leaf("Gas Cartridges", "Gas Cartridge", 7, peak=7, gap=30, variants=("100 g", "230 g", "450 g")),
            Leaf("Cookware", "Pot Set", 48, peak=6, variants=("Solo", "Duo", "Family")),
            Leaf("Mugs & Bottles", "Bottle", 22, variants=("0.5 L", "0.75 L", "1 L")),
            Leaf("Water Filters", "Water Filter", 55, peak=6),
        ),
        "Furniture & Light": (
            Leaf("Camp Chairs", "Camp Chair", 75, peak=7, variants=COLOURS),
            Leaf("Camp Tables", "Camp Table", 90, peak=7),
            Leaf("Lanterns", "Lantern", 38, peak=9),
            Leaf("Headlamps", "Headlamp", 45, peak=11, variants=("250 lm", "400 lm", "700 lm")),
        ),
    },
    "Hiking": {
        "Packs": (
            Leaf("Daypacks", "Daypack", 85, peak=5, variants=LITRES[:3]),
            Leaf("Trekking Packs", "Trekking Pack", 190, peak=6, variants=LITRES[3:]),
            Leaf("Rain Covers", "Rain Cover", 22, peak=10, variants=SIZES),
        ),
        "Footwear": (
            Leaf("Hiking Boots", "Hiking Boot", 180, peak=5, variants=("Mid", "High", "Low")),
            Leaf("Approach Shoes", "Approach Shoe", 140, variants=COLOURS),
            Leaf("Trekking Sandals", "Sandal", 80, peak=7, variants=COLOURS),
            Leaf("Hiking Socks", "Hiking Sock", 20, variants=("Light", "Midweight", "Crew")),
            Leaf("Shoe Care", "Shoe Wax", 12, gap=45, variants=PACKS),
        ),
        "Poles & Navigation": (
            Leaf("Trekking Poles", "Trekking Poles", 90, peak=6, variants=("Carbon", "Alu", "Folding")),
            Leaf("Compasses & Maps", "Compass", 30),
            Leaf("GPS Watches", "GPS Watch", 320, peak=12, variants=("Solar", "S", "Pro")),
        ),
    },
    "Clothing": {
        "Jackets": (
            Leaf("Rain Jackets", "Rain Jacket", 190, peak=10, variants=COLOURS),
            Leaf("Down Jackets", "Down Jacket", 240, peak=12, variants=COLOURS),
            Leaf("Softshell Jackets", "Softshell Jacket", 130, peak=4, variants=COLOURS),
        ),
        "First Layer": (
            Leaf("Merino Shirts", "Merino Shirt", 75, variants=("150", "200", "260")),
            Leaf("Thermal Underwear", "Thermal Set", 65, peak=12, variants=SIZES),
        ),
        "Trousers": (
            Leaf("Hiking Trousers", "Hiking Trousers", 95, peak=5, variants=COLOURS),
            Leaf("Shorts", "Shorts", 60, peak=7, variants=COLOURS),
            Leaf("Rain Trousers", "Rain Trousers", 90, peak=10, variants=SIZES),
        ),
        "Head & Hands": (
            Leaf("Beanies", "Beanie", 28, peak=12, variants=COLOURS),
            Leaf("Gloves", "Gloves", 40, peak=12, variants=SIZES),
            Leaf("Sun Hats", "Sun Hat", 32, peak=7, variants=COLOURS),
        ),
    },
    "Climbing": {
        "Hardware": (
            Leaf("Harnesses", "Harness", 70, variants=SIZES),
            Leaf("Quickdraws", "Quickdraw Set", 82, variants=("5-pack", "6-pack")),
            Leaf("Belay Devices", "Belay Device", 50),
            Leaf("Climbing Helmets", "Climbing Helmet", 65, variants=COLOURS),
        ),
        "Ropes & Slings": (
            Leaf("Single Ropes", "Single Rope", 160, variants=("60 m", "70 m", "80 m")),
            Leaf("Slings", "Sling", 14, variants=("60 cm", "120 cm")),
        ),
        "Bouldering": (
            Leaf("Climbing Shoes", "Climbing Shoe", 125, variants=("Velcro", "Lace", "Slipper")),
            Leaf("Chalk", "Chalk", 9, gap=28, variants=("100 g", "250 g", "Liquid")),
            Leaf("Crash Pads", "Crash Pad", 210),
        ),
    },
    "Cycling": {
        "On the Bike": (
            Leaf("Bike Helmets", "Bike Helmet", 90, peak=4, variants=COLOURS),
            Leaf("Bike Bags", "Pannier", 75, peak=5, variants=LITRES[:2]),
            Leaf("Bike Lights", "Bike Light", 45, peak=11, variants=("Front", "Rear", "Set")),
            Leaf("Bike Locks", "Bike Lock", 60),
        ),
        "Workshop": (
            Leaf("Chain Oil & Cleaners", "Chain Oil", 11, gap=35, variants=PACKS),
            Leaf("Inner Tubes", "Inner Tube", 8, gap=40, variants=("28 in", "29 in", "26 in")),
            Leaf("Tyres", "Tyre", 42, peak=4, variants=("35 mm", "40 mm", "47 mm")),
        ),
        "Cycling Wear": (
            Leaf("Jerseys", "Jersey", 70, peak=6, variants=COLOURS),
            Leaf("Bib Shorts", "Bib Shorts", 100, peak=6, variants=SIZES),
        ),
    },
    "Running": {
        "Running Shoes": (
            Leaf("Road Running Shoes", "Road Shoe", 130, peak=4, variants=COLOURS),
            Leaf("Trail Running Shoes", "Trail Shoe", 140, peak=5, variants=COLOURS),
        ),
        "Running Wear": (
            Leaf("Running Shirts", "Running Shirt", 40, peak=6, variants=COLOURS),
            Leaf("Running Tights", "Running Tights", 60, peak=11, variants=SIZES),
            Leaf("Running Vests", "Running Vest", 95, peak=5, variants=("5 L", "8 L", "12 L")),
        ),
    },
    "Water": {
        "Paddling": (
            Leaf("Inflatable Kayaks", "Inflatable Kayak", 650, peak=6, variants=("Solo", "Duo")),
            Leaf("Paddles", "Paddle", 85, peak=6, variants=("2-part", "4-part")),
            Leaf("Dry Bags", "Dry Bag", 30, peak=7, variants=LITRES),
        ),
        "Swimming": (
            Leaf("Swimwear", "Swimsuit", 45, peak=7, variants=COLOURS),
            Leaf("Swim Goggles", "Swim Goggles", 25, peak=7, variants=("Clear", "Mirror", "Smoke")),
            Leaf("Wetsuits", "Wetsuit", 190, peak=6, variants=SIZES),
        ),
    },
    "Winter": {
        "Touring": (
            Leaf("Snowshoes", "Snowshoes", 170, peak=1, variants=("22", "25", "30")),
            Leaf("Climbing Skins", "Climbing Skin", 140, peak=1),
            Leaf("Avalanche Safety", "Avalanche Transceiver", 290, peak=1),
        ),
        "Ski": (
            Leaf("Ski Jackets", "Ski Jacket", 280, peak=12, variants=COLOURS),
            Leaf("Ski Goggles", "Ski Goggles", 95, peak=1, variants=("Amber", "Rose", "Photo")),
            Leaf("Ski Wax", "Ski Wax", 15, peak=1, gap=30, variants=("Cold", "Universal", "Warm")),
        ),
    },
    "Food & Care": {
        "Sport Nutrition": (
            Leaf("Energy Bars", "Energy Bar 12-pack", 24, gap=13, variants=FLAVOURS),
            Leaf("Energy Gels", "Energy Gel 10-pack", 19, gap=14, variants=FLAVOURS),
            Leaf("Electrolytes", "Electrolyte Tabs", 9, gap=20, variants=FLAVOURS[2:5]),
            Leaf("Protein Powder", "Protein Powder", 32, gap=27, variants=FLAVOURS),
        ),
        "Trail Food": (
            Leaf(
                "Freeze-Dried Meals", "Trail Meal", 9.5, peak=7, gap=25, variants=("Dal", "Chili", "Porridge", "Pasta")
            ),
            Leaf("Trail Mix", "Trail Mix", 6, gap=14, variants=FLAVOURS),
            Leaf("Camp Coffee", "Camp Coffee", 11, gap=20, variants=("Mild", "Dark", "Decaf")),
        ),
        "Care": (
            Leaf("Sunscreen", "Sunscreen", 16, peak=7, gap=30, variants=("SPF 30", "SPF 50", "Stick")),
            Leaf("Insect Repellent", "Insect Repellent", 10, peak=7, gap=30, variants=PACKS[:2]),
            Leaf("First Aid", "First Aid Kit", 28),
            Leaf("Blister Plasters", "Blister Plasters", 7, gap=30, variants=("5-pack", "10-pack")),
        ),
    },
    "Dogs": {
        "Dog Food": (
            Leaf("Dry Dog Food", "Dry Dog Food", 48, gap=24, variants=("Lamb", "Salmon", "Chicken")),
            Leaf("Dog Treats", "Dog Treats", 6, gap=12, variants=("Lamb", "Salmon", "Cheese")),
        ),
        "Dog Gear": (
            Leaf("Dog Harnesses", "Dog Harness", 42, variants=SIZES),
            Leaf("Dog Coats", "Dog Coat", 45, peak=11, variants=SIZES),
            Leaf("Dog Beds", "Travel Dog Bed", 60, variants=SIZES[1:]),
        ),
    },
}

GOES_WITH: Final[dict[str, tuple[str, ...]]] = {
    "Trekking Tents": ("Sleeping Bags", "Sleeping Mats", "Trekking Packs"),
    "Family Tents": ("Camp Chairs", "Camp Tables", "Lanterns", "Sleeping Mats"),
    "Sleeping Bags": ("Sleeping Mats", "Camp Pillows"),
    "Sleeping Mats": ("Camp Pillows", "Sleeping Bags"),
    "Hammocks": ("Tarps & Shelters",),
    "Gas Stoves": ("Gas Cartridges", "Cookware", "Camp Coffee", "Freeze-Dried Meals"),
    "Cookware": ("Mugs & Bottles", "Gas Stoves"),
    "Trekking Packs": ("Rain Covers", "Trekking Poles", "Dry Bags"),
    "Hiking Boots": ("Hiking Socks", "Shoe Care", "Blister Plasters"),
    "Trekking Poles": ("Hiking Boots", "Daypacks"),
    "GPS Watches": ("Trail Running Shoes", "Running Vests"),
    "Rain Jackets": ("Rain Trousers", "Rain Covers"),
    "Down Jackets": ("Beanies", "Gloves"),
    "Merino Shirts": ("Thermal Underwear", "Hiking Socks"),
    "Harnesses": ("Belay Devices", "Quickdraws", "Climbing Helmets"),
    "Single Ropes": ("Quickdraws", "Slings", "Belay Devices"),
    "Climbing Shoes": ("Chalk", "Harnesses", "Crash Pads"),
    "Bike Helmets": ("Bike Lights", "Bike Locks"),
    "Tyres": ("Inner Tubes", "Chain Oil & Cleaners"),
    "Jerseys": ("Bib Shorts", "Energy Bars"),
    "Road Running Shoes": ("Running Shirts", "Energy Gels"),
    "Trail Running Shoes": ("Running Vests", "Energy Gels", "Electrolytes"),
    "Inflatable Kayaks": ("Paddles", "Dry Bags", "Wetsuits"),
    "Swimwear": ("Swim Goggles", "Sunscreen"),
    "Snowshoes": ("Avalanche Safety", "Trekking Poles"),
    "Climbing Skins": ("Avalanche Safety", "Ski Wax"),
    "Ski Jackets": ("Ski Goggles", "Gloves", "Thermal Underwear"),
    "Sun Hats": ("Sunscreen", "Insect Repellent"),
    "Protein Powder": ("Energy Bars",),
    "Dog Harnesses": ("Dog Treats", "Dog Coats"),
    "Dry Dog Food": ("Dog Treats",),
}
"""Category to the categories wanted soon after it: who bought a tent looks for a sleeping bag."""

BRANDS: Final = (
    "Fjellheim", "Kestrel & Rowe", "Noorderlicht", "Alpenrose Werk", "Sarek Supply", "Brackwater", "Tarn & Tor",
    "Bergfink", "Halden", "Loch Ericht", "Piz Nair Sports", "Ravenscar", "Vinterlys", "Cairnwell", "Eiderhaus",
    "Otterbach", "Skerry", "Wildspitz", "Juniper Mill", "Marmot Hollow", "Gletscherholz", "Isfjord", "Rookhope",
    "Steinadler", "Velmark", "Wanderfalke",
)  # fmt: skip
"""Ordered from dear to cheap; all invented."""

SERIES: Final = (
    "Skarvan", "Aldis", "Birk", "Corrie", "Dovre", "Elva", "Fenn", "Grimsel", "Hovden", "Inari", "Jura", "Kvist",
    "Lysa", "Minna", "Nevis", "Oslund", "Pasvik", "Quill", "Rondane", "Sula", "Tind", "Ulvik", "Vidda", "Wren",
    "Ylva", "Zeta", "Ardent", "Breeze", "Cumulus", "Drift", "Ember", "Flint", "Glade", "Heather", "Ibex", "Kite",
    "Larch", "Mistral", "Nomad", "Onyx", "Peregrine", "Ridge", "Saddle", "Thistle", "Umbra", "Vale", "Willow",
)  # fmt: skip

NEW_LINE: Final = "Aurora"
"""The product line that starts a few days before ``now``."""

NEW_LINE_BRAND: Final = "Isfjord"
NEW_LINE_LEAVES: Final = ("Rain Jackets", "Down Jackets", "Sleeping Bags", "Trekking Tents", "Daypacks", "Beanies")


@dataclass(frozen=True, slots=True)
class MarketPlace:
    """A country: its currency, units of it for one euro's worth of goods, share of customers, language."""

    market: str
    currency: str
    per_euro: float
    share: float
    language: str


MARKETS: Final = (
    MarketPlace("DE", "EUR", 1.0, 0.45, "de-DE"),
    MarketPlace("CH", "CHF", 1.08, 0.15, "de-CH"),
    MarketPlace("SE", "SEK", 11.4, 0.22, "sv-SE"),
    MarketPlace("GB", "GBP", 0.86, 0.18, "en-GB"),
)
