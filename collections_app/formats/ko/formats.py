"""Korean: morning and afternoon stand before the hour; times name their zone."""

DATETIME_FORMAT = "Y년 n월 j일 A g:i T"
SHORT_DATETIME_FORMAT = "Y-m-d H:i T"
