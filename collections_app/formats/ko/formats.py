"""Korean: morning and afternoon stand before the hour."""

DATETIME_FORMAT = "Y년 n월 j일 A g:i"
SHORT_DATETIME_FORMAT = "Y-m-d H:i"
