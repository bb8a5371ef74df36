"""The nouns that all parts agree on, and their pure codecs: no I/O, no clock, no environment."""
