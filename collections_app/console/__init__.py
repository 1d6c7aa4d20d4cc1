"""The pages of a tenant's people: administrators, operators and auditors.

Each view parses the request, calls an operation and renders the page. It knows operations and errors, but no model.
"""
