"""REST: each file is one resource."""
