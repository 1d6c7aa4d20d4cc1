"""The operations of the product, independent of HTTP and of any vendor.

Every operation takes the Caller first and requires its scope in the first line; other arguments are keyword-only. It
returns models or frozen values, and raises errors that carry facts. Functions that are no operation say so: their
callers have checked the scope.
"""
