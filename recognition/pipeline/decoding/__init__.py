"""Untrusted bytes to pixels: a walk over the container, then a decoder in a separate process."""
