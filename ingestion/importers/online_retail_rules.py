"""What is written down about the Online Retail export: which codes are no products, which market a country is.

``docs/importing.md`` shows the same tables; a test holds the two together.
"""

from typing import Final

RULES_VERSION: Final = "1"

NOT_A_PRODUCT: Final = {
    "POST": ("postage", "POST"),
    "DOT": ("postage of the web shop", "DOT"),
    "C2": ("carriage", "C2"),
    "M": ("entered by hand", "M"),
    "D": ("discount", "D"),
    "S": ("samples", "S"),
    "B": ("bad debt", "B"),
    "BANK CHARGES": ("bank charges", "BANK CHARGES"),
    "AMAZONFEE": ("fee of a marketplace", "AMAZONFEE"),
    "CRUK": ("commission of a charity", "CRUK"),
    "PADS": ("pads added to cushions, sold for nothing", "PADS"),
    "GIFT, GIFT_…": ("gift voucher", r"GIFT(_.*)?"),
    "TEST…": ("test", r"TEST.*"),
    "ADJUST…": ("adjustment", r"ADJUST.*"),
}
"""Code as shown in the guide -> (what it stands for, regular expression over the whole upper-case stock code)."""

REPEATED: Final = "repeated line: all columns as on an earlier line"
STOCK_ADJUSTMENT: Final = "stock adjustment: quantity of zero or below on an invoice that is no cancellation"
POSITIVE_CANCELLATION: Final = "cancellation with a quantity above zero"
NO_PRICE: Final = "no price: sold for zero or below (gifts, write-offs)"

MARKETS: Final = {
    "Australia": "AU",
    "Austria": "AT",
    "Bahrain": "BH",
    "Belgium": "BE",
    "Bermuda": "BM",
    "Brazil": "BR",
    "Canada": "CA",
    "Channel Islands": "CHANNEL-ISLANDS",
    "Cyprus": "CY",
    "Czech Republic": "CZ",
    "Denmark": "DK",
    "EIRE": "IE",
    "European Community": "EU",
    "Finland": "FI",
    "France": "FR",
    "Germany": "DE",
    "Greece": "GR",
    "Hong Kong": "HK",
    "Iceland": "IS",
    "Israel": "IL",
    "Italy": "IT",
    "Japan": "JP",
    "Korea": "KR",
    "Lebanon": "LB",
    "Lithuania": "LT",
    "Malta": "MT",
    "Netherlands": "NL",
    "Nigeria": "NG",
    "Norway": "NO",
    "Poland": "PL",
    "Portugal": "PT",
    "RSA": "ZA",
    "Saudi Arabia": "SA",
    "Singapore": "SG",
    "Spain": "ES",
    "Sweden": "SE",
    "Switzerland": "CH",
    "Thailand": "TH",
    "USA": "US",
    "United Arab Emirates": "AE",
    "United Kingdom": "GB",
    "Unspecified": "UNSPECIFIED",
    "West Indies": "WEST-INDIES",
}
"""Country as the export writes it -> market: ISO 3166-1 alpha-2 (EU is reserved there), a name where there is none."""

CURRENCY: Final = "GBP"
ZONE: Final = "Europe/London"
"""Times in the export are wall-clock times of the shop; of the hour that comes twice in autumn, the second is taken."""
