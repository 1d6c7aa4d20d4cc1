"""The pages of a tenant's people: administrators, operators and auditors.

Owns how the product looks to them. A page is parse, operate, render; it knows operations and errors, and no table.
"""
