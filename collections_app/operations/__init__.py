"""The verbs of the product, in its own words.

Every operation takes the Caller first and says in its first line which scope it needs; the rest is keyword-only. It
returns models or frozen values, and raises errors that carry facts. It knows nothing of HTTP or of any vendor.
"""
