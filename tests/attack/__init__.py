"""The attack on templates: somebody with a key asks until the answers give a template away."""
